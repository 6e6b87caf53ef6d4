/**
 * How a reader makes objects: at their length, without setters being called, and those that stood too deep when their parts have come.
 * @module
 */
import { damaged } from "./codec_input.ts";

/** V8 makes a longer array of that length a table of hashes, 100 times as slow. */
const MOST_AT_ONCE = 1 << 25;

/** An array that will have so many elements. */
export function newArray(size: number): unknown[] {
  return size === 0 ? [] : new Array<unknown>(size > MOST_AT_ONCE ? MOST_AT_ONCE : size);
}

/** Sets a property as structured clone does: no setter runs, and `__proto__` is a key like any other. */
export function setProperty(object: object, key: string, value: unknown): void {
  if (key in object) {
    Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
  } else {
    (object as Record<string, unknown>)[key] = value;
  }
}

/** Moves all that `whole` has into `shell`. */
export function fill(shell: object, whole: unknown): void {
  if (Array.isArray(shell) && Array.isArray(whole)) {
    for (const key of Object.keys(whole)) shell[key as unknown as number] = whole[key as unknown as number] as unknown;
    shell.length = whole.length;
  } else if (shell instanceof Map && whole instanceof Map) {
    for (const [key, item] of whole) shell.set(key, item);
  } else if (shell instanceof Set && whole instanceof Set) {
    for (const item of whole) shell.add(item);
  } else if (shell instanceof Error ? whole instanceof Error : !Array.isArray(shell)) {
    for (const key of Reflect.ownKeys(whole as object)) {
      Object.defineProperty(shell, key, Object.getOwnPropertyDescriptor(whole, key) as PropertyDescriptor);
    }
  } else damaged("something in it comes as something else");
}
