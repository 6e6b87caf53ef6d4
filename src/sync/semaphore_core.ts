/**
 * The permits under `Semaphore` and `BoundedSemaphore`, and one wait for them.
 *
 * WORD      VALUE (i32): bits 0–29 the permits · ASYNC_BIT (30), SYNC_BIT (31): a waiter of that kind may sleep
 * WORD      CLAIM (i32): 0, or the token of a waiter that has waited long enough; with HANDED (29) once a release has given
 *           it a permit that it has not noticed yet
 * WORD      BELL (i32): counts wakes of asynchronous waiters · BOUND (i32): the most permits
 * LOST WAKE as in lock_words.ts: a sleeper sets its bit by CAS in the value that it sleeps on (asynchronous: after it has
 *           read BELL); a release takes the bits away in the CAS that adds the permits, and then wakes one of each kind.
 *           Who was woken and gets a permit while more are left wakes the next; who goes away without one wakes the next.
 * LOST PERMIT a permit is in VALUE, or in CLAIM with HANDED, or with someone. A claimer that leaves, or dies, with HANDED
 *           set gives it back, or it is taken from it.
 * ORDER     taking and giving begin with a plain read, a guess that their CAS judges
 * DEATH     a semaphore has no owner, so a process that dies keeps its permits (as in Python); its place in the line is free
 * @module
 */
import { type AgentTable, TOKEN_MASK, tokenOf } from "../memory/agents.ts";
import { AsyncBell, type AsyncWaiter, awaitOn, ring } from "../memory/async_park.ts";
import { compareExchange, load, newWords, notify, type SharedWords, store } from "../memory/atomics.ts";
import { blockOn, now, SpinBudget } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";

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
export const MOST: number = ASYNC_BIT - 1;
/** A thread that has waited for longer than this, in ms, claims the next permit. */
const FAIR_AFTER = 1;

/** A view on a semaphore, for one agent; what the two classes share. */
export class SemaphoreCore {
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
      words = newWords(16);
      store(words, VALUE, value);
      store(words, BOUND, bound);
    }
    this.words = words;
  }

  /** How many permits there are. */
  get value(): number {
    return load(this.words, VALUE) & PERMITS;
  }

  /** The bell of asynchronous waiters. */
  get bell(): AsyncBell {
    return this.#bell ??= new AsyncBell(this.words, BELL, false);
  }

  /** The bell of this agent's claim. */
  get claimBell(): AsyncBell {
    return this.#claimBell ??= new AsyncBell(this.words, CLAIM, true);
  }

  /** Takes a permit if there is one. */
  tryAcquire(): boolean {
    const { words } = this;
    let value = words[VALUE] as number;
    while ((value & PERMITS) > 0) {
      const before = compareExchange(words, VALUE, value, value - 1);
      if (before === value) return true;
      value = before;
    }
    return false;
  }

  /** Blocks the thread until there is a permit or the deadline passes; for when the first try has failed. */
  acquireSlow(deadline: number): boolean {
    const { words } = this;
    for (let tries = 0; tries < 8; tries++) {
      const value = load(words, VALUE);
      if ((value & PERMITS) === 0 && !this.spin.whileEqual(words, VALUE, value)) break;
      if (this.tryAcquire()) return true;
    }
    return blockOn(new SemaphoreWaiter(this, true), deadline);
  }

  /** Waits for a permit without blocking the thread. */
  acquireAsync(deadline: number, signal?: AbortSignal | null): Promise<boolean> {
    return awaitOn(new SemaphoreWaiter(this, false), deadline, signal);
  }

  /** Gives permits back. */
  release(n: number): void {
    if (n !== 1) {
      if (typeof n !== "number") throw new TypeError(`Cannot release ${String(n)} permits: n is no number.`);
      if (!Number.isInteger(n) || n < 1) throw new RangeError(`Cannot release ${n} permits; give a positive integer.`);
    }
    const { words } = this;
    let value = words[VALUE] as number;
    // Before any permit is handed over: a claimer would take the one too many, and it was given for good.
    this.#checkBound(value, n);
    for (;;) {
      if ((value & BITS) !== 0 && this.#handOver()) {
        if (--n === 0) return;
        continue;
      }
      this.#checkBound(value, n);
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
    if ((value & ASYNC_BIT) !== 0) ring(words, BELL);
  }

  #checkBound(seen: number, n: number): void {
    const bound = this.words[BOUND] as number;
    if ((seen & PERMITS) + n <= bound) return;
    const permits = load(this.words, VALUE) & PERMITS; // what was seen was a guess
    if (permits + n <= bound) return;
    throw new RangeError(
      `Cannot release ${n} of ${this.kind}: it has ${permits} of at most ${bound} permits. ` +
        `It was released more often than acquired.`,
    );
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
      // After a new claim VALUE is read again: see LOST WAKE, claimer, in lock_words.ts.
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
    else ring(this.words, BELL);
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
