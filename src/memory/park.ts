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
import { compareExchange, load, type SharedWords, wait } from "./atomics.ts";
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

let sliceHook: (() => void) | undefined;

/** Has `hook` called whenever a slice of a blocking wait of this thread is over: what its event loop cannot do meanwhile. */
export function onSlice(hook: () => void): void {
  sliceHook = hook;
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
        sliceHook?.();
        waiter.inspect(now() - started, deadline === Infinity);
        slice = Math.min(slice * 2, LAST_SLICE);
      }
    }
  } finally {
    waiter.end(success);
  }
}

/** A word that no other agent knows, to be read for the time that it takes. */
const own: SharedWords = new Int32Array(new SharedArrayBuffer(4));

/** Lets some time pass without a look at what others write: so many loads, but no more than a waiter spins at most. */
export function idle(loads: number): void {
  const count = Math.min(loads, platform.spin);
  for (let i = 0; i < count; i++) load(own, 0);
}

/** So many finds in a row make it worth to look for the other side when it is lost. */
const STREAK = 8;
/** One other miss in so many does that too. */
const SEARCH_ONE_IN = 128;
/** How many spins a search takes at most, and how many times the longest spin each of them is. */
const SEARCHES = 3;
const SEARCH_LENGTH = 4;

/**
 * How long it is worth to spin before sleeping, learned from what happened last at one place.
 *
 * A spin that found what it waited for moves the budget towards twice its length; one that found nothing shortens it
 * by an eighth, so that spinning ends where the cores are taken by others. Two agents that answer each other would then
 * both park for ever, also when the cores are free again: the one that spins misses, because the other takes longer to
 * wake up. So after a row of finds, and now and then at random, an agent that has lost the other searches for it: its next
 * spins are longer than it takes to wake up (measured: 20–40 µs). When one of them finds the other, both spin again;
 * before, a single interruption by the system cost about a hundred parked rounds. A search costs at most 150 µs, once
 * after eight finds, or for 128 misses.
 *
 * SOURCE  the adaptive mutex of glibc, `pthread_mutex_lock.c`; the search is ours
 */
export class SpinBudget {
  #budget = -1;
  #streak = 0;
  #searches = 0;

  #length(): number {
    if (this.#budget < 0) this.#budget = platform.spin >> 1;
    return this.#searches > 0 ? platform.spin * SEARCH_LENGTH : Math.min(this.#budget, platform.spin);
  }

  #learn(used: number, found: boolean): boolean {
    if (found) {
      this.#budget = Math.min(platform.spin, this.#budget + ((2 * used + 200 - this.#budget) >> 3));
      if (this.#streak < STREAK) this.#streak++;
      else this.#searches = 0;
      return true;
    }
    if (this.#searches > 0) this.#searches--;
    else {
      this.#budget -= this.#budget >> 3;
      if (this.#streak === STREAK || Math.random() * SEARCH_ONE_IN < 1) this.#searches = SEARCHES;
    }
    this.#streak = 0;
    return false;
  }

  /**
   * Tries again and again to replace `expected` by `value`, with pauses between the tries that double; false when the
   * budget is used up first.
   *
   * It is for a word that its holder writes all the time. Every look from here takes the holder's cache line away, so that
   * looking without a pause makes the holder several times slower (measured: 45–75 ns for a guarded increment instead of
   * 21), and the two change places after every step. With doubling pauses a lock that is free again after a time t is
   * found after 2 t at most, and one that is taken a million times a second by the same thread stays with it.
   *
   * @param soon whether it is likely to succeed at once, so that the first pauses are as short as can be
   * SOURCE  exponential backoff (Anderson 1990)
   */
  untilReplaced(words: SharedWords, index: number, expected: number, value: number, soon: boolean): boolean {
    const length = this.#length();
    const longest = platform.spin >> 1;
    let pause = soon ? 1 : (platform.spin >> 5) + 1;
    for (let spent = 0; spent < length; spent += pause, pause = pause < longest ? pause << 1 : pause) {
      for (let i = 0; i < pause; i++) load(own, 0);
      if (load(words, index) === expected && compareExchange(words, index, expected, value) === expected) {
        return this.#learn(spent, true);
      }
    }
    return this.#learn(length, false);
  }

  /** Spins until the word has another value; false when the budget is used up first. */
  whileEqual(words: SharedWords, index: number, value: number): boolean {
    const length = this.#length();
    for (let i = 0; i < length; i++) if (load(words, index) !== value) return this.#learn(i, true);
    return this.#learn(length, false);
  }
}
