/**
 * One wait for a lock: what `park.ts` and `async_park.ts` ask it while it goes on. The rules are in `lock_words.ts`.
 * @module
 */
import { type AgentTable, TOKEN_MASK } from "../memory/agents.ts";
import { type AsyncBell, type AsyncWaiter, ring } from "../memory/async_park.ts";
import { compareExchange, load, notify, type SharedWords, wait } from "../memory/atomics.ts";
import { now } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import { deadlockInterval } from "../memory/wait_graph.ts";
import { DeadlockWatch, selfDeadlockError } from "./deadlock.ts";
import {
  ACQUIRED,
  type Acquisition,
  ASYNC_BIT,
  BELL,
  BITS,
  CLAIM,
  HANDED,
  MISSED,
  STATE,
  SYNC_BIT,
} from "./lock_words.ts";

/** A thread that has waited for longer than this, in ms, claims to be handed the lock. */
const FAIR_AFTER = 1;

/** What a waiter needs of its lock: a `LockCore`. */
export interface AwaitedLock {
  readonly words: SharedWords;
  readonly token: number;
  readonly table: AgentTable;
  readonly label: string;
  readonly bell: AsyncBell;
  readonly claimBell: AsyncBell;
  depth: number;
  /** Called by who was handed it, or took it from one that was and did not come for it. */
  clearHanded(): void;
  /** Called after a takeover from a dead holder. */
  recovered(state: number): Acquisition;
  release(): void;
}

/** One wait for the lock. */
export class LockWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  index = STATE;
  expected = 0;
  bell: AsyncBell;
  /** What came of it. */
  result: Acquisition = MISSED;
  readonly #core: AwaitedLock;
  readonly #blocking: boolean;
  /** Blocking: nothing else ends the wait. Asynchronous: an acquisition by this agent ends it, and adds to its depth. */
  readonly #option: boolean;
  readonly #bit: number;
  readonly #started: number = now();
  #slept = false;
  #claiming = false;
  /** Our claim, as it stood in CLAIM: with HANDED while the releaser is about to make us the holder. */
  #claimed = 0;
  #inspected = 0;
  #impatient = false;
  #watch: DeadlockWatch | undefined;

  constructor(core: AwaitedLock, blocking: boolean, option: boolean) {
    this.words = core.words;
    this.bell = core.bell;
    this.#core = core;
    this.#blocking = blocking;
    this.#option = option;
    this.#bit = blocking ? SYNC_BIT : ASYNC_BIT;
  }

  poll(): boolean {
    const { words } = this;
    const core = this.#core;
    const { token, table } = core;
    const again = this.#slept;
    this.#slept = true;
    const rung = this.#blocking ? 0 : load(words, BELL);
    for (;;) {
      const state = load(words, STATE);
      const holder = state & TOKEN_MASK;
      if (holder === 0) {
        if (compareExchange(words, STATE, 0, again ? token | this.#bit : token) !== 0) continue;
        this.result = ACQUIRED;
        return true;
      }
      if (holder === token) {
        if ((state & HANDED) !== 0) {
          // Handed to a waiter of this agent: to this one, or to one of its tasks, which will find that it has gone.
          if (compareExchange(words, STATE, state, state & ~HANDED) !== state) continue;
          core.clearHanded();
          this.result = ACQUIRED;
          return true;
        }
        if (this.#option) {
          if (!this.#blocking) {
            core.depth++;
            this.result = ACQUIRED;
            return true;
          }
          if (deadlockInterval(table) !== Infinity) {
            throw selfDeadlockError(core.label, "A thread cannot wait for itself: release it first, or use an RLock.");
          }
        }
      } else if (!table.isTokenAlive(holder)) {
        if (compareExchange(words, STATE, state, token | (state & BITS)) !== state) continue;
        this.result = core.recovered(state);
        return true;
      }
      if ((state & HANDED) !== 0 && this.#impatient) {
        if (compareExchange(words, STATE, state, token | (state & BITS)) !== state) continue;
        core.clearHanded();
        this.result = ACQUIRED;
        return true;
      }
      // After a new claim STATE is read again: see LOST WAKE, claimer.
      if (again && this.#claim()) continue;
      if ((state & this.#bit) === 0 && compareExchange(words, STATE, state, state | this.#bit) !== state) continue;
      if (this.#claiming) {
        this.index = CLAIM;
        this.expected = this.#claimed;
        this.bell = core.claimBell;
      } else if (this.#blocking) {
        this.index = STATE;
        this.expected = state | this.#bit;
      } else {
        this.index = BELL;
        this.expected = rung;
        this.bell = core.bell;
      }
      return false;
    }
  }

  /** Claims to be handed the lock, after it was lost to others for a while. Returns whether to look at STATE again. */
  #claim(): boolean {
    const { words } = this;
    const { token, table } = this.#core;
    const claimer = load(words, CLAIM);
    if (this.#claiming) {
      this.#claimed = claimer;
      if ((claimer & TOKEN_MASK) === token) return false;
      // The claim was taken: the lock has been handed to us, or was freed. What we read of STATE before is old.
      this.#claiming = false;
      return true;
    }
    // One claim for an agent; and a claim of a dead agent is free to be replaced.
    if ((claimer & TOKEN_MASK) === token || (claimer & HANDED) !== 0) return false;
    if (claimer !== 0 && table.isTokenAlive(claimer)) return false;
    if (now() - this.#started < FAIR_AFTER) return false;
    this.#claimed = token;
    return this.#claiming = compareExchange(words, CLAIM, claimer, token) === claimer;
  }

  inspect(elapsed: number, endless: boolean): void {
    // A lock that was handed to an agent which is busy, or blocked elsewhere, does not stay with it: two slices later it
    // is taken back. The CAS decides between that and its noticing.
    const state = load(this.words, STATE);
    this.#impatient = (state & HANDED) !== 0 && state === this.#inspected;
    this.#inspected = state;
    if (!endless || (!this.#blocking && selfOneTask() === false)) return;
    this.#watch ??= new DeadlockWatch(this.#core.label);
    this.#watch.inspect(elapsed, () => {
      const state = load(this.words, STATE);
      return (state & HANDED) === 0 ? state & TOKEN_MASK : 0;
    }, this.#blocking);
  }

  end(success: boolean): void {
    this.#watch?.end();
    const { words } = this;
    if (this.#claiming) this.#unclaim();
    if (success) return;
    if (this.#blocking) notify(words, STATE, 1);
    else ring(words, BELL);
  }

  /** Takes the claim back. If the lock is being handed to us already, it is passed on. */
  #unclaim(): void {
    const { words } = this;
    const core = this.#core;
    const { token, table } = core;
    const claim = compareExchange(words, CLAIM, token, 0);
    if (claim === token) {
      notify(words, CLAIM);
      return;
    }
    if (this.result !== MISSED) return;
    // The releaser is between its two writes: its next one is to STATE, then it clears CLAIM and wakes us.
    while (load(words, CLAIM) === (token | HANDED) && table.isTokenAlive(load(words, STATE) & TOKEN_MASK)) {
      if (wait(words, CLAIM, token | HANDED, 1) === "not-equal") break;
    }
    let state = load(words, STATE);
    while ((state & (TOKEN_MASK | HANDED)) === (token | HANDED)) {
      const before = compareExchange(words, STATE, state, state & ~HANDED);
      if (before === state) {
        core.clearHanded();
        return core.release();
      }
      state = before;
    }
  }
}

function selfOneTask(): boolean {
  return selfAgent().oneTask === true;
}
