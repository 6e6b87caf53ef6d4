/**
 * `Semaphore` and `BoundedSemaphore`: a number of permits.
 * @module
 */
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { compareExchange, fetchAdd, load, notify, type SharedWords, store } from "../memory/atomics.ts";
import { type AgentTable, TOKEN_MASK, tokenOf } from "../memory/agents.ts";
import {
  blockOn,
  deadlineOf,
  now,
  SpinBudget,
  throwIfAborted,
  type UntimedWaitOptions,
  type WaitOptions,
} from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import { registerHandle } from "../transport/handles.ts";

// WORD      VALUE (i32): bits 0–29 the permits · ASYNC_BIT (30), SYNC_BIT (31): a waiter of that kind may sleep
// WORD      CLAIM (i32): 0, or the token of a waiter that has waited long enough; with HANDED (29) once a release has given
//           it a permit that it has not noticed yet
// WORD      BELL (i32): counts wakes of asynchronous waiters · BOUND (i32): the most permits
// LOST WAKE as in lock_core.ts: a sleeper sets its bit by CAS in the value that it sleeps on (asynchronous: after it has
//           read BELL); a release takes the bits away in the CAS that adds the permits, and then wakes one of each kind.
//           Who was woken and gets a permit while more are left wakes the next; who goes away without one wakes the next.
// LOST PERMIT a permit is in VALUE, or in CLAIM with HANDED, or with someone. A claimer that leaves, or dies, with HANDED
//           set gives it back, or it is taken from it.
// DEATH     a semaphore has no owner, so a process that dies keeps its permits (as in Python); its place in the line is free
const VALUE = 0;
const CLAIM = 1;
const BELL = 2;
const BOUND = 3;

const HANDED = 1 << 29;
const ASYNC_BIT = 1 << 30;
const SYNC_BIT = 1 << 31;
const BITS = ASYNC_BIT | SYNC_BIT;
const PERMITS = ~BITS;

/** The most permits of a semaphore. */
const MOST = ASYNC_BIT - 1;
/** A thread that has waited for longer than this, in ms, claims the next permit. */
const FAIR_AFTER = 1;

interface SemaphoreWire {
  readonly buffer: SharedArrayBuffer;
}

/** For this library's own use. */
export interface SemaphoreInternals {
  /** The memory of an existing semaphore. */
  readonly words?: Int32Array<SharedArrayBuffer>;
  /** Whether it is a `BoundedSemaphore`. */
  readonly bounded?: boolean;
}

/** What the two classes share; not exported to users. */
class SemaphoreCore {
  readonly words: SharedWords;
  readonly token: number;
  readonly table: AgentTable;
  readonly spin: SpinBudget = new SpinBudget();
  readonly kind: string;
  #bell: AsyncBell | undefined;
  #claimBell: AsyncBell | undefined;

  constructor(kind: string, value: number, bound: number, words?: SharedWords) {
    const self = selfAgent();
    this.token = tokenOf(self);
    this.table = self.table;
    this.kind = kind;
    if (words === undefined) {
      if (typeof value !== "number") {
        throw new TypeError(`Cannot make a ${kind}: value is ${typeof value} ${String(value)}, not a number.`);
      }
      if (!Number.isInteger(value) || value < 0 || value > MOST) {
        throw new RangeError(`Cannot make a ${kind} of ${value} permits; give an integer from 0 to ${MOST}.`);
      }
      words = new Int32Array(new SharedArrayBuffer(32));
      store(words, VALUE, value);
      store(words, BOUND, bound);
    }
    this.words = words;
  }

  get bell(): AsyncBell {
    return this.#bell ??= new AsyncBell(this.words, BELL, false);
  }

  get claimBell(): AsyncBell {
    return this.#claimBell ??= new AsyncBell(this.words, CLAIM, true);
  }

  tryAcquire(): boolean {
    const { words } = this;
    let value = load(words, VALUE);
    while ((value & PERMITS) > 0) {
      const before = compareExchange(words, VALUE, value, value - 1);
      if (before === value) return true;
      value = before;
    }
    return false;
  }

  acquireSlow(deadline: number): boolean {
    const { words } = this;
    for (let tries = 0; tries < 8; tries++) {
      const value = load(words, VALUE);
      if ((value & PERMITS) === 0 && !this.spin.whileEqual(words, VALUE, value)) break;
      if (this.tryAcquire()) return true;
    }
    return blockOn(new SemaphoreWaiter(this, true), deadline);
  }

  acquireAsync(deadline: number, signal?: AbortSignal | null): Promise<boolean> {
    return awaitOn(new SemaphoreWaiter(this, false), deadline, signal);
  }

  release(n: number): void {
    if (n !== 1) {
      if (typeof n !== "number") throw new TypeError(`Cannot release ${String(n)} permits: n is no number.`);
      if (!Number.isInteger(n) || n < 1) throw new RangeError(`Cannot release ${n} permits; give a positive integer.`);
    }
    const { words } = this;
    let value = load(words, VALUE);
    for (;;) {
      if ((value & BITS) !== 0 && this.#handOver()) {
        if (--n === 0) return;
        continue;
      }
      const bound = this.words[BOUND] as number;
      if ((value & PERMITS) + n > bound) {
        throw new RangeError(
          `Cannot release ${n} of ${this.kind}: it has ${value & PERMITS} of at most ${bound} permits. ` +
            `It was released more often than acquired.`,
        );
      }
      const before = compareExchange(words, VALUE, value, (value & PERMITS) + n);
      if (before === value) break;
      value = before;
    }
    if ((value & BITS) === 0) return;
    const claim = load(words, CLAIM);
    if (claim !== 0 && (claim & HANDED) === 0 && compareExchange(words, CLAIM, claim, 0) === claim) {
      notify(words, CLAIM);
    }
    if ((value & SYNC_BIT) !== 0) notify(words, VALUE, n);
    if ((value & ASYNC_BIT) !== 0) ring(words);
  }

  /** Gives one permit to the claimer, if there is one. */
  #handOver(): boolean {
    const { words } = this;
    const claim = load(words, CLAIM);
    if (claim === 0 || (claim & HANDED) !== 0 || !this.table.isTokenAlive(claim)) return false;
    if (compareExchange(words, CLAIM, claim, claim | HANDED) !== claim) return false;
    notify(words, CLAIM);
    return true;
  }
}

function ring(words: SharedWords): void {
  fetchAdd(words, BELL, 1);
  notify(words, BELL, 1);
}

class SemaphoreWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  index = VALUE;
  expected = 0;
  bell: AsyncBell;
  readonly #core: SemaphoreCore;
  readonly #blocking: boolean;
  readonly #bit: number;
  readonly #started: number = now();
  #slept = false;
  #claiming = false;
  #inspected = 0;
  #impatient = false;

  constructor(core: SemaphoreCore, blocking: boolean) {
    this.words = core.words;
    this.bell = core.bell;
    this.#core = core;
    this.#blocking = blocking;
    this.#bit = blocking ? SYNC_BIT : ASYNC_BIT;
  }

  poll(): boolean {
    const { words } = this;
    const again = this.#slept;
    this.#slept = true;
    const rung = this.#blocking ? 0 : load(words, BELL);
    for (;;) {
      if (this.#takeHanded()) return true;
      const value = load(words, VALUE);
      if ((value & PERMITS) > 0) {
        if (compareExchange(words, VALUE, value, again ? (value - 1) | this.#bit : value - 1) !== value) continue;
        if (again && (value & PERMITS) > 1) this.#wakeNext();
        return true;
      }
      // After a new claim VALUE is read again: see LOST WAKE, claimer, in lock_core.ts.
      if (again && this.#claim()) continue;
      if ((value & this.#bit) === 0 && compareExchange(words, VALUE, value, value | this.#bit) !== value) continue;
      if (this.#claiming) {
        this.index = CLAIM;
        this.expected = this.#core.token;
        this.bell = this.#core.claimBell;
      } else if (this.#blocking) {
        this.index = VALUE;
        this.expected = value | this.#bit;
      } else {
        this.index = BELL;
        this.expected = rung;
        this.bell = this.#core.bell;
      }
      return false;
    }
  }

  /** Takes the permit that was handed to this agent, or to one that is dead or does not come for it. */
  #takeHanded(): boolean {
    const { words } = this;
    const { token, table } = this.#core;
    const claim = load(words, CLAIM);
    if ((claim & HANDED) === 0) return false;
    const claimer = claim & TOKEN_MASK;
    if (claimer !== token && !this.#impatient && table.isTokenAlive(claimer)) return false;
    return compareExchange(words, CLAIM, claim, 0) === claim;
  }

  #claim(): boolean {
    const { words } = this;
    const { token, table } = this.#core;
    const claim = load(words, CLAIM);
    if (this.#claiming) {
      if (claim === token) return false;
      // The claim was taken: a permit is handed to us in it, or was freed. (To sleep on now, and then to time out, lost
      // the permit: found by the interleaving test.)
      this.#claiming = false;
      return true;
    }
    if (claim === token || (claim & HANDED) !== 0 || (claim !== 0 && table.isTokenAlive(claim))) return false;
    if (now() - this.#started < FAIR_AFTER) return false;
    return this.#claiming = compareExchange(words, CLAIM, claim, token) === claim;
  }

  #wakeNext(): void {
    if (this.#blocking) notify(this.words, VALUE, 1);
    else ring(this.words);
  }

  inspect(): void {
    const claim = load(this.words, CLAIM);
    this.#impatient = (claim & HANDED) !== 0 && claim === this.#inspected;
    this.#inspected = claim;
  }

  end(success: boolean): void {
    const { words } = this;
    const { token } = this.#core;
    let granted = false;
    if (this.#claiming) {
      let claim = load(words, CLAIM);
      while ((claim & TOKEN_MASK) === token) {
        const before = compareExchange(words, CLAIM, claim, 0);
        if (before === claim) {
          notify(words, CLAIM);
          granted = (claim & HANDED) !== 0;
          break;
        }
        claim = before;
      }
    }
    if (granted) this.#core.release(1); // handed to us while we were leaving
    if (!success) this.#wakeNext();
  }
}

/** One permit. Made by the semaphore itself. */
export class SemaphoreGuard {
  #core: SemaphoreCore | undefined;

  /** For the library's own use: acquire a {@linkcode Semaphore}. @param core the semaphore */
  constructor(core: object) {
    this.#core = core as SemaphoreCore;
  }

  /** Gives the permit back, unless that has been done. Never blocks. */
  release(): void {
    const core = this.#core;
    this.#core = undefined;
    core?.release(1);
  }

  /** Gives the permit back at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * A number of permits that processes take and give back. Whoever finds none waits. It may be passed to any process.
 *
 * Python: `multiprocessing.Semaphore`, plus `release(n)` as in `threading`. Anyone may release, also who never acquired,
 * which makes it a signal. Waiting is fair: who has lost to others for a millisecond gets the next permit. A process that
 * dies keeps its permits: nobody could say which they were. What happened before a release is visible after the
 * acquisition that it made possible.
 *
 * @example
 * ```ts
 * import { Semaphore } from "@manycore/multiprocessing";
 *
 * const connections = new Semaphore(4);
 * await connections.run(async () => console.log("one of at most four"));
 * ```
 */
export class Semaphore {
  readonly #core: SemaphoreCore;

  static {
    registerHandle<Semaphore, SemaphoreWire>("Semaphore", Semaphore, {
      detach: (semaphore) => ({ buffer: semaphore.#core.words.buffer }),
      attach: ({ buffer }) => new Semaphore(0, { words: new Int32Array(buffer) }),
    });
  }

  /**
   * Makes a new semaphore.
   *
   * @param value how many permits it has at first
   * @param internal for this library's own use
   * @throws {RangeError} when the value is no integer from 0 on
   */
  constructor(value: number = 1, internal?: SemaphoreInternals) {
    const bounded = internal?.bounded === true;
    const kind = bounded ? "BoundedSemaphore" : "Semaphore";
    this.#core = new SemaphoreCore(kind, value, bounded ? value : MOST, internal?.words);
  }

  /** The memory; for this library's own use. */
  static wordsOf(semaphore: Semaphore): SharedWords {
    return semaphore.#core.words;
  }

  /**
   * Takes a permit, waiting for one without blocking the thread.
   * @param options a time limit in ms, a signal
   * @returns a guard that gives the permit back; with a time limit, `null` when that passes
   * @throws the signal's reason when it is aborted
   */
  acquire(options?: UntimedWaitOptions): Promise<SemaphoreGuard>;
  /** Takes a permit within a time limit; resolves to `null` when that passes. */
  acquire(options: WaitOptions): Promise<SemaphoreGuard | null>;
  acquire(options?: WaitOptions): Promise<SemaphoreGuard | null> {
    const core = this.#core;
    if (options === undefined && core.tryAcquire()) return Promise.resolve(new SemaphoreGuard(core));
    return this.#acquireSlow(options);
  }

  /**
   * Takes a permit, blocking the thread until there is one.
   * @param options a time limit in ms, a signal that is looked at before blocking
   * @returns a guard that gives the permit back; with a time limit, `null` when that passes
   */
  acquireSync(options?: UntimedWaitOptions): SemaphoreGuard;
  /** Takes a permit within a time limit, blocking the thread; `null` when that passes. */
  acquireSync(options: WaitOptions): SemaphoreGuard | null;
  acquireSync(options?: WaitOptions): SemaphoreGuard | null {
    const core = this.#core;
    if (options === undefined && core.tryAcquire()) return new SemaphoreGuard(core);
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    return core.tryAcquire() || core.acquireSlow(deadline) ? new SemaphoreGuard(core) : null;
  }

  /** Takes a permit if there is one; never waits. @returns a guard, or `null` */
  tryAcquire(): SemaphoreGuard | null {
    return this.#core.tryAcquire() ? new SemaphoreGuard(this.#core) : null;
  }

  /**
   * Gives permits back, or adds new ones, and wakes as many waiters. Never blocks.
   * @param n how many
   * @throws {RangeError} when a {@linkcode BoundedSemaphore} would have more than at first
   */
  release(n: number = 1): void {
    this.#core.release(n);
  }

  /** How many permits there are now. Python: `get_value()`. */
  get value(): number {
    return load(this.#core.words, VALUE) & PERMITS;
  }

  /** Runs a function with a permit taken, waiting for it without blocking, and gives it back whatever happens. */
  async run<R>(fn: (guard: SemaphoreGuard) => R | PromiseLike<R>, options?: UntimedWaitOptions): Promise<Awaited<R>> {
    const guard = await this.acquire(options);
    try {
      return await fn(guard);
    } finally {
      guard.release();
    }
  }

  /** Runs a function with a permit taken, blocking the thread for it, and gives it back whatever happens. */
  runSync<R>(fn: (guard: SemaphoreGuard) => R, options?: UntimedWaitOptions): R {
    const guard = this.acquireSync(options);
    try {
      return fn(guard);
    } finally {
      guard.release();
    }
  }

  async #acquireSlow(options?: WaitOptions): Promise<SemaphoreGuard | null> {
    const core = this.#core;
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    const taken = core.tryAcquire() || await core.acquireAsync(deadline, options?.signal);
    return taken ? new SemaphoreGuard(core) : null;
  }
}

/**
 * A {@linkcode Semaphore} that cannot have more permits than at first: releasing once too often is a `RangeError`.
 *
 * Python: `multiprocessing.BoundedSemaphore`.
 *
 * @example
 * ```ts
 * import { BoundedSemaphore } from "@manycore/multiprocessing";
 *
 * const pool = new BoundedSemaphore(2);
 * pool.runSync(() => console.log(pool.value)); // 1
 * ```
 */
export class BoundedSemaphore extends Semaphore {
  /**
   * Makes a new semaphore.
   *
   * @param value how many permits it has at first, which is the most it can have
   * @param internal for this library's own use
   */
  constructor(value: number = 1, internal?: SemaphoreInternals) {
    super(value, { ...internal, bounded: true });
  }

  static {
    registerHandle<BoundedSemaphore, SemaphoreWire>("BoundedSemaphore", BoundedSemaphore, {
      detach: (semaphore) => ({ buffer: Semaphore.wordsOf(semaphore).buffer }),
      attach: ({ buffer }) => new BoundedSemaphore(0, { words: new Int32Array(buffer) }),
    });
  }
}
