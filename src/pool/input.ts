/**
 * What `map` and `imap` go over.
 * @module
 */
import { isData } from "../transport/refusal.ts";
import type { Items, TypedArray } from "./map_job.ts";

/** An array or typed array as it is, a Set and the like as an array; undefined for an input that has to be pulled. */
export function itemsOf(items: unknown, what: string): Items | undefined {
  if (Array.isArray(items)) return items;
  if (ArrayBuffer.isView(items) && !(items instanceof DataView)) return items as TypedArray;
  if (typeof items === "string") return [...items];
  if (typeof items === "object" && items !== null) {
    if (items instanceof Set || items instanceof Map) return [...items];
    if (Symbol.iterator in items || Symbol.asyncIterator in items) return undefined;
  }
  throw new TypeError(
    `${what}(fn, items): items must be an array, a typed array or another (async) iterable, got ${
      items === null ? "null" : typeof items
    }.`,
  );
}

/** @throws {TypeError} unless every item of `starmap` is an array of arguments. */
export function checkRows(items: Items, what: string): void {
  for (let i = 0; i < items.length; i++) {
    if (!Array.isArray(items[i])) {
      throw new TypeError(`${what}(fn, items): item ${i} must be an array of arguments, got ${typeof items[i]}.`);
    }
  }
}

/** Whether a value has nothing in it that could be refused, or has to be taken hold of; false says nothing. */
export function isPlain(value: unknown): boolean {
  if (!Array.isArray(value)) return isData(value);
  for (let i = 0; i < value.length; i++) if (!isPrimitive(value[i])) return isData(value);
  return true;
}

/** Whether it is no object, and crosses. */
export function isPrimitive(value: unknown): boolean {
  switch (typeof value) {
    case "object":
      return value === null;
    case "function":
    case "symbol":
      return false;
    default:
      return true;
  }
}
