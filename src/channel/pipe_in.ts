/**
 * The receiving side of a connection.
 *
 * ```
 *   nothing there ─ spin, then sleep ─▶ a message ─ [receivers' lock] ─┬─ one record: decoded, or copied, out of the ring ─▶ value
 *                      └─ nobody can send any more ─▶ EndOfFileError   └─ pieces: copied as they come ─▶ [lock released] ─▶ value
 * ```
 *
 * Nobody waits for the beginning of a message with the lock: whoever is first takes it. Decoding runs no code of the user's.
 *
 * A message of several pieces is begun and not complete when its reader runs out of time: the piece is kept, and the lock; the next call in this
 * process goes on with it. Nothing is lost.
 *
 * DEATH  a receiver that dies before it has released the record: the message is still there. After that: it is lost, as the one that
 *        was being taken. In the middle of a long message: the next receiver finds a piece that is not FIRST, and drops
 *        what is left of it
 * DEATH  a sender that dies in the middle of a long message: SENDING says so, or the FIRST piece of another message
 * @module
 */
import { BufferTooShortError, ConnectionError, DeadlockError, EndOfFileError, TimeoutError } from "../errors.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { fetchAdd, load, notify, type SharedWords } from "../memory/atomics.ts";
import { blockOn, now, SpinBudget } from "../memory/park.ts";
import { RingReader } from "../memory/ring.ts";
import { LockCore } from "../sync/lock_core.ts";
import { CORE_WORDS, MISSED } from "../sync/lock_words.ts";
import { decode, MissingMemoryError } from "../transport/codec.ts";
import { discardMessage } from "../transport/courier.ts";
import { openParcel, openParcelLater, openParcelSync } from "../transport/parcel.ts";
import type { WaitState } from "../transport/waitable.ts";
import { copyBytes, unfilledBytes } from "./bytes.ts";
import {
  ARMED,
  DATA,
  DATA_BELL,
  ENDED,
  type EndView,
  LAST_READER,
  READERS_LOCK,
  RING_BYTES,
  ROOM,
  SENDING,
  SLEEPERS,
  SPACE,
} from "./pipe_memory.ts";
import { BYTES, CARGO, closedError, FIRST, floatsOf, LAST, NUMBER } from "./pipe_out.ts";

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

/** A long message, of which some pieces are here. */
interface Partial {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tag: number;
  done: number;
}

/** A message that has left the ring and is not decoded. */
class Pending {
  readonly bytes: Uint8Array<ArrayBuffer>;
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }
}

/** TAIL of a ring, in words from where it begins. */
const TAIL = 16;

/** The receiving side of one end, in this agent. */
export class Inbound implements WaitState {
  readonly end: EndView;
  readonly words: SharedWords;
  /** Where the words of its direction begin. */
  readonly base: number;
  readonly spin: SpinBudget = new SpinBudget();
  readonly #ring: RingReader;
  readonly #ringWords: SharedWords;
  readonly #floats: Float64Array<SharedArrayBuffer>;
  readonly #lock: LockCore;
  readonly #sender: number;
  #bell: AsyncBell | undefined;
  #deaths: number;
  #partial: Partial | undefined;
  /** Whether the lock was kept, with a part of a message, by a call that has ended. */
  #kept = false;

  constructor(end: EndView) {
    const { memory, side } = end;
    this.#sender = 1 - side;
    const place = memory.ring(this.#sender);
    this.end = end;
    this.words = memory.words;
    this.base = memory.direction(this.#sender);
    this.#ring = new RingReader(place);
    this.#ringWords = new Int32Array(place.buffer, place.byteOffset, TAIL + 1);
    this.#floats = floatsOf(place);
    this.#lock = new LockCore(memory.group(this.#sender, READERS_LOCK, CORE_WORDS), "Connection", end.label);
    this.#deaths = end.table.deaths;
  }

  get bell(): AsyncBell {
    return this.#bell ??= new AsyncBell(this.words, this.base + DATA_BELL, true);
  }

  /** Takes a message if there is one and nobody else is at it. A {@linkcode Pending} needs {@linkcode open}. */
  tryReceive(want: Want): unknown {
    if (!this.#lock.tryFast()) {
      if (!this.#kept) return NOTHING;
      this.#kept = false;
    }
    try {
      return this.#read(want);
    } finally {
      this.#leave();
    }
  }

  /** Takes a message, blocking the thread until there is one. */
  receiveSync(want: Want, deadline: number): unknown {
    const lock = this.#lock;
    for (;;) {
      if (this.hasData || this.#kept) {
        if (this.#kept) this.#kept = false;
        else if (!lock.tryFast()) {
          if (lock.mine) throw this.#busy();
          if (lock.tryAcquire() === MISSED && lock.acquireSlow(deadline) === MISSED) throw this.#late();
        }
        let got: unknown;
        try {
          got = this.#finishSync(want, deadline);
        } finally {
          this.#leave();
        }
        if (got !== NOTHING) return this.openSync(got);
      }
      this.#throwIfEnded();
      const published = load(this.#ringWords, TAIL);
      if (published !== load(this.#ringWords, 0)) continue;
      if (this.spin.whileEqual(this.#ringWords, TAIL, published)) continue;
      if (!blockOn(new DataWaiter(this, true), deadline)) throw this.#late();
    }
  }

  /** Takes a message, waiting for it without blocking the thread. */
  async receive(want: Want, deadline: number, signal: AbortSignal | undefined): Promise<unknown> {
    const lock = this.#lock;
    for (;;) {
      if (this.hasData || this.#kept) {
        if (this.#kept) this.#kept = false;
        else if (
          !lock.tryFast() && lock.tryAcquire() === MISSED && await lock.acquireAsync(deadline, signal) === MISSED
        ) throw this.#late();
        let got: unknown;
        try {
          got = await this.#finish(want, deadline, signal);
        } finally {
          this.#leave();
        }
        if (got !== NOTHING) return await this.open(got);
      }
      this.#throwIfEnded();
      if (!await awaitOn(new DataWaiter(this, false), deadline, signal)) throw this.#late();
    }
  }

  /** Decodes a message that {@linkcode tryReceive} gave; blocks the thread if memory in it has to be fetched. */
  openSync(message: unknown): unknown {
    return message instanceof Pending ? openParcelSync(message.bytes, 0, message.bytes.length) : message;
  }

  /** The same without blocking; a promise if memory in it has to be fetched. */
  open(message: unknown): unknown {
    return message instanceof Pending ? openParcelLater(message.bytes, 0, message.bytes.length) : message;
  }

  /** Whether there is a record in the ring. */
  get hasData(): boolean {
    return load(this.#ringWords, TAIL) !== load(this.#ringWords, 0);
  }

  /** Whether there is a message, or the end of them: what `poll()` and `wait()` ask. */
  isReady(): boolean {
    return this.hasData || this.#kept || (load(this.words, this.base + DATA) & ENDED) !== 0;
  }

  /** Whether a waiting receiver has anything to do. */
  get hasWork(): boolean {
    return this.hasData || this.end.closed || (load(this.words, this.base + DATA) & ENDED) !== 0 ||
      this.#partial !== undefined && this.#lock.mine && this.#isCutOff();
  }

  /** Waits for a message, or for the end of them. */
  pollSync(deadline: number): boolean {
    this.#noticeDeaths();
    const published = load(this.#ringWords, TAIL);
    if (this.isReady()) return true;
    if (deadline > now() && this.spin.whileEqual(this.#ringWords, TAIL, published)) return true;
    return blockOn(new DataWaiter(this, true), deadline);
  }

  /** The same without blocking the thread. */
  async poll(deadline: number, signal: AbortSignal | undefined): Promise<boolean> {
    this.#noticeDeaths();
    return this.isReady() || await awaitOn(new DataWaiter(this, false), deadline, signal);
  }

  /** Asks that a message, or the end of them, rings for `wait()`. */
  arm(): void {
    this.end.memory.setFlags(this.base + DATA, ARMED);
  }

  /** Looks whether those who could send have died. `endless`: this thread is blocked, and nothing else will end that. */
  inspect(endless = false): void {
    this.#deaths = this.end.table.deaths;
    if (this.end.closeIfUnheld(this.#sender) || !endless || !this.end.isWaitingForItself() || this.isReady()) return;
    throw new DeadlockError(
      `Cannot receive from ${this.end.label}: this thread waits for a message, and nobody but this process could send one. ` +
        `Close the ends that a process does not use.`,
    );
  }

  /** Nobody is going to receive what is in the ring: lets go of the shared objects in it. */
  drain(): void {
    const lock = this.#lock;
    if (this.#kept) this.#kept = false;
    else if (!lock.tryFast() && lock.tryAcquire() === MISSED) return;
    this.#partial = undefined;
    try {
      let pieces: Partial | undefined;
      for (;;) {
        const at = this.#peek();
        if (at < 0) return;
        const ring = this.#ring;
        const { tag } = ring;
        if ((tag & CARGO) === 0) pieces = undefined;
        else if ((tag & FIRST) !== 0) {
          const whole = (tag & LAST) !== 0;
          const length = whole ? ring.end - at : lengthAt(ring.bytes, at);
          pieces = { bytes: new Uint8Array(length), tag, done: 0 };
          this.#append(pieces, whole ? at : at + 8, ring.end);
        } else if (pieces !== undefined) this.#append(pieces, at, ring.end);
        ring.advance();
        ring.release();
        if (pieces !== undefined && (tag & LAST) !== 0) discardMessage(pieces.bytes);
      }
    } finally {
      lock.releaseRaw();
    }
  }

  /** Has those who wait in this agent look again: it lets go of this end. */
  interrupt(): void {
    fetchAdd(this.words, this.base + DATA_BELL, 1);
    notify(this.words, this.base + DATA_BELL);
  }

  /** Gives up a message that was begun and is not wanted any more. */
  abandon(): void {
    if (!this.#kept) return;
    this.#kept = false;
    this.#partial = undefined;
    this.#lock.releaseRaw();
  }

  /** Releases the lock, unless that is kept in the middle of a message. */
  #leave(): void {
    if (this.#partial !== undefined) this.#kept = true;
    else this.#lock.releaseRaw();
  }

  #finishSync(want: Want, deadline: number): unknown {
    for (;;) {
      const got = this.#read(want);
      if (got !== NOTHING || this.#partial === undefined) return got;
      const published = load(this.#ringWords, TAIL);
      if (this.hasData || this.spin.whileEqual(this.#ringWords, TAIL, published)) continue;
      if (!blockOn(new DataWaiter(this, true), deadline)) throw this.#late();
      if (!this.hasData) throw this.#cut();
    }
  }

  async #finish(want: Want, deadline: number, signal: AbortSignal | undefined): Promise<unknown> {
    for (;;) {
      const got = this.#read(want);
      if (got !== NOTHING || this.#partial === undefined) return got;
      if (this.hasData) continue;
      if (!await awaitOn(new DataWaiter(this, false), deadline, signal)) throw this.#late();
      if (!this.hasData) throw this.#cut();
    }
  }

  /** The oldest record: where its payload begins; −1, there is none. @throws {StopRequested} when this agent was asked to stop */
  #peek(): number {
    const { words, base } = this;
    const { token } = this.#lock;
    this.end.throwIfStopped();
    if (words[base + LAST_READER] !== token) {
      words[base + LAST_READER] = token;
      this.#ring.resume();
    }
    return this.#ring.peek();
  }

  /** Under the lock: takes a message, or what is there of it. */
  #read(want: Want): unknown {
    for (;;) {
      const at = this.#peek();
      if (at < 0) return NOTHING;
      const ring = this.#ring;
      const { tag, end } = ring;
      const partial = this.#partial;
      if (partial === undefined) {
        if ((tag & FIRST) === 0) {
          // What is left of a message whose receiver has ended.
          this.#release();
          continue;
        }
        const whole = (tag & LAST) !== 0;
        const length = whole ? end - at : lengthAt(ring.bytes, at);
        this.#check(want, tag, length);
        if (whole) return this.#readWhole(want, at, end, tag);
        const into = want.into !== undefined && length <= want.into.length ? want.into : undefined;
        const begun: Partial = {
          bytes: (into?.subarray(0, length) ?? unfilledBytes(length)) as Uint8Array<ArrayBuffer>,
          tag,
          done: 0,
        };
        this.#append(begun, at + 8, end);
        this.#partial = begun;
        this.#release();
        continue;
      }
      if ((tag & FIRST) !== 0) throw this.#cut();
      this.#append(partial, at, end);
      this.#release();
      if ((tag & LAST) === 0) continue;
      this.#partial = undefined;
      if ((partial.tag & BYTES) === 0) return new Pending(partial.bytes);
      return this.#bytes(want, partial.bytes);
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
      if (failure instanceof MissingMemoryError) return new Pending(copy);
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
    if (bytes.buffer !== into.buffer) into.set(bytes);
    return bytes.length;
  }

  /** Whether the message is what is wanted; it stays where it is if not. */
  #check(want: Want, tag: number, length: number): void {
    if (!want.bytes) return;
    if ((tag & BYTES) === 0) {
      throw new ConnectionError(
        `Cannot receive bytes from ${this.end.label}: the next message is a value, from send(). Receive it with recv().`,
      );
    }
    if (want.most !== undefined && length > want.most) {
      throw new ConnectionError(
        `Cannot receive from ${this.end.label}: bad message length, the next message has ${length} bytes and maxLength is ` +
          `${want.most}. It stays there.`,
      );
    }
  }

  #append(partial: Partial, start: number, end: number): void {
    const { bytes, done } = partial;
    const count = Math.min(end - start, bytes.length - done);
    copyBytes(this.#ring.bytes, start, count, bytes, done);
    partial.done = done + count;
  }

  /** The record is done with: gives its room back, and wakes a sender that waits for so much. */
  #release(): void {
    const ring = this.#ring;
    ring.advance();
    ring.release();
    const { words, base } = this;
    const seen = load(words, base + SPACE);
    if ((seen & (SLEEPERS | ARMED)) === 0) return;
    const used = (load(this.#ringWords, TAIL) - load(this.#ringWords, 0)) | 0;
    if (RING_BYTES - used >= load(words, base + ROOM)) this.end.memory.wake(base + SPACE, seen);
  }

  /** In the middle of a message: whether the rest of it will never come. */
  #isCutOff(): boolean {
    const sending = load(this.words, this.base + SENDING);
    return (sending === 0 || !this.end.table.isTokenAlive(sending)) && !this.hasData;
  }

  #cut(): ConnectionError {
    this.#partial = undefined;
    return new ConnectionError(
      `Cannot receive from ${this.end.label}: the message was cut off, because its sender ended, or gave it up, before all ` +
        `of it was sent.`,
    );
  }

  #noticeDeaths(): void {
    const { deaths } = this.end.table;
    if (deaths === this.#deaths) return;
    this.#deaths = deaths;
    this.end.closeIfUnheld(this.#sender);
  }

  #throwIfEnded(): void {
    if (this.end.closed) throw closedError(this.end.label, "receive");
    this.#noticeDeaths();
    if ((load(this.words, this.base + DATA) & ENDED) === 0 || this.hasData) return;
    throw new EndOfFileError(
      `Cannot receive from ${this.end.label}: end of file, the other end was closed, or its processes have ended, and ` +
        `there are no messages left.`,
    );
  }

  #late(): TimeoutError {
    return new TimeoutError(`Nothing was received from ${this.end.label} within the time limit.`);
  }

  #busy(): DeadlockError {
    return new DeadlockError(
      `Cannot recvSync() from ${this.end.label}: a recv() of this process is in the middle of a long message and needs ` +
        `this thread to go on. Await it first.`,
    );
  }
}

const lengths = new Float64Array(1);
const lengthBytes = new Uint8Array(lengths.buffer);

function lengthAt(bytes: Uint8Array, at: number): number {
  lengthBytes.set(bytes.subarray(at, at + 8));
  return lengths[0] as number;
}

/** Waits for a message, for more of one, or for the end of them. */
class DataWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  readonly index: number;
  expected = 0;
  readonly #in: Inbound;
  readonly #blocking: boolean;

  constructor(inbound: Inbound, blocking: boolean) {
    this.words = inbound.words;
    this.index = inbound.base + DATA_BELL;
    this.#in = inbound;
    this.#blocking = blocking;
  }

  get bell(): AsyncBell {
    return this.#in.bell;
  }

  poll(): boolean {
    const inbound = this.#in;
    this.expected = load(this.words, this.index);
    inbound.end.memory.setFlags(inbound.base + DATA, SLEEPERS);
    return inbound.hasWork;
  }

  inspect(_elapsed: number, endless: boolean): void {
    this.#in.inspect(endless && this.#blocking);
  }

  end(): void {}
}
