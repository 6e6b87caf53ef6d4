/**
 * The receives of one agent, at one end of a pipe, that wait for a message, in the order in which they were called.
 *
 * ```
 *   recv() ─ nothing there ─▶ at the end of the line ─▶ the pump: data, lock, message ─▶ first in line ─▶ resolve
 *                                │ its time is over, aborted: taken out; what it had begun is for the next one
 *                                └ closed: all are rejected
 * ```
 *
 * One loop, the pump, waits for all of them, so that receives that nobody awaits get the messages in order, and none waits for a
 * lock that another one of the same agent has.
 * @module
 */
import { DeadlockError, TimeoutError } from "../errors.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { load, type SharedWords } from "../memory/atomics.ts";
import { now, StopRequested } from "../memory/park.ts";
import type { LockCore } from "../sync/lock_core.ts";
import { LockWaiter } from "../sync/lock_waiter.ts";
import { DATA, DATA_BELL, type EndView, SLEEPERS } from "./pipe_memory.ts";
import { NOTHING, open, type Want } from "./pipe_reader.ts";

const startTimer = setTimeout;
const stopTimer = clearTimeout;

/** What the line needs of the receiving side. */
export interface Receiver {
  readonly end: EndView;
  readonly words: SharedWords;
  readonly base: number;
  readonly lock: LockCore;
  /** Whether this agent has the lock, with a part of a message. */
  readonly holding: boolean;
  readonly hasData: boolean;
  readonly hasReady: boolean;
  /** Tries to take the lock, if this agent has it not. */
  hold(take: () => boolean): boolean;
  /** With the lock: takes a message. */
  read(want: Want): unknown;
  /** Takes the message that is ready. */
  takeReady(want: Want): unknown;
  /** A call has ended that may have begun a message. */
  endedEarly(want: Want): void;
  /** Throws when no message will come, or the rest of one. */
  throwIfOver(): void;
  /** Looks whether those who could send have died. */
  inspect(endless?: boolean): void;
  /** The error for a call whose time is over. */
  late(): Error;
}

/** A receive that waits. */
interface Waiting {
  readonly want: Want;
  readonly endless: boolean;
  readonly resolve: (message: unknown) => void;
  readonly reject: (reason: unknown) => void;
  /** The connection: it is not to be collected, and closed by that, meanwhile. */
  readonly holder: object;
  /** Takes its timer and its listener away. */
  settled: () => void;
  next: Waiting | undefined;
  gone: boolean;
}

function nothing(): void {}

/** The line. */
export class ReceiveLine {
  readonly #in: Receiver;
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  #pump: Pump | undefined;
  #pumping = false;

  constructor(receiver: Receiver) {
    this.#in = receiver;
  }

  /** Whether nobody waits. */
  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Whether nothing but a message will end the wait of the first one. */
  get isEndless(): boolean {
    return this.#first?.endless === true;
  }

  /** Waits for a message, at the end of the line. `holder` is kept from being collected meanwhile. */
  add(want: Want, deadline: number, signal: AbortSignal | undefined, holder: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const endless = deadline === Infinity && signal === undefined;
      const waiting: Waiting = {
        want,
        endless,
        resolve,
        reject,
        holder,
        settled: nothing,
        next: undefined,
        gone: false,
      };
      if (!endless) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const abort = (): void => this.#drop(waiting, signal?.reason);
        const expire = (): void => {
          const rest = deadline - now();
          if (rest > 0) timer = startTimer(expire, Math.min(rest + 1, 0x7fffffff));
          else this.#drop(waiting, this.#in.late());
        };
        if (deadline !== Infinity) timer = startTimer(expire, Math.min(deadline - now() + 1, 0x7fffffff));
        signal?.addEventListener("abort", abort);
        waiting.settled = () => {
          if (timer !== undefined) stopTimer(timer);
          signal?.removeEventListener("abort", abort);
        };
      }
      if (this.#last === undefined) this.#first = waiting;
      else this.#last.next = waiting;
      this.#last = waiting;
      if (!this.#pumping) void this.#run();
    });
  }

  /** Gives the first one what `take` takes for it, or the error. An error for the caller, of its own time: it is thrown. */
  serveFirst(take: (want: Want) => unknown): void {
    const first = this.#first as Waiting;
    let got: unknown;
    try {
      got = take(first.want);
    } catch (error) {
      if (error instanceof TimeoutError || error instanceof DeadlockError || error instanceof StopRequested) {
        throw error;
      }
      return this.#drop(first, error);
    }
    if (got !== NOTHING) this.#give(first, got);
  }

  /** This agent lets go of the end. */
  abandon(error: Error): void {
    for (let first = this.#first; first !== undefined; first = this.#first) this.#drop(first, error);
  }

  /** Receives what is there. Returns true when nobody waits any more, and else what to sleep on. */
  advance(takeLock: () => boolean, readBell: () => void): true | "lock" | "data" {
    const receiver = this.#in;
    for (let first = this.#first; first !== undefined; first = this.#first) {
      try {
        if (receiver.hasReady) {
          this.#give(first, receiver.takeReady(first.want));
          continue;
        }
        if (receiver.holding || receiver.hasData) {
          if (!receiver.hold(takeLock)) return "lock";
          const got = receiver.read(first.want);
          if (got !== NOTHING) {
            this.#give(first, got);
            continue;
          }
        }
        readBell();
        receiver.end.memory.setFlags(receiver.base + DATA, SLEEPERS);
        if (receiver.hasData) continue;
        receiver.throwIfOver();
        if (!receiver.hasData) return "data";
      } catch (error) {
        this.#drop(first, error);
      }
    }
    return true;
  }

  async #run(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#first !== undefined) await awaitOn(this.#pump ??= new Pump(this.#in, this), Infinity);
    } catch (error) {
      // This agent was asked to stop, or waits for the lock in a circle.
      for (let first = this.#first; first !== undefined; first = this.#first) this.#drop(first, error);
    } finally {
      this.#pumping = false;
    }
  }

  #give(first: Waiting, message: unknown): void {
    this.#remove(first);
    first.resolve(open(message));
  }

  #drop(waiting: Waiting, reason: unknown): void {
    if (waiting.gone) return;
    const wasFirst = waiting === this.#first;
    this.#remove(waiting);
    if (wasFirst) this.#in.endedEarly(waiting.want);
    waiting.reject(reason);
  }

  #remove(waiting: Waiting): void {
    waiting.gone = true;
    waiting.settled();
    const first = this.#first;
    while (this.#first?.gone === true) this.#first = this.#first.next;
    if (this.#first === undefined) this.#last = undefined;
    if (waiting === first) this.#pump?.look();
  }
}

/** How the line waits. */
class Pump implements AsyncWaiter {
  words: SharedWords;
  index: number;
  expected = 0;
  bell: AsyncBell;
  readonly #in: Receiver;
  readonly #line: ReceiveLine;
  readonly #data: AsyncBell;
  #lock: LockWaiter | undefined;
  #polling = false;
  readonly #takeLock = (): boolean => this.#tryLock();
  readonly #readBell = (): void => {
    this.expected = load(this.#data.words, this.#data.index);
  };

  constructor(receiver: Receiver, line: ReceiveLine) {
    this.#in = receiver;
    this.#line = line;
    this.#data = new AsyncBell(receiver.words, receiver.base + DATA_BELL, true);
    this.words = this.#data.words;
    this.index = this.#data.index;
    this.bell = this.#data;
  }

  poll(): boolean {
    this.#polling = true;
    let state: true | "lock" | "data";
    try {
      state = this.#line.advance(this.#takeLock, this.#readBell);
    } finally {
      this.#polling = false;
    }
    if (state !== "lock") this.end();
    const { words, index, bell } = this.#lock ?? { words: this.#data.words, index: this.#data.index, bell: this.#data };
    this.words = words;
    this.index = index;
    this.bell = bell;
    if (this.#lock !== undefined) this.expected = this.#lock.expected;
    return state === true;
  }

  inspect(elapsed: number, endless: boolean): void {
    if (this.#lock !== undefined) this.#lock.inspect(elapsed, endless && this.#line.isEndless);
    else this.#in.inspect();
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
    const { lock } = this.#in;
    if (this.#lock === undefined && lock.tryFast()) return true;
    const waiter = this.#lock ??= new LockWaiter(lock, false, false);
    if (!waiter.poll()) return false;
    this.#lock = undefined;
    waiter.end(true);
    return true;
  }
}
