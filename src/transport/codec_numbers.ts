/**
 * Arrays of nothing but numbers: as integers of one size, which stay small integers for the receiver's engine, or as
 * floats.
 * @module
 */
import type { Output } from "./codec_output.ts";
import { ALIGNED_FROM, MOST_NUMBERS, Tag } from "./codec_tags.ts";

/** Numbers that were read from an array, each element once: it may have getters. */
export interface Gathered {
  /** Where they are: `ints`, or `floats` if one of them is no integer of 32 bits. */
  numbers: Int32Array | Float64Array;
  readonly ints: Int32Array;
  readonly floats: Float64Array;
  /** How many there are. */
  count: number;
  /** How they are written. */
  tag: number;
  /** The element behind them, if it is none. */
  other: unknown;
}

/** Undefined while one is filled: a getter may encode something itself. */
let spare: Gathered | undefined;

function makeGathered(): Gathered {
  const ints = new Int32Array(MOST_NUMBERS);
  return { numbers: ints, ints, floats: new Float64Array(MOST_NUMBERS), count: 0, tag: 0, other: undefined };
}

/**
 * Reads the elements from `from` on, up to `most` of them or to the first that is no number. What it gives is to be used before
 * anything of the user's is read again. @param first the first of them
 */
export function gather(array: readonly unknown[], from: number, most: number, first: unknown): Gathered {
  const gathered = spare ?? makeGathered();
  spare = undefined;
  const { ints, floats } = gathered;
  let low = 0;
  let high = 0;
  let item = first;
  let count = 0;
  while (typeof item === "number") {
    const int = item | 0;
    if (int !== item || (int === 0 && 1 / item < 0)) break;
    ints[count++] = int;
    if (int < low) low = int;
    else if (int > high) high = int;
    if (count === most) break;
    item = array[from + count];
  }
  if (count < most && typeof item === "number") {
    for (let i = 0; i < count; i++) floats[i] = ints[i] as number;
    while (typeof item === "number") {
      floats[count++] = item;
      if (count === most) break;
      item = array[from + count];
    }
    gathered.numbers = floats;
    gathered.tag = Tag.FLOATS;
  } else {
    gathered.numbers = ints;
    gathered.tag = low >= -0x80 && high < 0x80 ? Tag.INTS8 : low >= -0x8000 && high < 0x8000 ? Tag.INTS16 : Tag.INTS32;
  }
  gathered.count = count;
  gathered.other = count === most ? undefined : item;
  return spare = gathered;
}

/** How many bytes a number takes. */
export function bytesEach(tag: number): 1 | 2 | 4 | 8 {
  return tag === Tag.FLOATS ? 8 : tag === Tag.INTS32 ? 4 : tag === Tag.INTS16 ? 2 : 1;
}

/** Writes numbers as an array, or as the next of a LONG one. */
export function writeNumbers(output: Output, gathered: Gathered): void {
  const { ints, floats, count, tag } = gathered;
  output.byte(tag);
  const size = bytesEach(tag);
  const at = output.block(size * count);
  const { out } = output;
  if (size === 1) {
    for (let i = 0; i < count; i++) out[at + i] = ints[i] as number;
  } else if (size * count >= ALIGNED_FROM) {
    const place = out.byteOffset + at;
    if (size === 8) new Float64Array(out.buffer, place, count).set(floats.subarray(0, count));
    else if (size === 4) new Int32Array(out.buffer, place, count).set(ints.subarray(0, count));
    else {
      const view = new Int16Array(out.buffer, place, count);
      for (let i = 0; i < count; i++) view[i] = ints[i] as number;
    }
  } else {
    writeFew(out, at, gathered, size);
  }
}

/** A view costs more than so few bytes. */
function writeFew(out: Uint8Array, at: number, { ints, floats, count }: Gathered, size: number): void {
  for (let i = 0; i < count; i++) {
    if (size === 8) float[0] = floats[i] as number;
    const half = (size === 8 ? halves[0] : ints[i]) as number;
    out[at++] = half;
    out[at++] = half >> 8;
    if (size === 2) continue;
    out[at++] = half >> 16;
    out[at++] = half >> 24;
    if (size === 4) continue;
    const other = halves[1] as number;
    out[at++] = other;
    out[at++] = other >> 8;
    out[at++] = other >> 16;
    out[at++] = other >> 24;
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

/** Reads so many numbers, which are there, into an array, from `from` on. */
export function readNumbers(
  array: unknown[],
  from: number,
  bytes: Uint8Array,
  at: number,
  count: number,
  tag: number,
): void {
  const size = bytesEach(tag);
  if (size * count < ALIGNED_FROM) return readFew(array, from, bytes, at, count, size);
  let { buffer } = bytes;
  let place = bytes.byteOffset + at;
  if (place % size !== 0) {
    const copy = new Uint8Array(size * count);
    copy.set(bytes.subarray(at, at + size * count));
    buffer = copy.buffer;
    place = 0;
  }
  const numbers = viewOf(tag, buffer, place, count);
  let to = from;
  for (let i = 0; i < count; i++) array[to++] = numbers[i] as number;
}

function readFew(
  array: unknown[],
  from: number,
  bytes: Uint8Array,
  at: number,
  count: number,
  size: number,
): void {
  for (let i = from; i < from + count; i++, at += size) {
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
