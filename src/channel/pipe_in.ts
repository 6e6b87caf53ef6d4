/**
 * The receiving side of a connection.
 *
 * ```
 *   nothing there ─ spin, then sleep ─▶ a message ─ [receivers' lock] ─┬─ one record: decoded, or copied, out of the ring ─▶ value
 *                      └─ nobody can send any more ─▶ EndOfFileError   └─ pieces: copied as they come ─▶ [lock released] ─▶ value
 * ```
 *
 * Nobody waits for the beginning of a message with the lock: whoever is first takes it. Decoding runs no code of the user's.
 * Of this agent only one contends for it: a blocking call, or the first recv() in the line (`pipe_receives.ts`).
 *
 * A message of several pieces may be begun and not complete when its reader runs out of time. Nothing is lost: the pieces are kept, with the
 * lock; the next call in this process goes on with them, and without one the rest is taken as it comes, by the event loop, so that the
 * lock is free again for other processes. The message then waits here, as READY, for the next call.
 *
 * OWNERSHIP  the receivers' lock is held across turns of the event loop exactly while #holding: a long message was begun
 * DEATH      of this agent while it holds, or has a message READY: that message is lost, as the one that was being taken
 * @module
 */
import { ConnectionError, DeadlockError, EndOfFileError, TimeoutError } from "../errors.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { fetchAdd, load, notify, type SharedWords, waitAsync } from "../memory/atomics.ts";
import { blockOn, now, SpinBudget, type Waiter } from "../memory/park.ts";
import { type BackgroundTimer, backgroundTimer } from "../runtime/host.ts";
import { LockCore } from "../sync/lock_core.ts";
import { CORE_WORDS, MISSED } from "../sync/lock_words.ts";
import { discardMessage } from "../transport/courier.ts";
import type { WaitState } from "../transport/waitable.ts";
import { ARMED, DATA, DATA_BELL, ENDED, type EndView, READERS_LOCK, SLEEPERS } from "./pipe_memory.ts";
import { CARGO, closedError } from "./pipe_message.ts";
import { type Long, NOTHING, openSync, Reader, TAIL, type Want } from "./pipe_reader.ts";
import { ReceiveLine, type Receiver } from "./pipe_receives.ts";

/** How often a message that nobody waits for is looked at, beside every wake: its sender may have died. */
const LOOK_TIME = 100;

/** The receiving side of one end, in this agent. */
export class Inbound implements WaitState, Receiver {
  readonly end: EndView;
  readonly words: SharedWords;
  /** Where the words of its direction begin. */
  readonly base: number;
  readonly spin: SpinBudget = new SpinBudget();
  readonly reader: Reader;
  /** Who has it reads. */
  readonly lock: LockCore;
  /** The receives of this agent that wait. */
  readonly line: ReceiveLine;
  readonly #sender: number;
  #bell: AsyncBell | undefined;
  #deaths: number;
  /** Whether the lock is kept, with a part of a message. */
  #holding = false;
  /** A message that was taken for a call that has ended since; or what became of it. */
  #ready: Long | ConnectionError | undefined;
  #following = false;
  #registered = false;
  #timer: BackgroundTimer | undefined;

  constructor(end: EndView) {
    const { memory, side } = end;
    this.#sender = 1 - side;
    this.end = end;
    this.words = memory.words;
    this.base = memory.direction(this.#sender);
    this.lock = new LockCore(memory.group(this.#sender, READERS_LOCK, CORE_WORDS), "Connection", end.label);
    this.reader = new Reader(end, this.#sender, this.lock.token);
    this.line = new ReceiveLine(this);
    this.#deaths = end.table.deaths;
  }

  get bell(): AsyncBell {
    return this.#bell ??= new AsyncBell(this.words, this.base + DATA_BELL, true);
  }

  get holding(): boolean {
    return this.#holding;
  }

  /** Takes a message if there is one and nobody else is at it; it is to be given to `open`. */
  tryReceive(want: Want): unknown {
    if (this.#ready !== undefined) return this.takeReady(want);
    if (!this.#holding) {
      if (!this.lock.tryFast()) return NOTHING;
      this.#holding = true;
    }
    return this.read(want);
  }

  /** Takes a message, blocking the thread until there is one. */
  receiveSync(want: Want, deadline: number): unknown {
    const { line, reader } = this;
    for (;;) {
      if (this.#ready !== undefined) return openSync(this.takeReady(want));
      if (this.#holding) {
        // What is begun is for the first in the line.
        if (!line.isEmpty) {
          line.serveFirst((want) => this.#finishSync(want, deadline));
          continue;
        }
        return openSync(this.#finishSync(want, deadline));
      }
      if (this.hasData) {
        if (!this.#lockSync(deadline)) throw this.late();
        this.#holding = true;
        const got = this.#finishSync(want, deadline);
        if (got !== NOTHING) return openSync(got);
      }
      this.throwIfEnded();
      const published = load(reader.ringWords, TAIL);
      if (published !== load(reader.ringWords, 0)) continue;
      if (this.spin.whileEqual(reader.ringWords, TAIL, published)) continue;
      if (!blockOn(new DataWaiter(this, true), deadline)) throw this.late();
    }
  }

  /** With the lock: takes a message. The lock is kept in the middle of one. @throws as `Reader.read` */
  read(want: Want): unknown {
    try {
      return this.reader.read(want);
    } finally {
      this.#leave();
    }
  }

  /** Takes the message that is ready. @throws {ConnectionError} when it is not what is wanted, or was cut off */
  takeReady(want: Want): unknown {
    const ready = this.#ready;
    if (ready === undefined) return NOTHING;
    if (ready instanceof ConnectionError) {
      this.#ready = undefined;
      throw ready;
    }
    try {
      const got = this.reader.give(want, ready);
      this.#ready = undefined;
      return got;
    } catch (error) {
      // One that does not fit is in the error; any other is not what is wanted, and stays.
      if (!(error instanceof ConnectionError)) this.#ready = undefined;
      throw error;
    }
  }

  /** Tries to take the lock for the first in the line. `take`: how, without blocking. */
  hold(take: () => boolean): boolean {
    return this.#holding ||= take();
  }

  /** The rest of the message that was begun will not come: gives it up. */
  cutOff(): ConnectionError {
    const error = this.reader.cut();
    this.#leave();
    return error;
  }

  /** A call has ended that may have begun a message. */
  endedEarly(want: Want): void {
    this.reader.keep(want.into);
    if (!this.#holding) return;
    this.#leave();
    if (this.#holding && this.line.isEmpty) this.#follow();
  }

  /** Whether there is a record in the ring. */
  get hasData(): boolean {
    return this.reader.hasData;
  }

  /** Whether a message waits here, outside the ring. */
  get hasReady(): boolean {
    return this.#ready !== undefined;
  }

  /** Whether there is a message, or a part of one, or the end of them: what `poll()` and `wait()` ask. */
  isReady(): boolean {
    return this.hasData || this.#ready !== undefined || this.#holding && this.line.isEmpty ||
      (load(this.words, this.base + DATA) & ENDED) !== 0;
  }

  /** Whether a waiting receiver has anything to do. */
  get hasWork(): boolean {
    return this.hasData || this.#ready !== undefined || this.end.closed ||
      (load(this.words, this.base + DATA) & ENDED) !== 0 || this.#holding && this.reader.isCutOff();
  }

  /** Waits for a message, or for the end of them. */
  pollSync(deadline: number): boolean {
    this.#noticeDeaths();
    const { ringWords } = this.reader;
    const published = load(ringWords, TAIL);
    if (this.isReady()) return true;
    if (deadline > now() && this.spin.whileEqual(ringWords, TAIL, published)) return true;
    return blockOn(new DataWaiter(this, true), deadline);
  }

  /** The same without blocking the thread. */
  async poll(deadline: number, signal: AbortSignal | undefined): Promise<boolean> {
    this.#noticeDeaths();
    return this.isReady() || await awaitOn(new PollWaiter(this), deadline, signal);
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
    const { lock } = this;
    if (!this.#holding && !lock.tryFast() && lock.tryAcquire() === MISSED) return;
    this.#holding = false;
    try {
      this.reader.drain();
    } finally {
      lock.releaseRaw();
    }
  }

  /** Has those who wait in this agent look again: it lets go of this end. */
  interrupt(): void {
    fetchAdd(this.words, this.base + DATA_BELL, 1);
    notify(this.words, this.base + DATA_BELL);
  }

  /** This agent lets go of the end: who waits is told, and a message that was begun, or is ready, is given up. */
  abandon(): void {
    this.line.abandon(closedError(this.end.label, "receive"));
    const ready = this.#ready;
    this.#ready = undefined;
    if (ready !== undefined && !(ready instanceof ConnectionError) && (ready.tag & CARGO) !== 0) {
      discardMessage(ready.bytes);
    }
  }

  /** The end is let go of: gives up what was begun. Before that, {@linkcode drain} may still find shared objects in it. */
  letGo(): void {
    this.reader.long = undefined;
    // An agent that was taken for dead has lost the lock already.
    if (this.#holding && this.lock.mine) this.#leave();
    this.interrupt();
  }

  /** @throws {EndOfFileError} when nobody can send any more, {ConnectionClosedError} when this end is closed here */
  throwIfEnded(): void {
    if (this.end.closed) throw closedError(this.end.label, "receive");
    this.#noticeDeaths();
    if ((load(this.words, this.base + DATA) & ENDED) === 0 || this.hasData) return;
    throw new EndOfFileError(
      `Cannot receive from ${this.end.label}: end of file, the other end was closed, or its processes have ended, and ` +
        `there are no messages left.`,
    );
  }

  /** The same, and for a message that was begun: when the rest of it will not come. */
  throwIfOver(): void {
    if (!this.#holding) this.throwIfEnded();
    else if (this.reader.isCutOff()) throw this.cutOff();
  }

  /** The error for a call whose time is over. */
  late(): TimeoutError {
    return new TimeoutError(`Nothing was received from ${this.end.label} within the time limit.`);
  }

  /** Releases the lock, unless it is kept in the middle of a message. */
  #leave(): void {
    if (this.reader.long !== undefined) return;
    this.#holding = false;
    this.lock.releaseRaw();
  }

  #lockSync(deadline: number): boolean {
    const { lock } = this;
    return lock.tryFast() || lock.tryAcquire() !== MISSED || lock.acquireSlow(deadline) !== MISSED;
  }

  /** With the lock: takes a message, blocking the thread until all of it is there. */
  #finishSync(want: Want, deadline: number): unknown {
    const { reader } = this;
    try {
      for (;;) {
        const got = this.read(want);
        if (got !== NOTHING || !this.#holding) return got;
        const published = load(reader.ringWords, TAIL);
        if (this.hasData || this.spin.whileEqual(reader.ringWords, TAIL, published)) continue;
        if (!blockOn(new DataWaiter(this, true), deadline)) throw this.late();
        if (!this.hasData) throw this.cutOff();
      }
    } catch (error) {
      this.endedEarly(want);
      throw error;
    }
  }

  /** Takes the rest of a message that nobody waits for any more, as it comes. It does not keep the program alive. */
  #follow(): void {
    if (this.#following) return;
    this.#following = true;
    this.#step();
  }

  readonly #step = (): void => {
    const { words, base, reader } = this;
    try {
      while (this.#holding && this.line.isEmpty) {
        const bell = load(words, base + DATA_BELL);
        this.#ready = reader.complete();
        this.end.memory.setFlags(base + DATA, SLEEPERS);
        if (this.#ready !== undefined) break;
        if (this.hasData) continue;
        if (reader.isCutOff()) throw reader.cut();
        if (!this.#registered) {
          const wait = waitAsync(words, base + DATA_BELL, bell);
          if (!wait.async) continue;
          this.#registered = true;
          wait.value.then(() => {
            this.#registered = false;
            if (this.#following) this.#step();
          });
        }
        this.#timer?.clear();
        this.#timer = backgroundTimer(() => {
          if (this.#following) this.#step();
        }, LOOK_TIME);
        return;
      }
    } catch (error) {
      // Cut off; or this agent was asked to stop, and does not touch the ring any more.
      if (error instanceof ConnectionError) this.#ready = error;
    }
    this.#following = false;
    this.#timer?.clear();
    if (this.#holding && this.line.isEmpty) this.#leave();
  };

  #noticeDeaths(): void {
    const { deaths } = this.end.table;
    if (deaths === this.#deaths) return;
    this.#deaths = deaths;
    this.end.closeIfUnheld(this.#sender);
  }
}

/** Waits for a message, for more of one, or for the end of them, blocking the thread. */
class DataWaiter implements Waiter {
  readonly words: SharedWords;
  readonly index: number;
  expected = 0;
  protected readonly in: Inbound;
  readonly #blocking: boolean;

  constructor(inbound: Inbound, blocking: boolean) {
    this.words = inbound.words;
    this.index = inbound.base + DATA_BELL;
    this.in = inbound;
    this.#blocking = blocking;
  }

  poll(): boolean {
    const inbound = this.in;
    this.expected = load(this.words, this.index);
    inbound.end.memory.setFlags(inbound.base + DATA, SLEEPERS);
    return inbound.hasWork;
  }

  inspect(_elapsed: number, endless: boolean): void {
    this.in.inspect(endless && this.#blocking);
  }

  end(): void {}
}

/** The same without blocking. */
class PollWaiter extends DataWaiter implements AsyncWaiter {
  constructor(inbound: Inbound) {
    super(inbound, false);
  }

  get bell(): AsyncBell {
    return this.in.bell;
  }
}
