/**
 * Copies of bytes into shared memory and out of it, as fast as the runtime can.
 *
 * V8's `TypedArray.set` copies shared memory word by word, so that no word is torn; that takes twice (Node 26) to four times (Node 22,
 * 24) as long as `memcpy`, and eight times as long again where the places of the two do not agree modulo 8 (measured: 64 KB in 1.2 to
 * 2.1 µs, 8 to 16 µs, and 0.57 µs by `Buffer`). Node's `Buffer.copy` is `memcpy`. Bun's `set` is, and Deno has nothing better.
 *
 * ORDER  both are plain accesses: who may read or write the bytes is settled by an atomic before and after
 * @module
 */
import { runtime } from "../runtime/current.ts";

/** What of Node's `Buffer` is used. */
interface BufferClass {
  allocUnsafeSlow(length: number): Uint8Array<ArrayBuffer>;
  readonly prototype: {
    copy(this: Uint8Array, target: Uint8Array, at: number, start: number, end: number): number;
  };
}

const buffer: BufferClass | undefined = runtime.name === "deno"
  ? undefined
  : (globalThis as unknown as { Buffer?: BufferClass }).Buffer;
const nativeCopy = runtime.name === "node" ? buffer?.prototype.copy : undefined;

/** From this length on a call into the runtime is worth it. */
const LEAST_NATIVE = 512;
/** From this length on it is worth it not to have new memory filled with zeros. */
const LEAST_UNFILLED = 4096;

/** Copies `length` bytes from `start` in one memory to `at` in another. */
export function copyBytes(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  if (nativeCopy !== undefined && length >= LEAST_NATIVE) nativeCopy.call(from, to, at, start, start + length);
  else to.set(start === 0 && length === from.length ? from : from.subarray(start, start + length), at);
}

/** New memory, which the caller is going to fill: what is in it is undefined. */
export function unfilledBytes(length: number): Uint8Array<ArrayBuffer> {
  if (buffer === undefined || length < LEAST_UNFILLED) return new Uint8Array(length);
  return new Uint8Array(buffer.allocUnsafeSlow(length).buffer);
}
