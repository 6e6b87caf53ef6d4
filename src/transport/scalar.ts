/**
 * Values that need no codec: single ones in the prologue of a record, 3 ns instead of 30, and arrays of numbers behind it, 1 to 3 ns
 * an item. Most small calls have one argument and one result, and most of those, and of the items of a map, are numbers.
 * @module
 */
import type { SharedWords } from "../memory/atomics.ts";
import { RING_HEADER_BYTES, type RingPlace } from "../memory/ring.ts";
import { EXTRA, PROLOGUE } from "./lane_memory.ts";

/** The bits of KIND that say which; 0: it is none, and encoded behind the prologue. */
export const SCALAR_BITS: number = 15 << 8;
const INT32 = 1 << 8;
const FLOAT64 = 2 << 8;
const UNDEFINED = 3 << 8;
const NULL = 4 << 8;
const TRUE = 5 << 8;
const FALSE = 6 << 8;
const INTEGERS = 7 << 8;
const NUMBERS = 8 << 8;

/** The data of a ring, as floats. */
export type Floats = Float64Array<SharedArrayBuffer>;

/** A view of a ring's data. */
export function floatsOf({ buffer, byteOffset, size }: RingPlace): Floats {
  return new Float64Array(buffer, byteOffset + RING_HEADER_BYTES, size / 8);
}

/** Writes a scalar into the record that begins at `word`: the bits of its kind, or 0, when it is none. */
export function writeScalar(words: SharedWords, floats: Floats, word: number, value: unknown): number {
  switch (typeof value) {
    case "number": {
      const integer = value | 0;
      if (integer === value && (integer !== 0 || 1 / value > 0)) {
        words[word + EXTRA] = integer;
        return INT32;
      }
      floats[(word >> 1) + PROLOGUE / 8] = value;
      return FLOAT64;
    }
    case "undefined":
      return UNDEFINED;
    case "boolean":
      return value ? TRUE : FALSE;
    case "object":
      return value === null ? NULL : 0;
    default:
      return 0;
  }
}

/** Where a record with a scalar ends, in bytes from its beginning. */
export function scalarEnd(bits: number): number {
  return bits === FLOAT64 ? PROLOGUE + 8 : PROLOGUE;
}

/** The room that {@linkcode writeNumbers} may need for so many numbers. */
export function numbersBytes(count: number): number {
  return PROLOGUE + count * 8;
}

/**
 * Writes a plain array without holes into the record that begins at `word`, if it holds nothing but numbers: the bits of its kind,
 * or 0. Integers stay integers: as floats they would slow the receiver's code by 1.8 ×.
 */
export function writeNumbers(words: SharedWords, floats: Floats, word: number, array: readonly unknown[]): number {
  const { length } = array;
  words[word + EXTRA] = length;
  const body = word + PROLOGUE / 4;
  let i = 0;
  for (; i < length; i++) {
    const item = array[i];
    if (typeof item !== "number") return 0;
    const integer = item | 0;
    if (integer !== item || (integer === 0 && 1 / item < 0)) break;
    words[body + i] = integer;
  }
  if (i === length) return INTEGERS;
  const start = body >> 1;
  for (i = 0; i < length; i++) {
    const item = array[i];
    if (typeof item !== "number") return 0;
    floats[start + i] = item;
  }
  return NUMBERS;
}

/** Typed arrays whose items are numbers. */
export type NumberView =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** Whether a value is one, in memory that is not shared. */
export function isNumberView(value: unknown): value is NumberView {
  return ArrayBuffer.isView(value) && typeof (value as NumberView)[0] === "number" &&
    !(value.buffer instanceof SharedArrayBuffer);
}

/** {@linkcode writeNumbers} for a typed array: a loop of its own, since one for all kinds of arrays is slow with each. */
export function writeView(words: SharedWords, floats: Floats, word: number, view: NumberView): number {
  const { length } = view;
  words[word + EXTRA] = length;
  const body = word + PROLOGUE / 4;
  for (let i = 0; i < length; i++) {
    const item = view[i] as number;
    const integer = item | 0;
    if (integer !== item || (integer === 0 && 1 / item < 0)) {
      floats.set(view, body >> 1);
      return NUMBERS;
    }
    words[body + i] = integer;
  }
  return INTEGERS;
}

/** Where a record with numbers ends, in bytes from its beginning. */
export function numbersEnd(bits: number, count: number): number {
  return PROLOGUE + count * (bits === INTEGERS ? 4 : 8);
}

function readNumbers(numbers: SharedWords | Floats, start: number, count: number): number[] {
  const array: number[] = new Array(count);
  for (let i = 0; i < count; i++) array[i] = numbers[start + i] as number;
  return array;
}

/** Reads it. */
export function readScalar(words: SharedWords, floats: Floats, word: number, bits: number): unknown {
  switch (bits) {
    case INT32:
      return words[word + EXTRA];
    case FLOAT64:
      return floats[(word >> 1) + PROLOGUE / 8];
    case UNDEFINED:
      return undefined;
    case NULL:
      return null;
    case TRUE:
      return true;
    case INTEGERS:
      return readNumbers(words, word + PROLOGUE / 4, words[word + EXTRA] as number);
    case NUMBERS:
      return readNumbers(floats, (word + PROLOGUE / 4) >> 1, words[word + EXTRA] as number);
    default:
      return false;
  }
}
