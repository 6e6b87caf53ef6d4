/**
 * The sends of one agent, at one end of a pipe, that wait for room or for the lock, in the order in which they were called.
 *
 * ```
 *   send() ─ no room ─▶ encoded, at the end of the line ─▶ the pump: lock, room, pieces ─▶ first in line ─▶ resolve
 *   sendSync() ─▶ sends what is in the line, blocking ─▶ sends its own
 *   close() ─▶ sends what there is room for ─▶ rejects the rest
 * ```
 *
 * One loop, the pump, sends what is in the line, so that sends that nobody awaits keep their order. While the line is not empty
 * every other way to send goes through it.
 *
 * OWNERSHIP  the writers' lock is held, across turns of the event loop, for the first message of the line and from its first piece to its
 *            last: exactly while #holding. It is taken, and given back, in the same step as the ring is written, so that a blocking
 *            call of this agent may go on with what the pump has begun
 * @module
 */
import { DeadlockError } from "../errors.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { load, type SharedWords } from "../memory/atomics.ts";
import { now, StopRequested } from "../memory/park.ts";
import type { LockCore } from "../sync/lock_core.ts";
import { LockWaiter } from "../sync/lock_waiter.ts";
import { sentCargo, undoCargo } from "../transport/parcel.ts";
import { type EndView, SPACE_BELL } from "./pipe_memory.ts";
import { closedError, type Outgoing } from "./pipe_message.ts";

const startTimer = setTimeout;
const stopTimer = clearTimeout;

/** What the line needs of the sending side. */
export interface Sender {
  readonly end: EndView;
  readonly words: SharedWords;
  readonly base: number;
  readonly lock: LockCore;
  /** Takes the lock, blocking the thread; false when the deadline passes. */
  lockSync(deadline: number): boolean;
  /** Under the lock: puts into the ring what there is room for; whether that was all. */
  write(message: Outgoing): boolean;
  /** The same for all of it, blocking the thread. @throws {TimeoutError} when the deadline passes */
  writeSync(message: Outgoing, deadline: number): void;
  /** Releases the lock; a message that was begun and is not complete is given up. */
  leave(message: Outgoing): void;
  /** Says how much room is worth to be woken for. */
  announce(message: Outgoing): void;
  /** Whether so much would go into the ring now, or never any more. */
  isReady(message: Outgoing): boolean;
  /** Throws when nobody can receive any more, or this end is closed. */
  throwIfBroken(): void;
  /** After a message: wakes who waits for it. */
  published(): void;
  /** Looks whether those who could receive have died. */
  inspect(endless: boolean): void;
  /** The error for a message that was not sent in time. */
  late(message: Pick<Outgoing, "done">): Error;
}

/** A send that waits. */
interface Waiting {
  readonly message: Outgoing;
  readonly deadline: number;
  readonly endless: boolean;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  /** The connection: it is not to be collected, and closed by that, meanwhile. */
  readonly holder: object;
  /** Takes its timer and its listener away. */
  settled: () => void;
  next: Waiting | undefined;
  gone: boolean;
}

/** The line. */
export class SendLine {
  readonly #out: Sender;
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  /** Whether this agent has the lock, for the first message. */
  #holding = false;
  #pump: Pump | undefined;
  #pumping = false;

  constructor(out: Sender) {
    this.#out = out;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Whether nothing but room will end the wait of the first message. */
  get isEndless(): boolean {
    return this.#first?.endless === true;
  }

  /** Adds a message to the line. `begun`: the line is empty, and this agent has taken the lock for this message. */
  add(
    message: Outgoing,
    begun: boolean,
    deadline: number,
    signal: AbortSignal | undefined,
    holder: object,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const endless = deadline === Infinity && signal === undefined;
      const waiting: Waiting = {
        message,
        deadline,
        endless,
        resolve,
        reject,
        holder,
        settled() {},
        next: undefined,
        gone: false,
      };
      if (!endless) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const abort = (): void => this.#drop(waiting, signal?.reason);
        const expire = (): void => {
          const rest = deadline - now();
          if (rest > 0) timer = startTimer(expire, Math.min(rest + 1, 0x7fffffff));
          else this.#drop(waiting, this.#out.late(message));
        };
        if (deadline !== Infinity) timer = startTimer(expire, Math.min(deadline - now() + 1, 0x7fffffff));
        signal?.addEventListener("abort", abort);
        waiting.settled = () => {
          if (timer !== undefined) stopTimer(timer);
          signal?.removeEventListener("abort", abort);
        };
      }
      if (begun) this.#holding = true;
      if (this.#last === undefined) this.#first = waiting;
      else this.#last.next = waiting;
      this.#last = waiting;
      if (!this.#pumping) void this.#run();
    });
  }

  /** Sends what is in the line, blocking the thread. @throws {TimeoutError} when the deadline passes; the rest stays there */
  flush(deadline: number): void {
    const out = this.#out;
    for (let first = this.#first; first !== undefined; first = this.#first) {
      const { message } = first;
      const limit = Math.min(deadline, first.deadline);
      try {
        if (!this.#holding && !(this.#holding = out.lockSync(limit))) throw out.late(message);
        out.writeSync(message, limit);
        this.#sent(first);
      } catch (error) {
        // What ends the caller's wait leaves the line as it is: the pump goes on with it.
        if (error instanceof StopRequested || error instanceof DeadlockError) throw error;
        if (now() >= deadline) throw out.late({ done: 0 });
        this.#drop(first, error);
      }
    }
  }

  /** This agent lets go of the end. */
  abandon(): void {
    const out = this.#out;
    for (let first = this.#first; first !== undefined; first = this.#first) {
      try {
        if ((this.#holding ||= out.lock.tryFast()) && out.write(first.message)) {
          this.#sent(first);
          continue;
        }
      } catch (error) {
        this.#drop(first, error);
        continue;
      }
      break;
    }
    const error = closedError(out.end.label, "send");
    for (let first = this.#first; first !== undefined; first = this.#first) this.#drop(first, error);
  }

  /**
   * Sends what can be sent now. Returns true when the line is empty, and else what to sleep on: the lock, or room, in which case
   * `bell` was read before the ring was looked at.
   */
  advance(takeLock: () => boolean, readBell: () => void): true | "lock" | "room" {
    const out = this.#out;
    for (let first = this.#first; first !== undefined; first = this.#first) {
      if (!this.#holding && !(this.#holding = takeLock())) return "lock";
      try {
        if (out.write(first.message)) {
          this.#sent(first);
          continue;
        }
        out.throwIfBroken();
        readBell();
        out.announce(first.message);
        if (!out.isReady(first.message)) return "room";
      } catch (error) {
        this.#drop(first, error);
      }
    }
    return true;
  }

  async #run(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#first !== undefined) await awaitOn(this.#pump ??= new Pump(this.#out, this), Infinity);
    } catch (reason) {
      // This agent was asked to stop, or waits for the lock in a circle.
      for (let first = this.#first; first !== undefined; first = this.#first) this.#drop(first, reason);
    } finally {
      this.#pumping = false;
    }
  }

  /** The first message is in the ring. */
  #sent(first: Waiting): void {
    this.#remove(first);
    sentCargo(first.message.cargo);
    this.#out.published();
    first.resolve();
  }

  /** Gives a message up. */
  #drop(waiting: Waiting, reason: unknown): void {
    if (waiting.gone) return;
    this.#remove(waiting);
    undoCargo(waiting.message.cargo);
    waiting.reject(reason);
  }

  #remove(waiting: Waiting): void {
    waiting.gone = true;
    waiting.settled();
    const first = this.#first;
    while (this.#first?.gone === true) this.#first = this.#first.next;
    if (this.#first === undefined) this.#last = undefined;
    if (waiting !== first) return;
    if (this.#holding) {
      this.#holding = false;
      this.#out.leave(waiting.message);
    }
    this.#pump?.look();
  }
}

/** How the line waits. */
class Pump implements AsyncWaiter {
  words: SharedWords;
  index: number;
  expected = 0;
  bell: AsyncBell;
  readonly #out: Sender;
  readonly #line: SendLine;
  readonly #room: AsyncBell;
  #lock: LockWaiter | undefined;
  #polling = false;
  readonly #takeLock = (): boolean => this.#tryLock();
  readonly #readBell = (): void => {
    this.expected = load(this.#out.words, this.#room.index);
  };

  constructor(out: Sender, line: SendLine) {
    this.#out = out;
    this.#line = line;
    this.#room = new AsyncBell(out.words, out.base + SPACE_BELL, true);
    this.words = this.#room.words;
    this.index = this.#room.index;
    this.bell = this.#room;
  }

  poll(): boolean {
    this.#polling = true;
    let state: true | "lock" | "room";
    try {
      state = this.#line.advance(this.#takeLock, this.#readBell);
    } finally {
      this.#polling = false;
    }
    if (state !== "lock") this.end();
    const { words, index, bell } = this.#lock ?? { words: this.#room.words, index: this.#room.index, bell: this.#room };
    this.words = words;
    this.index = index;
    this.bell = bell;
    if (this.#lock !== undefined) this.expected = this.#lock.expected;
    return state === true;
  }

  inspect(elapsed: number, endless: boolean): void {
    if (this.#lock !== undefined) this.#lock.inspect(elapsed, endless && this.#line.isEndless);
    else this.#out.inspect(false);
  }

  /** Does not wait for the lock any more. */
  end(): void {
    const lock = this.#lock;
    this.#lock = undefined;
    lock?.end(false);
  }

  /** The line is another one: has it looked at, if it sleeps. */
  look(): void {
    if (!this.#polling) this.bell.tick();
  }

  #tryLock(): boolean {
    const { lock } = this.#out;
    if (this.#lock === undefined && lock.tryFast()) return true;
    const waiter = this.#lock ??= new LockWaiter(lock, false, false);
    if (!waiter.poll()) return false;
    this.#lock = undefined;
    waiter.end(true);
    return true;
  }
}
