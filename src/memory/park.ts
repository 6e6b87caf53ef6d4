/**
 * Waiting, for everything that waits: what to sleep on is the waiter's affair, how to sleep is this file's
 * (`async_park.ts` has the form that does not block the thread).
 *
 * ```
 *  blockOn ─▶ poll ──true──▶ end(true)          poll    tries; if it must wait, it has written what a waker must see,
 *              │ ▲                                      and names the word to sleep on and the value it saw there
 *            false │                            inspect looks for what nobody wakes for: deaths, deadlocks
 *              ▼ │                              end     leaves the books in order; without success it hands the
 *            wait ──slice over──▶ inspect               wake on that it may have been given
 * ```
 *
 * Sleeping is done in slices of 10, 20, 40, 80, then 100 ms. A wake ends a slice at once. The slices are for what has
 * no wake: a holder that died (noticed at most 100 ms after `AgentTable.markDead`, so within the 250 ms that we
 * promise), a wake that a dying agent took with it, a request to stop. Ten looks a second of some 10 µs are 0.01 % of a
 * core. A slice also bounds what a change of the system's clock could do to a deadline; ours are on the monotonic clock.
 * @module
 */
import { ProcessError } from "../errors.ts";
import { load, type SharedWords, wait } from "./atomics.ts";
import type { AgentSlot, AgentTable } from "./agents.ts";
import { selfAgent } from "./self.ts";

/** How long to wait, and what ends the wait early. */
export interface WaitOptions {
  /** The longest time to wait, in milliseconds; without it, for ever. 0 or less: try once. */
  readonly timeout?: number | undefined;
  /** Aborting it ends the wait with the signal's reason. A blocked thread hears of it only before it blocks. */
  readonly signal?: AbortSignal | undefined;
}

/** {@linkcode WaitOptions} without a time limit, so that the wait cannot end empty-handed. */
export interface UntimedWaitOptions {
  /** No limit. */
  readonly timeout?: undefined;
  /** Aborting it ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The agent was asked to stop while it was blocked. It unwinds the stack of the task; nobody should catch it. */
export class StopRequested extends ProcessError {
  static {
    this.prototype.name = "StopRequested";
  }
}

/** Asks another agent to stop: a blocking wait of its own ends with {@linkcode StopRequested} within about 100 ms. */
export function requestStop(table: AgentTable, agent: AgentSlot): void {
  table.requestStop(agent);
}

/** Something to wait for. See the picture above. */
export interface Waiter {
  /** The word to sleep on. */
  readonly words: SharedWords;
  readonly index: number;
  /** The value that the word must still have when we go to sleep. */
  readonly expected: number;
  /** Tries to end the wait; when it returns false, `words`, `index` and `expected` say where to sleep. */
  poll(): boolean;
  /** Called when a slice is over; may throw to end the wait. `elapsed` is in ms. `endless`: nothing else will end it. */
  inspect(elapsed: number, endless: boolean): void;
  /** Called once, at the end, whatever the end is. */
  end(success: boolean): void;
}

const FIRST_SLICE = 10;
/** The longest slice of a wait, in ms. */
const LAST_SLICE = 100;

/** What the runtimes differ in. */
export interface Platform {
  /** The most loads that a waiter spins before it sleeps; 0 where there is one core only. */
  readonly spin: number;
}

const platform: { spin: number } = { spin: 2000 };

/** Installs what `src/runtime` knows about this runtime and machine. Without it, the defaults are usable. */
export function setPlatform(settings: Partial<Platform>): void {
  if (settings.spin !== undefined) platform.spin = settings.spin;
}

/** Milliseconds on a clock that never jumps; only differences mean anything, and only within one agent. */
export function now(): number {
  return performance.now();
}

/**
 * The moment at which a wait ends.
 * @throws {TypeError} when the timeout is no number, {RangeError} when it is NaN
 */
export function deadlineOf(options: WaitOptions | undefined): number {
  const timeout = options?.timeout;
  if (timeout === undefined) return Infinity;
  if (typeof timeout !== "number") {
    throw new TypeError(`Cannot wait: timeout is ${typeof timeout} ${String(timeout)}; give milliseconds as a number.`);
  }
  if (timeout !== timeout) throw new RangeError("Cannot wait: timeout is NaN; give milliseconds as a number.");
  return timeout === Infinity ? Infinity : now() + Math.max(timeout, 0);
}

/** Throws the signal's reason if it is aborted already. */
export function throwIfAborted(options: WaitOptions | undefined): void {
  const signal = options?.signal;
  if (signal !== undefined && signal !== null && signal.aborted) throw signal.reason;
}

/**
 * Blocks the thread until the waiter's wait is over.
 * @returns whether it ended by itself; false when the deadline passed
 * @throws {StopRequested} when this agent was asked to stop, and whatever the waiter throws
 */
export function blockOn(waiter: Waiter, deadline: number): boolean {
  const self = selfAgent();
  let slice = FIRST_SLICE;
  let started = -1;
  let success = false;
  try {
    for (;;) {
      if (waiter.poll()) return success = true;
      if (self.table.isStopRequested(self)) throw new StopRequested("This process was asked to stop while it waited.");
      let time = slice;
      if (started < 0 || deadline !== Infinity) {
        const at = now();
        if (started < 0) started = at;
        if (deadline - at <= 0) return false;
        if (deadline - at < slice) time = deadline - at;
      }
      if (wait(waiter.words, waiter.index, waiter.expected, time) === "timed-out") {
        waiter.inspect(now() - started, deadline === Infinity);
        slice = Math.min(slice * 2, LAST_SLICE);
      }
    }
  } finally {
    waiter.end(success);
  }
}

/** One miss in so many begins a row of attempts at full length, of so many. */
const RETRY_ONE_IN = 128;
const RETRIES = 12;

/**
 * How long it is worth to spin before sleeping, learned from what happened last at one place.
 *
 * A spin that found what it waited for moves the budget towards twice its length; one that found nothing shortens it
 * by an eighth, so that spinning ends where the cores are taken by others. Two agents that answer each other would then
 * both park for ever, also when the cores are free again: the one that spins misses, because the other takes longer to
 * wake up. So now and then, at random, one spins at full length a dozen times; when two do that at the same time they find
 * each other. That costs at most a tenth of the waits some 10 µs.
 *
 * SOURCE  the adaptive mutex of glibc, `pthread_mutex_lock.c`; the retries are ours
 */
export class SpinBudget {
  #budget = -1;
  #retries = 0;

  #length(): number {
    if (this.#budget < 0) this.#budget = platform.spin >> 1;
    return this.#retries > 0 ? platform.spin : Math.min(this.#budget, platform.spin);
  }

  #learn(used: number, found: boolean): boolean {
    if (found) {
      this.#budget = Math.min(platform.spin, this.#budget + ((2 * used + 200 - this.#budget) >> 3));
    } else {
      this.#budget -= this.#budget >> 3;
      if (this.#retries > 0) this.#retries--;
      else if (Math.random() * RETRY_ONE_IN < 1) this.#retries = RETRIES;
    }
    return found;
  }

  /** Spins until the word has the value; false when the budget is used up first. */
  untilEqual(words: SharedWords, index: number, value: number): boolean {
    const length = this.#length();
    for (let i = 0; i < length; i++) if (load(words, index) === value) return this.#learn(i, true);
    return this.#learn(length, false);
  }

  /** Spins until the word has another value; false when the budget is used up first. */
  whileEqual(words: SharedWords, index: number, value: number): boolean {
    const length = this.#length();
    for (let i = 0; i < length; i++) if (load(words, index) !== value) return this.#learn(i, true);
    return this.#learn(length, false);
  }
}
