/**
 * Where an encoding goes: bytes, from front to back, and how numbers and strings are written.
 * @module
 */
import { MOST_BYTES, SHORT, SHORT_MOST, Tag } from "./codec_tags.ts";

/** Why an encoding stopped: thrown inside the codec only, and never seen outside of it. */
export class Stop {
  /** Why: no room in the target, something that bytes cannot carry, or something that cannot cross at all. */
  readonly reason: "room" | "message" | "refused";
  /** What it is that cannot cross, in words. */
  readonly what: string;

  /** Makes the reason. */
  constructor(reason: "room" | "message" | "refused", what: string) {
    this.reason = reason;
    this.what = what;
  }
}

const NO_ROOM_LEFT = new Stop("room", "");
const encoder = new TextEncoder();
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const FIRST_BYTES = 4096;

/** Bytes that are written from front to back. */
export class Output {
  /** The bytes. */
  out: Uint8Array = new Uint8Array(FIRST_BYTES);
  /** Where the next byte goes. */
  at = 0;
  /** Where the room ends. */
  end = 0;
  /** Whether the bytes are our own, and may be replaced by more. */
  owned = true;

  /** Makes room for `size` more bytes. */
  need(size: number): void {
    if (this.at + size > this.end) this.grow(size);
  }

  /** More room, or none. */
  grow(size: number): void {
    if (!this.owned) throw NO_ROOM_LEFT;
    const least = this.at + size;
    if (least > MOST_BYTES) throw new Stop("message", "larger than 2 GB");
    const out = new Uint8Array(Math.min(MOST_BYTES, Math.max(least, this.out.length * 2)));
    out.set(this.out.subarray(0, this.at));
    this.out = out;
    this.end = out.length;
  }

  /** One byte. */
  byte(value: number): void {
    this.need(1);
    this.out[this.at++] = value;
  }

  /** A count: 7 bits a byte. */
  count(value: number): void {
    while (value > 127) {
      this.need(1);
      this.out[this.at++] = (value % 128) + 128;
      value = Math.floor(value / 128);
    }
    this.need(1);
    this.out[this.at++] = value;
  }

  /** 4 bytes at a place that is there already. */
  lengthAt(at: number, value: number): void {
    const { out } = this;
    out[at] = value;
    out[at + 1] = value >>> 8;
    out[at + 2] = value >>> 16;
    out[at + 3] = value >>> 24;
  }

  /** 8 bytes. */
  float(value: number): void {
    this.need(8);
    float[0] = value;
    this.out.set(floatBytes, this.at);
    this.at += 8;
  }

  /** A number, as a value. */
  number(value: number): void {
    const int = value | 0;
    if (int !== value || (int === 0 && 1 / value < 0)) {
      this.byte(Tag.FLOAT64);
      this.float(value);
      return;
    }
    const size = int >= 0 && int < SHORT ? 1 : int >= -0x80 && int < 0x80 ? 2 : int >= -0x8000 && int < 0x8000 ? 3 : 5;
    this.need(size);
    const { out } = this;
    if (int >= 0 && int < SHORT) {
      out[this.at++] = int;
    } else if (int >= -0x80 && int < 0x80) {
      out[this.at++] = Tag.INT8;
      out[this.at++] = int;
    } else if (int >= -0x8000 && int < 0x8000) {
      out[this.at++] = Tag.INT16;
      out[this.at++] = int;
      out[this.at++] = int >> 8;
    } else {
      out[this.at] = Tag.INT32;
      this.lengthAt(this.at + 1, int);
      this.at += 5;
    }
  }

  /** A string, as a value. */
  string(value: string): void {
    const size = value.length;
    if (size > SHORT_MOST) return this.longString(value);
    this.need(size + 1);
    const { out } = this;
    let at = this.at + 1;
    for (let i = 0; i < size; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return this.longString(value);
      out[at++] = code;
    }
    out[this.at] = SHORT + size;
    this.at = at;
  }

  /** A string that is long, or not ASCII. */
  longString(value: string): void {
    const size = value.length;
    this.need(size + 5);
    let { read, written } = encoder.encodeInto(value, this.out.subarray(this.at + 5, this.end));
    if (read < size) {
      this.need(3 * size + 5);
      ({ read, written } = encoder.encodeInto(value, this.out.subarray(this.at + 5, this.end)));
    }
    if (written > size && !value.isWellFormed()) return this.units(value);
    this.out[this.at] = written === size ? Tag.ASCII : Tag.UTF8;
    this.lengthAt(this.at + 1, written);
    this.at += 5 + written;
  }

  /** A string as it is in memory: UTF-8 has no lone surrogates. */
  units(value: string): void {
    const size = value.length;
    this.need(2 * size + 5);
    const { out } = this;
    out[this.at] = Tag.UTF16;
    this.lengthAt(this.at + 1, size);
    let at = this.at + 5;
    for (let i = 0; i < size; i++) {
      const code = value.charCodeAt(i);
      out[at++] = code;
      out[at++] = code >> 8;
    }
    this.at = at;
  }

  /** Bytes, as they are. */
  raw(bytes: Uint8Array): void {
    this.need(bytes.length);
    this.out.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** A bigint, as a value. */
  bigint(value: bigint): void {
    const digits = (value < 0n ? -value : value).toString(16);
    const size = (digits.length + 1) >> 1;
    this.need(6 + size);
    const { out } = this;
    out[this.at++] = Tag.BIGINT;
    out[this.at++] = value < 0n ? 1 : 0;
    this.lengthAt(this.at, size);
    this.at += 4;
    for (let end = digits.length; end > 0; end -= 2) {
      out[this.at++] = parseInt(digits.slice(Math.max(0, end - 2), end), 16);
    }
  }
}
