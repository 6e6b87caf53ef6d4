/**
 * Reads messages out of the ring of a pipe; whoever calls it has the receivers' lock.
 *
 * A message of several pieces is put together in memory of its own, or in the caller's (`recvBytesInto`) while that call is under
 * way: {@linkcode Reader.keep} moves it when the call ends before the message is complete.
 *
 * DEATH  a receiver that dies before it has released the record: the message is still there. After that: it is lost, as the one that
 *        was being taken. In the middle of a long message: the next receiver finds a piece that is not FIRST, and drops
 *        what is left of it
 * DEATH  a sender that dies in the middle of a long message: SENDING says so, or the FIRST piece of another message
 * @module
 */
import { BufferTooShortError, ConnectionError } from "../errors.ts";
import { load, type SharedWords } from "../memory/atomics.ts";
import { RingReader } from "../memory/ring.ts";
import { decode, MissingMemoryError } from "../transport/codec.ts";
import { discardMessage } from "../transport/courier.ts";
import { openParcel, openParcelLater, openParcelSync } from "../transport/parcel.ts";
import { copyBytes, unfilledBytes } from "./bytes.ts";
import { ARMED, type EndView, LAST_READER, RING_BYTES, ROOM, SENDING, SLEEPERS, SPACE } from "./pipe_memory.ts";
import { BYTES, CARGO, FIRST, floatsOf, LAST, lengthAt, NUMBER } from "./pipe_message.ts";

/** There is no message. */
export const NOTHING: unique symbol = Symbol("nothing");

/** What is wanted of a message. */
export interface Want {
  /** Bytes from `sendBytes`, or else a value. */
  readonly bytes: boolean;
  /** Where bytes are to go, instead of memory of their own. */
  readonly into?: Uint8Array | undefined;
  /** The longest message of bytes. */
  readonly most?: number | undefined;
}

/** A value is wanted. */
export const VALUE: Want = { bytes: false };
/** Bytes are wanted. */
export const ANY_BYTES: Want = { bytes: true };

/** A long message, of which some pieces, or all, are here. */
export interface Long {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tag: number;
  readonly length: number;
  done: number;
}

/** A message that has left the ring and is not decoded. */
class Undecoded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }
}

/** Decodes a message that {@linkcode Reader.read} gave; blocks the thread if memory in it has to be fetched. */
export function openSync(message: unknown): unknown {
  return message instanceof Undecoded ? openParcelSync(message.bytes, 0, message.bytes.length) : message;
}

/** The same without blocking; a promise if memory in it has to be fetched. */
export function open(message: unknown): unknown {
  return message instanceof Undecoded ? openParcelLater(message.bytes, 0, message.bytes.length) : message;
}

/** TAIL of a ring, in words from where it begins. */
export const TAIL = 16;

/** See above. */
export class Reader {
  /** A message that has been begun. */
  long: Long | undefined;
  /** HEAD and TAIL of the ring. */
  readonly ringWords: SharedWords;
  readonly #end: EndView;
  readonly #words: SharedWords;
  readonly #base: number;
  readonly #token: number;
  readonly #ring: RingReader;
  readonly #floats: Float64Array<SharedArrayBuffer>;

  /** @param sender the end that sends, @param token this agent */
  constructor(end: EndView, sender: number, token: number) {
    const { memory } = end;
    const place = memory.ring(sender);
    this.#end = end;
    this.#words = memory.words;
    this.#base = memory.direction(sender);
    this.#token = token;
    this.#ring = new RingReader(place);
    this.ringWords = new Int32Array(place.buffer, place.byteOffset, TAIL + 1);
    this.#floats = floatsOf(place);
  }

  /** Whether there is a record in the ring. */
  get hasData(): boolean {
    return load(this.ringWords, TAIL) !== load(this.ringWords, 0);
  }

  /**
   * Takes a message, or what is there of it: then it returns NOTHING, and {@linkcode Reader.long} is set.
   * @throws {ConnectionError} when it is not what is wanted, and stays there; when it was cut off
   */
  read(want: Want): unknown {
    const { long } = this;
    if (long !== undefined) {
      this.#check(want, long.tag, long.length);
      return this.#goOn(long) ? this.give(want, long) : NOTHING;
    }
    for (;;) {
      const at = this.#peek();
      if (at < 0) return NOTHING;
      const ring = this.#ring;
      const { tag, end } = ring;
      if ((tag & FIRST) === 0) {
        // What is left of a message whose receiver has ended, or could not take it.
        this.#release();
        continue;
      }
      const whole = (tag & LAST) !== 0;
      const length = whole ? end - at : lengthAt(ring.bytes, at);
      this.#check(want, tag, length);
      if (whole) return this.#readWhole(want, at, end, tag);
      const into = want.into !== undefined && length <= want.into.length ? want.into : undefined;
      const bytes = (into?.subarray(0, length) ?? unfilledBytes(length)) as Uint8Array<ArrayBuffer>;
      const begun: Long = { bytes, tag, length, done: 0 };
      this.#append(begun, at + 8, end);
      this.long = begun;
      this.#release();
      return this.#goOn(begun) ? this.give(want, begun) : NOTHING;
    }
  }

  /** Goes on with the message that was begun, whoever will want it; the message when it is complete. @throws as `read` */
  complete(): Long | undefined {
    const { long } = this;
    return long !== undefined && this.#goOn(long) ? long : undefined;
  }

  /** Gives a complete long message to who wants it. @throws {ConnectionError} when it is not what is wanted */
  give(want: Want, { bytes, tag, length }: Long): unknown {
    this.#check(want, tag, length);
    if ((tag & BYTES) === 0) return new Undecoded(bytes);
    const { into } = want;
    if (into !== undefined && bytes.buffer === into.buffer) return length;
    return this.#bytes(want, bytes);
  }

  /** The call that has begun a long message ends: its memory is not ours any more. */
  keep(into: Uint8Array | undefined): void {
    const { long } = this;
    if (long === undefined || into === undefined || long.bytes.buffer !== into.buffer) return;
    if (long.bytes.length !== long.length) {
      this.long = undefined;
      return;
    }
    const bytes = unfilledBytes(long.length);
    copyBytes(long.bytes, 0, long.done, bytes, 0);
    this.long = { ...long, bytes };
  }

  /** Whether the rest of the message that was begun will never come. */
  isCutOff(): boolean {
    if (this.long === undefined) return false;
    const sending = load(this.#words, this.#base + SENDING);
    return (sending === 0 || !this.#end.table.isTokenAlive(sending)) && !this.hasData;
  }

  /** Gives up a message that was cut off. */
  cut(): ConnectionError {
    this.long = undefined;
    return new ConnectionError(
      `Cannot receive from ${this.#end.label}: the message was cut off, because its sender ended, or gave it up, before all ` +
        `of it was sent.`,
    );
  }

  /** Nobody is going to receive what is in the ring: lets go of the shared objects in it. `long`: what of the first one was taken. */
  drain(): void {
    let pieces = this.long !== undefined && (this.long.tag & CARGO) !== 0 ? this.long : undefined;
    this.long = undefined;
    for (;;) {
      const at = this.#peek();
      if (at < 0) return;
      const ring = this.#ring;
      const { tag } = ring;
      if ((tag & CARGO) === 0) pieces = undefined;
      else if ((tag & FIRST) !== 0) {
        const whole = (tag & LAST) !== 0;
        const length = whole ? ring.end - at : lengthAt(ring.bytes, at);
        pieces = { bytes: new Uint8Array(length), tag, length, done: 0 };
        this.#append(pieces, whole ? at : at + 8, ring.end);
      } else if (pieces !== undefined) this.#append(pieces, at, ring.end);
      ring.advance();
      ring.release();
      if (pieces !== undefined && (tag & LAST) !== 0) {
        discardMessage(pieces.bytes);
        pieces = undefined;
      }
    }
  }

  /** The oldest record: where its payload begins; −1, there is none. @throws {StopRequested} when this agent was asked to stop */
  #peek(): number {
    const words = this.#words;
    const base = this.#base;
    const token = this.#token;
    this.#end.throwIfStopped();
    if (words[base + LAST_READER] !== token) {
      words[base + LAST_READER] = token;
      this.#ring.resume();
    }
    return this.#ring.peek();
  }

  /** Takes the pieces that are there; whether that was all. */
  #goOn(long: Long): boolean {
    for (;;) {
      const at = this.#peek();
      if (at < 0) return false;
      const { tag, end } = this.#ring;
      if ((tag & FIRST) !== 0) throw this.cut();
      if (long.bytes.length !== long.length) {
        this.long = undefined;
        this.#release();
        throw new TypeError(
          `Cannot receive from ${this.#end.label}: the buffer was transferred, or made shorter, in the middle of the ` +
            `message, which is lost.`,
        );
      }
      this.#append(long, at, end);
      this.#release();
      if ((tag & LAST) === 0) continue;
      this.long = undefined;
      return true;
    }
  }

  /** A message of one record. It is decoded where it is, and released then. */
  #readWhole(want: Want, at: number, end: number, tag: number): unknown {
    const { bytes } = this.#ring;
    if ((tag & BYTES) !== 0) {
      const length = end - at;
      const fits = want.into !== undefined && length <= want.into.length;
      const target = fits ? want.into as Uint8Array<ArrayBuffer> : unfilledBytes(length);
      copyBytes(bytes, at, length, target, 0);
      this.#release();
      return fits ? length : this.#bytes(want, target);
    }
    if ((tag & NUMBER) !== 0) {
      const x = this.#floats[at >> 3] as number;
      this.#release();
      // To the engine an integer out of a float array is a double, and slows integer code down; −0 stays what it is.
      const k = x | 0;
      return k === x && (k !== 0 || 1 / x > 0) ? k : x;
    }
    let value: unknown;
    try {
      value = (tag & CARGO) === 0 ? decode(bytes, at, end) : openParcel(bytes, at, end);
    } catch (failure) {
      const copy = new Uint8Array(end - at);
      copy.set(bytes.subarray(at, end));
      this.#release();
      if (failure instanceof MissingMemoryError) return new Undecoded(copy);
      throw failure;
    }
    this.#release();
    return value;
  }

  #bytes(want: Want, bytes: Uint8Array<ArrayBuffer>): unknown {
    const { into } = want;
    if (into === undefined) return bytes;
    if (bytes.length > into.length) {
      throw new BufferTooShortError(
        `Cannot receive into ${into.length} bytes: the message has ${bytes.length}. It is in the error's bytes.`,
        bytes,
      );
    }
    into.set(bytes);
    return bytes.length;
  }

  /** Whether the message is what is wanted; it stays where it is if not. */
  #check(want: Want, tag: number, length: number): void {
    if (!want.bytes) return;
    if ((tag & BYTES) === 0) {
      throw new ConnectionError(
        `Cannot receive bytes from ${this.#end.label}: the next message is a value, from send(). Receive it with recv().`,
      );
    }
    if (want.most !== undefined && length > want.most) {
      throw new ConnectionError(
        `Cannot receive from ${this.#end.label}: bad message length, the next message has ${length} bytes and maxLength is ` +
          `${want.most}. It stays there.`,
      );
    }
  }

  #append(long: Long, start: number, end: number): void {
    const { bytes, done } = long;
    const count = Math.min(end - start, bytes.length - done);
    copyBytes(this.#ring.bytes, start, count, bytes, done);
    long.done = done + count;
  }

  /** The record is done with: gives its room back, and wakes a sender that waits for so much. */
  #release(): void {
    const ring = this.#ring;
    ring.advance();
    ring.release();
    const words = this.#words;
    const base = this.#base;
    const seen = load(words, base + SPACE);
    if ((seen & (SLEEPERS | ARMED)) === 0) return;
    const used = (load(this.ringWords, TAIL) - load(this.ringWords, 0)) | 0;
    if (RING_BYTES - used >= load(words, base + ROOM)) this.#end.memory.wake(base + SPACE, seen);
  }
}
