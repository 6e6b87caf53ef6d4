// @ts-self-types="./text.d.mts"
// Payloads in shared memory by the fastest means that each runtime has, for strings, bytes and what JSON can say.
//
// ASCII: encodeInto, and latin1Slice where there is a Buffer that has it. Other text: UTF-16 by ucs2Write and ucs2Slice on Node and
// Bun, UTF-8 on Deno, whose Buffer is slow at it.

import { Buffer } from "node:buffer";

const BYTES = 1, ASCII = 2, UTF16 = 3, UTF8 = 4, JSON_TEXT = 16;

const deno = "Deno" in globalThis;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const buffers = new WeakMap();

function bufferOf(box) {
  let buffer = buffers.get(box);
  if (buffer === undefined) buffers.set(box, buffer = Buffer.from(box.buffer));
  return buffer;
}

function writeText(text, box, flag) {
  const { read, written } = encoder.encodeInto(text, box);
  if (written === text.length) return [ASCII | flag, written];
  if (!deno) return [UTF16 | flag, bufferOf(box).ucs2Write(text, 0)];
  if (read !== text.length) throw new RangeError("The text does not fit.");
  return [UTF8 | flag, written];
}

/** Writes a value, and says what it is and how long: [kind, length]. */
export function write(value, box) {
  if (typeof value === "string") return writeText(value, box, 0);
  if (value instanceof Uint8Array) {
    box.set(value);
    return [BYTES, value.length];
  }
  return writeText(JSON.stringify(value), box, JSON_TEXT);
}

/** Reads a value that {@linkcode write} wrote. */
export function read(kind, length, box) {
  if (kind === BYTES) {
    const copy = new Uint8Array(length);
    copy.set(box.subarray(0, length));
    return copy;
  }
  const form = kind & ~JSON_TEXT;
  const text = form === ASCII
    ? bufferOf(box).latin1Slice(0, length)
    : form === UTF16
    ? bufferOf(box).ucs2Slice(0, length)
    : decoder.decode(box.subarray(0, length));
  return kind & JSON_TEXT ? JSON.parse(text) : text;
}
