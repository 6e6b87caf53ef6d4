/**
 * The sending side of a connection.
 *
 * ```
 *   value ─ encode ─▶ bytes ─┐                            ┌─ fits into one record ─▶ one record
 *   number, string ──────────┼─▶ [senders' lock] ── room? ┤
 *   sendBytes ───────────────┘         ▲ no: wait ────────┴─ longer ─▶ a record for each piece, as there is room
 * ```
 *
 * The codec may call getters of the user's, so that a value is encoded before the lock is taken; what has no getters is encoded
 * in the ring. The lock is kept until the whole message is in the ring: messages do not mix.
 *
 * WORD   the tag of a record: FIRST and LAST piece of its message · BYTES: from `sendBytes` · CARGO: with shared objects in it ·
 *        NUMBER: a float64 and nothing else, since going through the codec would take longer than all the rest. The first piece of several begins with the length of the message, as a float64
 * DEATH  a sender that dies before it has published anything: nothing has happened. Between two pieces: its receiver finds
 *        SENDING dead, or a FIRST piece where it expects another one, and reports a message that was cut off
 * @module
 */
import { BrokenPipeError, ConnectionClosedError, DeadlockError, TimeoutError } from "../errors.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { fetchAdd, load, notify, type SharedWords, store } from "../memory/atomics.ts";
import { blockOn, SpinBudget } from "../memory/park.ts";
import { RING_HEADER_BYTES, type RingPlace, RingWriter } from "../memory/ring.ts";
import { LockCore } from "../sync/lock_core.ts";
import { CORE_WORDS, MISSED } from "../sync/lock_words.ts";
import { Encoder } from "../transport/codec.ts";
import { courier } from "../transport/courier.ts";
import { copyBytes } from "./bytes.ts";
import {
  DATA,
  type EndView,
  LAST_WRITER,
  RING_BYTES,
  ROOM,
  SENDING,
  SLEEPERS,
  SPACE,
  SPACE_BELL,
  UNREAD,
  WRITERS_LOCK,
} from "./pipe_memory.ts";

/** Parts of a tag. */
export const FIRST = 1;
export const LAST = 2;
export const BYTES = 4;
export const CARGO = 8;
export const NUMBER = 16;

/** The longest message that is one record. */
export const SINGLE_BYTES = 32 * 1024;
/** The longest piece of a longer message, and the shortest that is worth a record of its own. */
const PIECE_BYTES = 32 * 1024;
const LEAST_PIECE = 4 * 1024;
/** The room that a sleeping sender of a long message waits for. */
const ROOM_BYTES = 64 * 1024;
/** The longest string that is encoded in the ring. */
const DIRECT_CHARS = 1024;
/** What a number or the like takes at most. */
const DIRECT_BYTES = 32;
/** Shorter ones are copied byte by byte: a view costs more. */
const SHORT_BYTES = 48;

/** The data of a ring as numbers: payloads begin at multiples of 8. */
export function floatsOf({ buffer, byteOffset, size }: RingPlace): Float64Array<SharedArrayBuffer> {
  return new Float64Array(buffer, byteOffset + RING_HEADER_BYTES, size / 8);
}

let encoder: Encoder | undefined;

/** The encoder of this agent's connections. */
export function pipeEncoder(): Encoder {
  return encoder ??= new Encoder(courier);
}

/** What is sent: bytes, from `start` on. */
interface Outgoing {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
  readonly tag: number;
  /** How much of it is in the ring. */
  done: number;
}

/** The sending side of one end, in this agent. */
export class Outbound {
  readonly end: EndView;
  readonly words: SharedWords;
  /** Where the words of its direction begin. */
  readonly base: number;
  readonly spin: SpinBudget = new SpinBudget();
  readonly ring: RingWriter;
  readonly #ringWords: SharedWords;
  readonly #floats: Float64Array<SharedArrayBuffer>;
  readonly #lock: LockCore;
  #bell: AsyncBell | undefined;
  #deaths: number;
  /** Whether a send() of this agent that waits for room has the lock. */
  #waiting = false;

  constructor(end: EndView) {
    const { memory, side } = end;
    const place = memory.ring(side);
    this.end = end;
    this.words = memory.words;
    this.base = memory.direction(side);
    this.ring = new RingWriter(place);
    this.#ringWords = new Int32Array(place.buffer, place.byteOffset, 1);
    this.#floats = floatsOf(place);
    this.#lock = new LockCore(memory.group(side, WRITERS_LOCK, CORE_WORDS), "Connection", end.label);
    this.#deaths = end.table.deaths;
  }

  get bell(): AsyncBell {
    return this.#bell ??= new AsyncBell(this.words, this.base + SPACE_BELL, true);
  }

  /** Sends what can be encoded in the ring, if that is possible at once. */
  trySendDirect(value: unknown): boolean {
    if (typeof value === "number") return this.#trySendNumber(value);
    let least = DIRECT_BYTES;
    if (typeof value === "string") {
      if (value.length > DIRECT_CHARS) return false;
      least += 3 * value.length;
    } else if (typeof value !== "boolean" && value !== undefined && value !== null) return false;
    const lock = this.#lock;
    if (!lock.tryFast()) return false;
    try {
      const at = this.#reserve(least);
      if (at < 0) return false;
      const end = pipeEncoder().encodeInto(value, "value", this.ring.bytes, at, this.ring.end);
      if (end < 0) return false;
      this.ring.commit(end - at, FIRST | LAST);
      this.ring.publish();
      return true;
    } finally {
      lock.releaseRaw();
    }
  }

  #trySendNumber(value: number): boolean {
    const lock = this.#lock;
    if (!lock.tryFast()) return false;
    try {
      const at = this.#reserve(8);
      if (at < 0) return false;
      this.#floats[at >> 3] = value;
      this.ring.commit(8, FIRST | LAST | NUMBER);
      this.ring.publish();
      return true;
    } finally {
      lock.releaseRaw();
    }
  }

  /** Sends bytes, if there is room for all of them at once. */
  trySend(bytes: Uint8Array, start: number, length: number, tag: number): boolean {
    if (length > SINGLE_BYTES || !this.#lock.tryFast()) return false;
    try {
      return this.#writeSingle(bytes, start, length, tag);
    } finally {
      this.#lock.releaseRaw();
    }
  }

  /** Sends bytes, blocking the thread while there is no room. */
  sendSync(bytes: Uint8Array, start: number, length: number, tag: number, deadline: number): void {
    const lock = this.#lock;
    if (this.#waiting && lock.mine) {
      throw new DeadlockError(
        `Cannot sendSync() on ${this.end.label}: a send() of this process is under way and needs this thread to go on. ` +
          `Await it first.`,
      );
    }
    if (!lock.tryFast() && lock.tryAcquire() === MISSED && lock.acquireSlow(deadline) === MISSED) throw this.#late(0);
    const outgoing: Outgoing = { bytes, start, length, tag, done: 0 };
    try {
      for (;;) {
        const released = load(this.#ringWords, 0);
        if (this.#write(outgoing)) break;
        this.#throwIfBroken();
        if (this.spin.whileEqual(this.#ringWords, 0, released)) continue;
        if (!blockOn(new SpaceWaiter(this, outgoing, true), deadline)) throw this.#late(outgoing.done);
      }
    } finally {
      this.#leave(outgoing);
    }
  }

  /** Sends bytes without blocking the thread. They must stay as they are until it is done. */
  async send(
    bytes: Uint8Array,
    start: number,
    length: number,
    tag: number,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const lock = this.#lock;
    if (!lock.tryFast() && lock.tryAcquire() === MISSED && await lock.acquireAsync(deadline, signal) === MISSED) {
      throw this.#late(0);
    }
    const outgoing: Outgoing = { bytes, start, length, tag, done: 0 };
    this.#waiting = true;
    try {
      while (!this.#write(outgoing)) {
        this.#throwIfBroken();
        if (!await awaitOn(new SpaceWaiter(this, outgoing, false), deadline, signal)) throw this.#late(outgoing.done);
      }
    } finally {
      this.#waiting = false;
      this.#leave(outgoing);
    }
  }

  /** Has those who wait in this agent look again: it lets go of this end. */
  interrupt(): void {
    fetchAdd(this.words, this.base + SPACE_BELL, 1);
    notify(this.words, this.base + SPACE_BELL);
  }

  /** Says how much room is worth to be woken for. */
  announce(outgoing: Outgoing): void {
    const { words, base, ring } = this;
    const need = this.#need(outgoing, ROOM_BYTES) + 15;
    const toEnd = RING_BYTES - (ring.position & (RING_BYTES - 1));
    store(words, base + ROOM, need <= toEnd ? need : toEnd + need);
    this.end.memory.setFlags(base + SPACE, SLEEPERS);
  }

  /** Whether so much of the message would go into the ring now, or never any more. */
  isReady(outgoing: Outgoing): boolean {
    const { words, base, ring } = this;
    return this.end.closed || (load(words, base + SPACE) & UNREAD) !== 0 ||
      ring.reserve(this.#need(outgoing, ROOM_BYTES)) >= 0;
  }

  /** Looks whether those who could receive have died. */
  inspect(endless: boolean): void {
    this.#deaths = this.end.table.deaths;
    this.end.closeIfUnheld(1 - this.end.side);
    if (endless && this.end.isWaitingForItself() && (load(this.words, this.base + SPACE) & UNREAD) === 0) {
      throw new DeadlockError(
        `Cannot send on ${this.end.label}: it is full, this thread waits for room, and nobody but this process could ` +
          `receive from it.`,
      );
    }
  }

  #need(outgoing: Outgoing, most: number): number {
    const rest = outgoing.length - outgoing.done;
    return outgoing.length <= SINGLE_BYTES ? rest : Math.min(rest + 8, most);
  }

  /** Under the lock: finds room, in the ring as it is now. @throws {StopRequested} when this agent was asked to stop */
  #reserve(least: number): number {
    const { words, base } = this;
    const { token } = this.#lock;
    this.end.throwIfStopped();
    if (words[base + LAST_WRITER] !== token) {
      words[base + LAST_WRITER] = token;
      this.ring.resume();
    }
    return this.ring.reserve(least);
  }

  #writeSingle(bytes: Uint8Array, start: number, length: number, tag: number): boolean {
    const at = this.#reserve(length);
    if (at < 0) return false;
    copy(bytes, start, length, this.ring.bytes, at);
    this.ring.commit(length, tag | FIRST | LAST);
    this.ring.publish();
    return true;
  }

  /** Under the lock: puts as much of the message into the ring as there is room for; whether that was all. */
  #write(outgoing: Outgoing): boolean {
    const { bytes, start, length, tag } = outgoing;
    if (length <= SINGLE_BYTES) return this.#writeSingle(bytes, start, length, tag);
    const { ring, words, base } = this;
    for (;;) {
      const first = outgoing.done === 0;
      const at = this.#reserve(this.#need(outgoing, LEAST_PIECE));
      if (at < 0) return false;
      const head = first ? 8 : 0;
      const count = Math.min(ring.end - at - head, PIECE_BYTES, length - outgoing.done);
      if (first) {
        store(words, base + SENDING, this.#lock.token);
        lengths[0] = length;
        ring.bytes.set(lengthBytes, at);
      }
      copyBytes(bytes, start + outgoing.done, count, ring.bytes, at + head);
      outgoing.done += count;
      const last = outgoing.done === length;
      ring.commit(head + count, tag | (first ? FIRST : 0) | (last ? LAST : 0));
      ring.publish();
      if (last) return true;
      const seen = load(words, base + DATA);
      if ((seen & SLEEPERS) !== 0) this.end.memory.wake(base + DATA, seen);
      if ((seen & UNREAD) !== 0) this.#throwIfBroken();
    }
  }

  /** Releases the lock; a message that was begun and is not complete is given up. */
  #leave(outgoing: Outgoing): void {
    if (outgoing.length > SINGLE_BYTES && outgoing.done > 0) {
      store(this.words, this.base + SENDING, 0);
      if (outgoing.done < outgoing.length) this.#wakeReaders();
    }
    this.#lock.releaseRaw();
  }

  #wakeReaders(): void {
    this.end.memory.wake(this.base + DATA, load(this.words, this.base + DATA));
  }

  /**
   * To be called after a message was sent: wakes who waits for it, and looks whether there is anybody who could.
   * @throws {BrokenPipeError} when there is nobody
   */
  published(): void {
    const seen = load(this.words, this.base + DATA);
    if (seen !== 0) {
      this.end.memory.wake(this.base + DATA, seen);
      if ((seen & UNREAD) !== 0) throw this.#broken();
    }
    const { deaths } = this.end.table;
    if (deaths === this.#deaths) return;
    this.#deaths = deaths;
    if (this.end.closeIfUnheld(1 - this.end.side)) throw this.#broken();
  }

  #throwIfBroken(): void {
    if (this.end.closed) throw closedError(this.end.label, "send");
    const { deaths } = this.end.table;
    if (deaths !== this.#deaths) {
      this.#deaths = deaths;
      this.end.closeIfUnheld(1 - this.end.side);
    }
    if ((load(this.words, this.base + SPACE) & UNREAD) !== 0) throw this.#broken();
  }

  #broken(): BrokenPipeError {
    return new BrokenPipeError(
      `Cannot send on ${this.end.label}: broken pipe, the other end was closed, or its processes have ended.`,
    );
  }

  #late(done: number): TimeoutError {
    const what = done === 0 ? "nothing of the message was sent" : "the message was cut off, which its receiver is told";
    return new TimeoutError(`Could not send on ${this.end.label} within the time limit: ${what}.`);
  }
}

/** The error for a connection that was closed here. */
export function closedError(label: string, what: string): ConnectionClosedError {
  return new ConnectionClosedError(`Cannot ${what}: ${label} is closed in this process.`);
}

const lengths = new Float64Array(1);
const lengthBytes = new Uint8Array(lengths.buffer);

function copy(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  if (length > SHORT_BYTES) copyBytes(from, start, length, to, at);
  else for (let i = 0; i < length; i++) to[at + i] = from[start + i] as number;
}

/** Waits for room in the ring; its sender has the lock. */
class SpaceWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  readonly index: number;
  expected = 0;
  readonly #out: Outbound;
  readonly #outgoing: Outgoing;
  readonly #blocking: boolean;

  constructor(out: Outbound, outgoing: Outgoing, blocking: boolean) {
    this.words = out.words;
    this.index = out.base + SPACE_BELL;
    this.#out = out;
    this.#outgoing = outgoing;
    this.#blocking = blocking;
  }

  get bell(): AsyncBell {
    return this.#out.bell;
  }

  poll(): boolean {
    const out = this.#out;
    this.expected = load(this.words, this.index);
    out.announce(this.#outgoing);
    return out.isReady(this.#outgoing);
  }

  inspect(_elapsed: number, endless: boolean): void {
    this.#out.inspect(endless && this.#blocking);
  }

  end(): void {}
}
