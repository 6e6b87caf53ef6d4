/**
 * Arrays of nothing but numbers: as integers of one size, which stay small integers for the receiver's engine, or as
 * floats.
 * @module
 */
import type { Output } from "./codec_output.ts";
import { ALIGNED_FROM, Tag } from "./codec_tags.ts";

/** How an array is written; 0: it has something that is no number. */
export function numbersTag(array: readonly unknown[]): number {
  let low = 0;
  let high = 0;
  let floats = false;
  for (let i = 0; i < array.length; i++) {
    const item = array[i];
    if (typeof item !== "number") return 0;
    const int = item | 0;
    if (int !== item || (int === 0 && 1 / item < 0)) floats = true;
    else if (int < low) low = int;
    else if (int > high) high = int;
  }
  if (floats) return Tag.FLOATS;
  return low >= -0x80 && high < 0x80 ? Tag.INTS8 : low >= -0x8000 && high < 0x8000 ? Tag.INTS16 : Tag.INTS32;
}

/** How many bytes a number takes. */
export function bytesEach(tag: number): 1 | 2 | 4 | 8 {
  return tag === Tag.FLOATS ? 8 : tag === Tag.INTS32 ? 4 : tag === Tag.INTS16 ? 2 : 1;
}

/** Writes the first `count` numbers of an array. */
export function writeNumbers(output: Output, array: readonly unknown[], count: number, tag: number): void {
  output.byte(tag);
  const size = bytesEach(tag);
  const at = output.block(size * count);
  const { out } = output;
  const place = out.byteOffset + at;
  if (size === 1) {
    for (let i = 0; i < count; i++) out[at + i] = array[i] as number;
  } else if (size * count >= ALIGNED_FROM) {
    fill(viewOf(tag, out.buffer, place, count), array, count);
  } else {
    // A view costs more than so few bytes.
    for (let i = 0, to = at; i < count; i++) {
      const item = array[i] as number;
      float[0] = item;
      const half = size === 8 ? halves[0] as number : item;
      out[to++] = half;
      out[to++] = half >> 8;
      if (size === 2) continue;
      out[to++] = half >> 16;
      out[to++] = half >> 24;
      if (size === 4) continue;
      const other = halves[1] as number;
      out[to++] = other;
      out[to++] = other >> 8;
      out[to++] = other >> 16;
      out[to++] = other >> 24;
    }
  }
}

const float = new Float64Array(1);
const halves = new Int32Array(float.buffer);

type Numbers = Int8Array | Int16Array | Int32Array | Float64Array;

function viewOf(tag: number, buffer: ArrayBufferLike, place: number, count: number): Numbers {
  return tag === Tag.FLOATS
    ? new Float64Array(buffer, place, count)
    : tag === Tag.INTS32
    ? new Int32Array(buffer, place, count)
    : tag === Tag.INTS16
    ? new Int16Array(buffer, place, count)
    : new Int8Array(buffer, place, count);
}

function fill(numbers: Numbers, array: readonly unknown[], count: number): void {
  for (let i = 0; i < count; i++) numbers[i] = array[i] as number;
}

/** Reads so many numbers, which are there, into an array. */
export function readNumbers(array: number[], bytes: Uint8Array, at: number, count: number, tag: number): void {
  const size = bytesEach(tag);
  if (size * count < ALIGNED_FROM) return readFew(array, bytes, at, count, size);
  let { buffer } = bytes;
  let place = bytes.byteOffset + at;
  if (place % size !== 0) {
    const copy = new Uint8Array(size * count);
    copy.set(bytes.subarray(at, at + size * count));
    buffer = copy.buffer;
    place = 0;
  }
  const numbers = viewOf(tag, buffer, place, count);
  for (let i = 0; i < count; i++) array[i] = numbers[i] as number;
}

function readFew(array: number[], bytes: Uint8Array, at: number, count: number, size: number): void {
  for (let i = 0; i < count; i++, at += size) {
    if (size === 1) array[i] = ((bytes[at] as number) << 24) >> 24;
    else if (size === 2) array[i] = (((bytes[at] as number) | ((bytes[at + 1] as number) << 8)) << 16) >> 16;
    else if (size === 4) array[i] = wordAt(bytes, at);
    else {
      halves[0] = wordAt(bytes, at);
      halves[1] = wordAt(bytes, at + 4);
      array[i] = float[0] as number;
    }
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24);
}
