/**
 * What a task marks to be moved with its result.
 * @module
 */

import { isDetached } from "./refusal.ts";

/** The marks; a value that was never sent takes its own away with it. */
const marks = new WeakMap<object, readonly object[]>();
let used = false;

/**
 * Marks what a task returns so that memory in it moves to the caller instead of being copied: afterwards the worker's own
 * `ArrayBuffer` is empty. It never blocks. For arguments there is the option `transfer` of `apply` and `map`.
 *
 * Python has nothing like it: what is returned is pickled. Between programs (`type: "process"`) nothing can move, and the
 * value is copied.
 *
 * @typeParam T the type of the value
 * @param value what the task returns, or an item of it that `map` returns
 * @param objects what of it moves: buffers, ports and whatever else the runtime can transfer
 * @returns the same value
 * @throws {TypeError} when the value is not an object, or the objects are no array of objects; when one of them is shared, or was
 *   moved before
 *
 * @example
 * ```ts
 * import { isMain, Pool, transfer } from "@manycore/multiprocessing";
 *
 * export function render(width: number, height: number): Uint8Array {
 *   const pixels = new Uint8Array(width * height * 4).fill(255);
 *   return transfer(pixels, [pixels.buffer]);
 * }
 *
 * if (isMain(import.meta)) {
 *   const pool = new Pool(1);
 *   console.log((await pool.apply(render, [640, 480])).length); // 1228800
 *   pool.close();
 *   await pool.join();
 * }
 * ```
 */
export function transfer<T extends object>(value: T, objects: readonly object[]): T {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`Cannot transfer ${String(value)}: only objects have something that moves.`);
  }
  if (!Array.isArray(objects) || objects.some((one) => typeof one !== "object" || one === null)) {
    throw new TypeError("transfer(value, objects): objects must be an array of buffers or ports.");
  }
  for (const one of objects) {
    if (one instanceof SharedArrayBuffer) {
      throw new TypeError("transfer(value, objects): a SharedArrayBuffer is shared and never moves; leave it out.");
    }
    if (one instanceof ArrayBuffer && isDetached(one)) {
      throw new TypeError("transfer(value, objects): a buffer has moved away before; make new memory for each result.");
    }
  }
  used = true;
  marks.set(value, [...objects]);
  return value;
}

/** What moves with a value; undefined where nothing was marked. `many`: it is an array of results. The marks are gone then. */
export function takeMoved(value: unknown, many: boolean): readonly object[] | undefined {
  if (!used || typeof value !== "object" || value === null) return undefined;
  if (!many || !Array.isArray(value)) return take(value);
  const all = new Set<object>();
  for (const item of value) {
    if (typeof item === "object" && item !== null) { for (const one of take(item as object) ?? []) all.add(one); }
  }
  return all.size === 0 ? undefined : [...all];
}

/** Whether anything of it was marked. */
export function isMoved(value: unknown, many: boolean): boolean {
  if (!used || typeof value !== "object" || value === null) return false;
  if (!many || !Array.isArray(value)) return marks.has(value);
  return value.some((item) => typeof item === "object" && item !== null && marks.has(item as object));
}

function take(value: object): readonly object[] | undefined {
  const objects = marks.get(value);
  if (objects !== undefined) marks.delete(value);
  return objects;
}
