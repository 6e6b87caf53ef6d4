/**
 * Where an encoding goes: bytes, from front to back, and how values without parts are written.
 * @module
 */
import { LATIN1_SLACK, LOOP_MOST, writeLatin1, writeUtf16 } from "../runtime/text_bytes.ts";
import { ALIGNED_FROM, MOST_BYTES, SHORT, SHORT_MOST, Tag } from "./codec_tags.ts";

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
const FIRST_BYTES = 4096;

const float = new Float64Array(1);
const long = new BigInt64Array(float.buffer);
const halves = new Int32Array(float.buffer);

/** Bytes that are written from front to back. */
export class Output {
  /** The bytes. */
  out: Uint8Array = new Uint8Array(0);
  /** Where the next byte goes. */
  at = 0;
  /** Where the room ends. */
  end = 0;
  /** Whether the bytes are our own, and may be replaced by more. */
  owned = true;
  /** So much room is made when there has to be more. */
  likely = 0;

  /** Makes room for `size` more bytes. */
  need(size: number): void {
    if (this.at + size > this.end) this.grow(size);
  }

  /** More room, or none. */
  grow(size: number): void {
    if (!this.owned) throw NO_ROOM_LEFT;
    const least = this.at + size;
    if (least > MOST_BYTES) throw new Stop("message", "larger than 2 GB");
    const out = new Uint8Array(Math.min(MOST_BYTES, Math.max(least, this.out.length * 2, this.likely, FIRST_BYTES)));
    out.set(this.out.subarray(0, this.at));
    this.out = out;
    this.end = out.length;
  }

  /** One byte. */
  byte(value: number): void {
    if (this.at >= this.end) this.grow(1);
    this.out[this.at++] = value;
  }

  /** A count: 7 bits a byte. */
  count(value: number): void {
    while (value > 127) {
      this.byte((value % 128) + 128);
      value = Math.floor(value / 128);
    }
    this.byte(value);
  }

  /** 4 bytes. */
  word(value: number): void {
    this.need(4);
    const { out, at } = this;
    out[at] = value;
    out[at + 1] = value >>> 8;
    out[at + 2] = value >>> 16;
    out[at + 3] = value >>> 24;
    this.at = at + 4;
  }

  /** 8 bytes. */
  float(value: number): void {
    float[0] = value;
    this.word(halves[0] as number);
    this.word(halves[1] as number);
  }

  /** A number, as a value. */
  number(value: number): void {
    const int = value | 0;
    if (int !== value || (int === 0 && 1 / value < 0)) {
      this.byte(Tag.FLOAT64);
      this.float(value);
    } else if (int >= 0 && int < SHORT) {
      this.byte(int);
    } else if (int >= -0x8000 && int < 0x8000) {
      const small = int >= -0x80 && int < 0x80;
      this.need(small ? 2 : 3);
      const { out } = this;
      out[this.at++] = small ? Tag.INT8 : Tag.INT16;
      out[this.at++] = int;
      if (!small) out[this.at++] = int >> 8;
    } else {
      this.byte(Tag.INT32);
      this.word(int);
    }
  }

  /** A string, as a value. */
  string(value: string): void {
    const size = value.length;
    if (size > LOOP_MOST) return this.longString(value);
    if (this.at + size >= this.end) this.grow(size + 1);
    const { out } = this;
    let at = this.at + 1;
    for (let i = 0; i < size; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0xff) return this.#units(value);
      out[at++] = unit;
    }
    out[this.at] = SHORT + size;
    this.at = at;
  }

  /** A string that is long. */
  longString(value: string): void {
    const start = this.at;
    const size = value.length;
    let at = start + 1;
    if (size > SHORT_MOST) {
      this.byte(Tag.LATIN1);
      at = this.#open(size, LATIN1_SLACK);
    } else this.need(1 + size + LATIN1_SLACK);
    if (writeLatin1(this.out, value, at)) {
      if (size > SHORT_MOST) this.#close(size);
      else {
        this.out[start] = SHORT + size;
        this.at = at + size;
      }
    } else {
      this.at = start;
      this.#units(value);
    }
  }

  /** A string as it is in memory. */
  #units(value: string): void {
    this.byte(Tag.UTF16);
    const at = this.block(2 * value.length);
    writeUtf16(this.out, value, at);
  }

  /** Begins a block of `size` bytes: makes room for them and `more`, and says where they go. {@linkcode close} ends it. */
  #open(size: number, more: number): number {
    this.count(size);
    if (size < ALIGNED_FROM) {
      this.need(size + more);
      return this.at;
    }
    this.need(8 + size + more);
    const skip = -(this.out.byteOffset + this.at + 1) & 7;
    this.out[this.at++] = skip;
    return this.at + skip;
  }

  /** Ends a block of `size` bytes. It takes as many bytes wherever it is: what was not skipped before it is skipped behind it. */
  #close(size: number): void {
    this.at += size < ALIGNED_FROM ? size : size + 7;
  }

  /** Begins a block of `size` bytes, which are to be written at the place that it gives; the next thing comes behind. */
  block(size: number): number {
    const at = this.#open(size, 0);
    this.#close(size);
    return at;
  }

  /** A block. */
  bytes(bytes: Uint8Array): void {
    const at = this.block(bytes.length);
    this.out.set(bytes, at);
  }

  /** A bigint, as a value. */
  bigint(value: bigint): void {
    long[0] = value;
    if (long[0] === value) {
      this.byte(Tag.BIGINT64);
      this.word(halves[0] as number);
      this.word(halves[1] as number);
      return;
    }
    const digits = (value < 0n ? -value : value).toString(16);
    this.byte(Tag.BIGINT);
    this.byte(value < 0n ? 1 : 0);
    let at = this.block((digits.length + 1) >> 1);
    for (let end = digits.length; end > 0; end -= 2) {
      this.out[at++] = parseInt(digits.slice(Math.max(0, end - 2), end), 16);
    }
  }
}
