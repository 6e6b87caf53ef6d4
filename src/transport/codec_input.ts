/**
 * Where an encoding comes from: bytes, from front to back, and how values without parts are read.
 *
 * Every length is read once and held against what is left before anything is made of it: the bytes may be damaged, and may be
 * shared memory that somebody still writes to.
 * @module
 */
import { EncodingError } from "../errors.ts";
import { READ_LOOP_MOST, readLatin1, readUtf16 } from "../runtime/text_bytes.ts";
import { ALIGNED_FROM, SHORT, SHORT_MOST, Tag } from "./codec_tags.ts";

const float = new Float64Array(1);
const long = new BigInt64Array(float.buffer);
const halves = new Int32Array(float.buffer);
const character = String.fromCharCode;

/** What {@linkcode Input.primitive} gives for a tag that is none of its. */
export const NONE: unique symbol = Symbol("none");

/** So many strings of a message are read one by one: a window costs as much as three of them. */
const SINGLE = 3;
/**
 * The size of a window. To cut a string from one takes 3 to 7 ns, to make one from bytes 20 to 50. Engines keep the whole window for
 * a string that was cut from it: few bytes, so that who keeps a word of a message does not keep the message.
 */
const WINDOW = 512;

function loopLatin1(bytes: Uint8Array, at: number, end: number): string {
  let text = "";
  for (; at + 4 <= end; at += 4) {
    text += character(
      bytes[at] as number,
      bytes[at + 1] as number,
      bytes[at + 2] as number,
      bytes[at + 3] as number,
    );
  }
  for (; at < end; at++) text += character(bytes[at] as number);
  return text;
}

/** Throws: the bytes make no sense. */
export function damaged(what: string): never {
  throw new EncodingError(`Cannot decode a message: ${what}.`, "message");
}

/** Bytes that are read from front to back. */
export class Input {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
  blockEnd = 0;
  /** What stands from {@linkcode Input.#windowAt} on, as if it were text: strings are cut from it. */
  #window = "";
  #windowAt = 0;
  /** So many strings are still read one by one. */
  #single = SINGLE;

  /** There must be `size` more bytes. */
  need(size: number): void {
    if (size > this.end - this.at) damaged("it ends too early");
  }

  byte(): number {
    if (this.at >= this.end) damaged("it ends too early");
    return this.bytes[this.at++] as number;
  }

  count(): number {
    let byte = this.byte();
    if (byte < 128) return byte;
    let value = byte - 128;
    for (let scale = 128; scale < 2 ** 50; scale *= 128) {
      byte = this.byte();
      if (byte < 128) return value + byte * scale;
      value += (byte - 128) * scale;
    }
    return damaged("a count in it is too large");
  }

  /** The count of things that take at least `size` bytes each. */
  countOf(size: number): number {
    const count = this.count();
    this.need(count * size);
    return count;
  }

  /** 4 bytes. */
  word(): number {
    this.need(4);
    const { bytes, at } = this;
    this.at = at + 4;
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
  }

  float(): number {
    halves[0] = this.word();
    halves[1] = this.word();
    return float[0] as number;
  }

  /** Begins a block: its size. It starts here, and ends at {@linkcode Input.blockEnd}. */
  block(): number {
    const size = this.count();
    if (size < ALIGNED_FROM) {
      this.need(size);
      this.blockEnd = this.at + size;
      return size;
    }
    const skip = this.byte();
    if (skip > 7) damaged("it skips too much");
    this.need(size + 7);
    this.blockEnd = this.at + size + 7;
    this.at += skip;
    return size;
  }

  /** A block, copied. */
  copy(): Uint8Array<ArrayBuffer> {
    const size = this.block();
    const copy = new Uint8Array(size);
    const { bytes, at } = this;
    if (size >= ALIGNED_FROM) copy.set(bytes.subarray(at, at + size));
    else for (let i = 0; i < size; i++) copy[i] = bytes[at + i] as number;
    this.at = this.blockEnd;
    return copy;
  }

  /** A value that must be a string. */
  string(): string {
    const tag = this.byte();
    const value = tag >= SHORT ? this.primitive(tag) : tag;
    return typeof value === "string" ? value : damaged("a string is missing in it");
  }

  /** A short string of Latin-1. */
  #short(size: number): string {
    this.need(size);
    const { at } = this;
    const from = at - this.#windowAt;
    this.at = at + size;
    if (from >= 0 && from + size <= this.#window.length) return this.#window.substring(from, from + size);
    return this.#shortSlow(at, size);
  }

  /** The first strings of a message are read one by one, the others are cut from windows. */
  #shortSlow(at: number, size: number): string {
    if (--this.#single >= 0) {
      return size > READ_LOOP_MOST ? readLatin1(this.bytes, at, at + size) : loopLatin1(this.bytes, at, at + size);
    }
    const text = this.#window = readLatin1(this.bytes, at, Math.min(at + WINDOW, this.end));
    this.#windowAt = at;
    return text.substring(0, size);
  }

  /** A message begins: what was read of another one means nothing here. */
  startText(): void {
    this.#window = "";
    this.#windowAt = 0;
    this.#single = SINGLE;
  }

  #latin1(): string {
    const size = this.block();
    const { at } = this;
    this.at = this.blockEnd;
    return readLatin1(this.bytes, at, at + size);
  }

  #utf16(): string {
    const size = this.block();
    if (size % 2 !== 0) damaged("half a character is in it");
    const { at } = this;
    this.at = this.blockEnd;
    return readUtf16(this.bytes, at, at + size);
  }

  #bigint(): bigint {
    const negative = this.byte() === 1;
    const bytes = this.copy();
    let digits = "0x0";
    for (let i = bytes.length - 1; i >= 0; i--) digits += (bytes[i] as number).toString(16).padStart(2, "0");
    const value = BigInt(digits);
    return negative ? -value : value;
  }

  /** The value of a tag from SHORT on, if it has no parts; else NONE. */
  primitive(tag: number): unknown {
    if (tag <= SHORT + SHORT_MOST) return this.#short(tag - SHORT);
    switch (tag) {
      case Tag.UNDEFINED:
        return undefined;
      case Tag.NULL:
        return null;
      case Tag.TRUE:
        return true;
      case Tag.FALSE:
        return false;
      case Tag.INT8:
        return (this.byte() << 24) >> 24;
      case Tag.INT16:
        return ((this.byte() | (this.byte() << 8)) << 16) >> 16;
      case Tag.INT32:
        return this.word();
      case Tag.FLOAT64:
        return this.float();
      case Tag.LATIN1:
        return this.#latin1();
      case Tag.UTF16:
        return this.#utf16();
      case Tag.BIGINT64:
        halves[0] = this.word();
        halves[1] = this.word();
        return long[0];
      case Tag.BIGINT:
        return this.#bigint();
      default:
        return NONE;
    }
  }
}
