/**
 * The lock under `Lock`, `RLock`, `RWLock`, `Value` and `SharedArray`, as one agent sees it: its state, the fast paths and
 * the release. The words and their rules are in `lock_words.ts`, waiting is in `lock_waiter.ts`.
 *
 * A thread that finds the lock taken spins for some microseconds, with pauses that double (`SpinBudget.untilReplaced`),
 * before it sleeps: then the others lose no time to it, a lock that is taken and released at a great rate stays where it
 * is for some dozen rounds, and the two agents together are as fast as one alone.
 * @module
 */
import { NotOwnerError } from "../errors.ts";
import { type AgentTable, TOKEN_MASK, tokenOf } from "../memory/agents.ts";
import { AsyncBell, awaitOn, ring } from "../memory/async_park.ts";
import { compareExchange, exchange, fetchAdd, load, notify, type SharedWords } from "../memory/atomics.ts";
import { blockOn, SpinBudget } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import { LockWaiter } from "./lock_waiter.ts";
import {
  ACQUIRED,
  type Acquisition,
  ASYNC_BIT,
  BELL,
  BITS,
  CLAIM,
  DEPTH,
  HANDED,
  MISSED,
  NUMBER,
  RECOVERED,
  STATE,
  SYNC_BIT,
} from "./lock_words.ts";

/** The words that this agent is going to raise when it releases a lock next: `count` of them. */
const raisedWords: SharedWords[] = [];
const raisedIndexes: number[] = [];
let raised = 0;

/** What {@linkcode raiseAfterRelease} writes into a word. */
export const RAISED = 2;
/** What a thread that sleeps on such a word has written into it. */
export const SLEEPING = 1;

/**
 * Raises a word, and wakes who sleeps on it, once this agent releases a lock: a waiter of a condition needs the lock first
 * of all, and would only find it taken.
 *
 * LOST WAKE  that the word is to be raised stands in memory already; if it never comes, because this agent dies, the sleeper
 *            sees that when its slice is over.
 */
export function raiseAfterRelease(words: SharedWords, index: number): void {
  raisedWords[raised] = words;
  raisedIndexes[raised++] = index;
}

function raise(): void {
  const count = raised;
  raised = 0;
  for (let i = 0; i < count; i++) {
    const words = raisedWords[i] as SharedWords;
    const index = raisedIndexes[i] as number;
    if (exchange(words, index, RAISED) === SLEEPING) notify(words, index);
  }
  if (count > 1) raisedWords.length = 1; // keeps no more than one condition from being collected
}

/** A view on a lock, for one agent. */
export class LockCore {
  readonly words: SharedWords;
  /** This agent. */
  readonly token: number;
  readonly table: AgentTable;
  /** What it is called in messages: `Lock`, `RLock`. */
  readonly kind: string;
  readonly name: string;
  /** Counts this agent's releases, so that a guard knows whether it still stands for the present acquisition. */
  serial = 0;
  readonly spin: SpinBudget = new SpinBudget();
  #bell: AsyncBell | undefined;
  #claimBell: AsyncBell | undefined;
  /** The dead holder that the lock was last taken over from. */
  #dead = 0;
  /** The same, while nobody has been told. */
  #unreported = 0;

  constructor(words: SharedWords, kind: string, name: string) {
    const self = selfAgent();
    this.words = words;
    this.token = tokenOf(self);
    this.table = self.table;
    this.kind = kind;
    this.name = name;
  }

  /** The bell of asynchronous waiters. */
  get bell(): AsyncBell {
    return this.#bell ??= new AsyncBell(this.words, BELL, false);
  }

  /** The bell of this agent's claim. */
  get claimBell(): AsyncBell {
    return this.#claimBell ??= new AsyncBell(this.words, CLAIM, true);
  }

  /** What it is called in reports: `Lock "accounts"`, `Lock #3`. */
  get label(): string {
    return this.name === "" ? `${this.kind} #${load(this.words, NUMBER)}` : `${this.kind} "${this.name}"`;
  }

  /** Whether anyone holds it. */
  get held(): boolean {
    return load(this.words, STATE) !== 0;
  }

  /**
   * Whether this agent holds it.
   * ORDER  a plain read: this agent's token is written, and taken away, by this agent alone (unless it is dead), or comes
   *        with HANDED. So however old the rest of what is read, this answer is right.
   */
  get mine(): boolean {
    return ((this.words[STATE] as number) & (TOKEN_MASK | HANDED)) === this.token;
  }

  /**
   * For `RLock`: how often the holder has acquired it beyond the first time.
   * OWNERSHIP  the holder's; ORDER  plain accesses, between its acquisition and its release
   */
  get depth(): number {
    return this.words[DEPTH] as number;
  }

  set depth(value: number) {
    this.words[DEPTH] = value;
  }

  /** Takes it if nobody holds it: the fast path. */
  tryFast(): boolean {
    return compareExchange(this.words, STATE, 0, this.token) === 0;
  }

  /** Takes it if nobody, or a dead agent, holds it. */
  tryAcquire(): Acquisition {
    const { words, token } = this;
    const state = compareExchange(words, STATE, 0, token);
    if (state === 0) return ACQUIRED;
    const holder = state & TOKEN_MASK;
    if (holder === token || this.table.isTokenAlive(holder)) return MISSED;
    if (compareExchange(words, STATE, state, token | (state & BITS)) !== state) return MISSED;
    return this.recovered(state);
  }

  /**
   * For the holder that has just taken the lock over, or was handed it: clears the mark in CLAIM.
   * OWNERSHIP  only the holder marks a claim. So a mark that is found now was left by one before: the one that handed the lock
   *            to us and is about to clear it, or one that died before it could.
   */
  clearHanded(): void {
    const { words } = this;
    const claim = load(words, CLAIM);
    if ((claim & HANDED) !== 0 && compareExchange(words, CLAIM, claim, 0) === claim) notify(words, CLAIM);
  }

  /** What a takeover from a dead holder is to be called. */
  recovered(state: number): Acquisition {
    this.depth = 0;
    this.clearHanded(); // it may have died while it handed the lock over: nobody is going to finish that
    if ((state & HANDED) !== 0) return ACQUIRED;
    this.#dead = state & TOKEN_MASK;
    return RECOVERED;
  }

  /** Whether {@linkcode LockCore.keepRecovered} was called for this acquisition. */
  get unreported(): boolean {
    return this.#unreported !== 0;
  }

  /**
   * For a holder that found {@linkcode RECOVERED} and has nobody to tell: the next acquisition is to find the same. Its release
   * gives the lock back to the dead holder, from whom the next one takes it over. The bit sees to it that the release is slow.
   */
  keepRecovered(): void {
    const { words } = this;
    this.#unreported = this.#dead;
    for (let state = load(words, STATE); (state & SYNC_BIT) === 0;) {
      const before = compareExchange(words, STATE, state, state | SYNC_BIT);
      if (before === state) return;
      state = before;
    }
  }

  /**
   * Blocks the thread until the lock is ours or the deadline passes; for when the first try has failed.
   * @param soon whether its holder is about to release it, so that the first looks come close upon each other
   */
  acquireSlow(deadline: number, soon = false): Acquisition {
    // Straight to the pause: one more look would take the line away from the holder once more.
    if (this.spin.untilReplaced(this.words, STATE, 0, this.token, soon)) return ACQUIRED;
    const waiter = new LockWaiter(this, true, deadline === Infinity);
    blockOn(waiter, deadline);
    return waiter.result;
  }

  /** Waits for the lock without blocking the thread. `reentrant`: it will do if a task of this agent acquires it. */
  async acquireAsync(deadline: number, signal?: AbortSignal | null, reentrant = false): Promise<Acquisition> {
    const waiter = new LockWaiter(this, false, reentrant);
    await awaitOn(waiter, deadline, signal);
    return waiter.result;
  }

  /** Releases it. @throws {NotOwnerError} when another agent, or nobody, holds it */
  release(): void {
    this.releaseRaw();
    this.serial = (this.serial + 1) | 0;
  }

  /** Releases it for a while, as a condition does: the guard of this acquisition stays good. */
  releaseRaw(): void {
    const { token } = this;
    const state = compareExchange(this.words, STATE, token, 0);
    if (state !== token) this.#releaseSlow(state);
    if (raised !== 0) raise();
  }

  #releaseSlow(seen: number): void {
    const { words, token } = this;
    if ((seen & (TOKEN_MASK | HANDED)) !== token) throw this.notOwner("release", seen);
    if (this.#unreported !== 0) return this.#giveBack();
    const claimer = load(words, CLAIM);
    if (claimer !== 0 && (claimer & HANDED) === 0 && this.table.isTokenAlive(claimer)) {
      // A claimer that leaves takes its claim back by CAS: either that fails, or this.
      if (compareExchange(words, CLAIM, claimer, claimer | HANDED) === claimer) return this.#handOver(claimer);
    }
    this.#wake(exchange(words, STATE, 0));
  }

  /** Gives the lock back to the dead holder that nobody has been told of. */
  #giveBack(): void {
    const { words } = this;
    const dead = this.#unreported;
    this.#unreported = 0;
    let state = load(words, STATE);
    for (;;) {
      const before = compareExchange(words, STATE, state, dead | (state & BITS));
      if (before === state) return this.#wake(state);
      state = before;
    }
  }

  /** After the lock was given away: `state` is what stood there before. */
  #wake(state: number): void {
    const { words } = this;
    const late = load(words, CLAIM);
    // Not a marked one: the next holder is here already, and is handing the lock to that claimer.
    if (late !== 0 && (late & HANDED) === 0 && compareExchange(words, CLAIM, late, 0) === late) notify(words, CLAIM);
    if ((state & SYNC_BIT) !== 0) notify(words, STATE, 1);
    if ((state & ASYNC_BIT) !== 0) ring(words, BELL);
  }

  #handOver(claimer: number): void {
    const { words } = this;
    let state = load(words, STATE);
    for (;;) {
      const before = compareExchange(words, STATE, state, claimer | HANDED | (state & BITS));
      if (before === state) break;
      state = before;
    }
    if (compareExchange(words, CLAIM, claimer | HANDED, 0) !== (claimer | HANDED)) {
      // It was cleared before we came to it, and so the claimer may wait for something else by now.
      notify(words, STATE);
      fetchAdd(words, BELL, 1);
      notify(words, BELL);
    }
    notify(words, CLAIM);
  }

  /** The error for an agent that does not hold the lock. */
  notOwner(what: string, state: number = load(this.words, STATE)): NotOwnerError {
    const holder = state & TOKEN_MASK;
    const found = holder === 0
      ? "nobody holds it"
      : holder === this.token
      ? "it is about to be handed to a task of this process that awaits it"
      : `the holder is ${this.table.nameOf(holder)}`;
    return new NotOwnerError(`Cannot ${what} ${this.label}: ${found}. Only the holder may do that; acquire it first.`);
  }
}
