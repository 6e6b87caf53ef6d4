/**
 * What a worker tells a test through shared memory, so that a test can wait for a state instead of sleeping.
 * Fixtures use the first half in workers, tests the second.
 * @module
 */
import { eventually } from "./wait.ts";

/** Words of shared memory, all 0. */
export function sharedWords(length = 8): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * 4));
}

/** Waits until a word has a value of at least `value`. */
export async function wordReaches(words: Int32Array, index: number, value: number): Promise<void> {
  await eventually(
    () => Atomics.load(words, index) >= value,
    `word ${index} reaches ${value}, it is ${Atomics.load(words, index)}`,
  );
}

/** Memory for one JSON text. */
export function newBox(bytes = 1 << 16): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes + 4);
}

/** In a worker: leaves a value. */
export function fillBox(box: SharedArrayBuffer, value: unknown): void {
  const text = new TextEncoder().encode(JSON.stringify(value) ?? "null");
  new Uint8Array(box, 4).set(text);
  Atomics.store(new Int32Array(box, 0, 1), 0, text.length);
}

/** In a test: waits for the value. */
export async function readBox<T>(box: SharedArrayBuffer): Promise<T> {
  const length = new Int32Array(box, 0, 1);
  await eventually(() => Atomics.load(length, 0) > 0, "the worker fills the box");
  return JSON.parse(new TextDecoder().decode(new Uint8Array(box, 4, Atomics.load(length, 0)).slice())) as T;
}
