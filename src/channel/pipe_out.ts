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
 * in the ring. The lock is kept until the whole message is in the ring: messages do not mix. A send() that finds no room stands in
 * the line of this agent (`pipe_sends.ts`); while anybody is there, nobody of this agent goes past.
 *
 * DEATH  a sender that dies before it has published anything: nothing has happened. Between two pieces: its receiver finds
 *        SENDING dead, or a FIRST piece where it expects another one, and reports a message that was cut off
 * @module
 */
import { BrokenPipeError, DeadlockError, TimeoutError } from "../errors.ts";
import { load, type SharedWords, store } from "../memory/atomics.ts";
import { blockOn, SpinBudget, type Waiter } from "../memory/park.ts";
import { RingWriter } from "../memory/ring.ts";
import { LockCore } from "../sync/lock_core.ts";
import { CORE_WORDS, MISSED } from "../sync/lock_words.ts";
import { sentCargo, undoCargo } from "../transport/parcel.ts";
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
import {
  closedError,
  FIRST,
  floatsOf,
  LAST,
  NUMBER,
  type Outgoing,
  pipeEncoder,
  SINGLE_BYTES,
  writeLength,
} from "./pipe_message.ts";
import { type Sender, SendLine } from "./pipe_sends.ts";

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

/** What a send returns that did not have to wait. */
export const SENT: Promise<void> = Promise.resolve();

/** The sending side of one end, in this agent. */
export class Outbound implements Sender {
  readonly end: EndView;
  readonly words: SharedWords;
  /** Where the words of its direction begin. */
  readonly base: number;
  readonly spin: SpinBudget = new SpinBudget();
  readonly ring: RingWriter;
  readonly #ringWords: SharedWords;
  readonly #floats: Float64Array<SharedArrayBuffer>;
  /** Who has it writes. */
  readonly lock: LockCore;
  /** The sends of this agent that wait. */
  readonly line: SendLine;
  #deaths: number;

  constructor(end: EndView) {
    const { memory, side } = end;
    const place = memory.ring(side);
    this.end = end;
    this.words = memory.words;
    this.base = memory.direction(side);
    this.ring = new RingWriter(place);
    this.#ringWords = new Int32Array(place.buffer, place.byteOffset, 1);
    this.#floats = floatsOf(place);
    this.lock = new LockCore(memory.group(side, WRITERS_LOCK, CORE_WORDS), "Connection", end.label);
    this.line = new SendLine(this);
    this.#deaths = end.table.deaths;
  }

  /** Sends what can be encoded in the ring, if that is possible at once. */
  trySendDirect(value: unknown): boolean {
    if (typeof value === "number") return this.#trySendNumber(value);
    let least = DIRECT_BYTES;
    if (typeof value === "string") {
      if (value.length > DIRECT_CHARS) return false;
      least += 3 * value.length;
    } else if (typeof value !== "boolean" && value !== undefined && value !== null) return false;
    const { lock } = this;
    if (!this.line.isEmpty || !lock.tryFast()) return false;
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
    const { lock } = this;
    if (!this.line.isEmpty || !lock.tryFast()) return false;
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
    if (length > SINGLE_BYTES || !this.line.isEmpty || !this.lock.tryFast()) return false;
    try {
      return this.#writeSingle(bytes, start, length, tag);
    } finally {
      this.lock.releaseRaw();
    }
  }

  /** Sends a message, after those that wait, and blocks the thread while there is no room. */
  sendSync(message: Outgoing, deadline: number): void {
    try {
      if (!this.line.isEmpty) this.line.flush(deadline);
      if (!this.lockSync(deadline)) throw this.late(message);
      try {
        this.writeSync(message, deadline);
      } finally {
        this.leave(message);
      }
    } catch (error) {
      undoCargo(message.cargo);
      throw error;
    }
    sentCargo(message.cargo);
    this.published();
  }

  /**
   * Sends a message without blocking the thread, after those that wait. `own`: its bytes stay as they are until it is done;
   * otherwise they are copied if it has to wait. `holder` is kept from being collected meanwhile.
   */
  send(
    message: Outgoing,
    own: boolean,
    deadline: number,
    signal: AbortSignal | undefined,
    holder: object,
  ): Promise<void> {
    let begun = false;
    if (this.line.isEmpty && (this.lock.tryFast() || this.lock.tryAcquire() !== MISSED)) {
      try {
        begun = !this.write(message);
      } catch (error) {
        this.leave(message);
        undoCargo(message.cargo);
        throw error;
      }
      if (!begun) {
        this.leave(message);
        sentCargo(message.cargo);
        this.published();
        return SENT;
      }
    }
    if (!own) {
      message.bytes = message.bytes.slice(message.start, message.start + message.length);
      message.start = 0;
    }
    return this.line.add(message, begun, deadline, signal, holder);
  }

  /** Takes the lock, blocking the thread; false when the deadline passes. */
  lockSync(deadline: number): boolean {
    const { lock } = this;
    return lock.tryFast() || lock.tryAcquire() !== MISSED || lock.acquireSlow(deadline) !== MISSED;
  }

  /** Under the lock: puts all of a message into the ring, blocking the thread while there is no room. @throws {TimeoutError} */
  writeSync(message: Outgoing, deadline: number): void {
    for (;;) {
      const released = load(this.#ringWords, 0);
      if (this.write(message)) return;
      this.throwIfBroken();
      if (this.spin.whileEqual(this.#ringWords, 0, released)) continue;
      if (!blockOn(new SpaceWaiter(this, message), deadline)) throw this.late(message);
    }
  }

  /** This agent lets go of the end: what still waits is sent as far as there is room, and the rest fails. */
  abandon(): void {
    if (!this.line.isEmpty) this.line.abandon();
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

  /** Under the lock: finds room, in the ring as it is now. @throws {BrokenPipeError} {StopRequested} */
  #reserve(least: number): number {
    const { words, base } = this;
    const { token } = this.lock;
    this.end.throwIfStopped();
    this.#throwIfUnread();
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
  write(outgoing: Outgoing): boolean {
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
        store(words, base + SENDING, this.lock.token);
        writeLength(length, ring.bytes, at);
      }
      copyBytes(bytes, start + outgoing.done, count, ring.bytes, at + head);
      outgoing.done += count;
      const last = outgoing.done === length;
      ring.commit(head + count, tag | (first ? FIRST : 0) | (last ? LAST : 0));
      ring.publish();
      if (last) return true;
      const seen = load(words, base + DATA);
      if ((seen & SLEEPERS) !== 0) this.end.memory.wake(base + DATA, seen);
      if ((seen & UNREAD) !== 0) this.throwIfBroken();
    }
  }

  /** Releases the lock; a message that was begun and is not complete is given up. */
  leave(outgoing: Outgoing): void {
    if (outgoing.length > SINGLE_BYTES && outgoing.done > 0) {
      store(this.words, this.base + SENDING, 0);
      if (outgoing.done < outgoing.length) this.#wakeReaders();
    }
    this.lock.releaseRaw();
  }

  #wakeReaders(): void {
    this.end.memory.wake(this.base + DATA, load(this.words, this.base + DATA));
  }

  /**
   * To be called after a message was sent: wakes who waits for it. Whether there was anybody who could is looked at before it is
   * published: a receiver that takes it, and closes its end at once, has received it.
   */
  published(): void {
    const seen = load(this.words, this.base + DATA);
    if (seen === 0) return;
    this.end.memory.wake(this.base + DATA, seen);
    // The other end was let go of since we looked, and perhaps nobody sees this message any more.
    if ((seen & UNREAD) !== 0) this.end.drainUnread();
  }

  /** @throws {BrokenPipeError} when nobody can receive any more, {ConnectionClosedError} when this end is closed here */
  throwIfBroken(): void {
    if (this.end.closed) throw closedError(this.end.label, "send");
    this.#throwIfUnread();
  }

  #throwIfUnread(): void {
    const { deaths } = this.end.table;
    if (deaths !== this.#deaths) {
      this.#deaths = deaths;
      this.end.closeIfUnheld(1 - this.end.side);
    }
    if ((load(this.words, this.base + DATA) & UNREAD) === 0) return;
    throw new BrokenPipeError(
      `Cannot send on ${this.end.label}: broken pipe, the other end was closed, or its processes have ended.`,
    );
  }

  /** The error for a message that was not sent in time. */
  late({ done }: Pick<Outgoing, "done">): TimeoutError {
    const what = done === 0 ? "nothing of the message was sent" : "the message was cut off, which its receiver is told";
    return new TimeoutError(`Could not send on ${this.end.label} within the time limit: ${what}.`);
  }
}

function copy(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  if (length > SHORT_BYTES) copyBytes(from, start, length, to, at);
  else for (let i = 0; i < length; i++) to[at + i] = from[start + i] as number;
}

/** Waits for room in the ring, blocking the thread, which has the lock. */
class SpaceWaiter implements Waiter {
  readonly words: SharedWords;
  readonly index: number;
  expected = 0;
  readonly #out: Outbound;
  readonly #outgoing: Outgoing;

  constructor(out: Outbound, outgoing: Outgoing) {
    this.words = out.words;
    this.index = out.base + SPACE_BELL;
    this.#out = out;
    this.#outgoing = outgoing;
  }

  poll(): boolean {
    const out = this.#out;
    this.expected = load(this.words, this.index);
    out.announce(this.#outgoing);
    return out.isReady(this.#outgoing);
  }

  inspect(_elapsed: number, endless: boolean): void {
    this.#out.inspect(endless);
  }

  end(): void {}
}
