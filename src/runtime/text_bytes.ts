/**
 * Text as bytes and back: the fastest ways of each runtime, which are methods of `Buffer` that take any `Uint8Array`, shared memory
 * too. The web's `TextDecoder` takes 80 to 840 ns for 64 characters and needs a view on them, `latin1Slice` 25 to 55.
 *
 * Text is written as Latin-1, one byte a character, where that is all it has, and as it is in memory otherwise, two bytes
 * a unit: UTF-8 takes 5 to 60 times as long to write and read, and has no lone surrogates.
 * @module
 */
import { process } from "./builtins.ts";

interface BufferMethods {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
  ucs2Slice(this: Uint8Array, start: number, end: number): string;
  latin1Write(this: Uint8Array, text: string, at: number, length: number): number;
  utf8Write(this: Uint8Array, text: string, at: number, length: number): number;
  ucs2Write(this: Uint8Array, text: string, at: number, length: number): number;
}

const methods = (globalThis as unknown as { readonly Buffer: { readonly prototype: BufferMethods } }).Buffer.prototype;
const { latin1Slice, ucs2Slice, latin1Write, utf8Write, ucs2Write } = methods;

/** Deno's writing methods are written in JavaScript: 200 to 6,000 ns where others take 12 to 40. */
const WRITES_ARE_SLOW = "Deno" in globalThis;
/** From so many characters on, Deno's serializer (4 µs, then 0.1 ns a character) is faster than a loop (1 ns a character). */
const SERIALIZED_FROM = 4096;

/**
 * Up to so many characters, a loop over them is faster than a call: it takes 1 ns each, the call 25 ns on Node, 12 on Bun and
 * 80 on Deno.
 */
export const LOOP_MOST: number = WRITES_ARE_SLOW ? 63 : "Bun" in globalThis ? 12 : 24;
/** The same for reading; the call takes 45 ns on Node and Deno, 23 on Bun. */
export const READ_LOOP_MOST: number = "Bun" in globalThis ? 8 : 20;

/** The text in bytes of Latin-1. */
export function readLatin1(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end);
}

/** The text in units of two bytes. */
export function readUtf16(bytes: Uint8Array, start: number, end: number): string {
  return ucs2Slice.call(bytes, start, end);
}

/** {@linkcode writeLatin1} may write that many bytes beyond the text. */
export const LATIN1_SLACK = 4;

/**
 * Writes a text as Latin-1, if that is all it has; otherwise false, and what it has written means nothing. `bytes` must have
 * room for its length and {@linkcode LATIN1_SLACK}.
 */
export const writeLatin1: (bytes: Uint8Array, text: string, at: number) => boolean = WRITES_ARE_SLOW
  ? writeLatin1Slowly
  : writeLatin1Fast;

/** Writes a text as units of two bytes. */
export const writeUtf16: (bytes: Uint8Array, text: string, at: number) => void = WRITES_ARE_SLOW
  ? writeUtf16Slowly
  : (bytes, text, at) => void ucs2Write.call(bytes, text, at, 2 * text.length);

/** A few characters, or-ed: most texts that are not ASCII show it soon. */
function sample(text: string): number {
  const { length } = text;
  let bits = text.charCodeAt(length >> 1) | text.charCodeAt(length - 1);
  for (let i = Math.min(8, length) - 1; i >= 0; i--) bits |= text.charCodeAt(i);
  return bits;
}

function writeLatin1Fast(bytes: Uint8Array, text: string, at: number): boolean {
  const { length } = text;
  const bits = sample(text);
  // As UTF-8, only ASCII has as many bytes as characters; with this much room, a text that was cut off has more.
  if (bits < 0x80) return utf8Write.call(bytes, text, at, length + LATIN1_SLACK) === length;
  if (bits > 0xff) return false;
  // Nothing tells whether a text is Latin-1 but what it reads like.
  latin1Write.call(bytes, text, at, length);
  return latin1Slice.call(bytes, at, at + length) === text;
}

const encoder = new TextEncoder();

function writeLatin1Slowly(bytes: Uint8Array, text: string, at: number): boolean {
  const { length } = text;
  const bits = sample(text);
  if (bits > 0xff) return false;
  if (bits < 0x80 && length > LOOP_MOST) {
    const { read, written } = encoder.encodeInto(text, bytes.subarray(at, at + length + LATIN1_SLACK));
    if (read === length && written === length) return true;
  }
  if (length >= SERIALIZED_FROM) {
    const content = serialized(text, 1);
    if (content !== undefined) bytes.set(content, at);
    return content !== undefined;
  }
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0xff) return false;
    bytes[at++] = unit;
  }
  return true;
}

function writeUtf16Slowly(bytes: Uint8Array, text: string, at: number): void {
  const { length } = text;
  const content = length >= SERIALIZED_FROM ? serialized(text, 2) : undefined;
  if (content !== undefined) return bytes.set(content, at);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    bytes[at++] = unit;
    bytes[at++] = unit >> 8;
  }
}

/** The characters of a text as V8 keeps them and writes them down: the end of its serialization. */
function serialized(text: string, bytesEach: 1 | 2): Uint8Array | undefined {
  const bytes = process.getBuiltinModule("node:v8").serialize(text);
  const size = text.length * bytesEach;
  // 0xff, version, perhaps a zero to align what follows; '"' (one byte a character) or 'c' (two), the count of bytes, the text.
  const tag = bytes[2] === 0 ? 3 : 2;
  let at = tag + 1;
  let count = 0;
  for (let scale = 1;; scale *= 128) {
    const byte = bytes[at++] ?? 0;
    count += (byte & 127) * scale;
    if (byte < 128) break;
  }
  const wanted = bytesEach === 1 ? 0x22 : 0x63;
  return bytes[0] === 0xff && bytes[tag] === wanted && count === size && bytes.length === at + size
    ? bytes.subarray(at)
    : undefined;
}
