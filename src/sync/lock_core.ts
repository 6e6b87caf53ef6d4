/**
 * The lock under `Lock`, `RLock`, `RWLock`, `Value` and `SharedArray`: a futex with the holder in the word.
 *
 * ```
 *        CAS 0 → me                                       CAS me → 0
 *  free ───────────▶ held by me ──────────────────────────────────────▶ free                     (nobody waits)
 *                      │ others set a waiter bit, and sleep
 *                      ▼
 *                    held by me + bits ── exchange 0, wake one of each kind ──▶ free             (others may barge in)
 *                      └───────────────── CLAIM is set: the claimer is made the holder, HANDED   (nobody starves)
 * ```
 *
 * WORD   STATE (i32): 0 free, otherwise the holder's token (bits 0–28) and
 *        HANDED (29): given to the holder by the one before, who has not noticed yet
 *        ASYNC_BIT (30): an asynchronous waiter may wait for BELL · SYNC_BIT (31): a blocked thread may sleep on STATE
 * WORD   CLAIM (i32): 0, or the token of a waiter that has waited long enough; the next release hands the lock to it, in
 *        three writes: HANDED into CLAIM, the claimer with HANDED into STATE, 0 into CLAIM
 * WORD   BELL (i32): counts wakes of asynchronous waiters. WRAP: harmless, a waiter would have to miss 2^32 of them
 *        between two of its own instructions
 * WORD   NUMBER (i32): the lock's number in reports · DEPTH (i32): for `RLock`, written by the holder only
 *
 * Taking the lock and saying who holds it is one operation, so that there is no moment at which it is held by nobody
 * known. That is why the state is not 0, 1, 2 with the holder in a word beside it; it also saves that store.
 *
 * LOST WAKE  sleeper: sets its bit by CAS in the very value it then sleeps on (threads), or reads BELL, then sets the bit,
 *            then sleeps while BELL is unchanged. Releaser: takes the bits away with the exchange that frees the lock,
 *            then changes BELL and notifies. Either the sleeper's CAS fails, or the releaser sees the bit.
 * LOST WAKE  claimer: sets CLAIM, then makes sure that STATE has a bit, then sleeps on CLAIM. Releaser: frees STATE, then
 *            looks at CLAIM once more and clears it. One of them sees the other.
 * LOST WAKE  who was woken and goes away without the lock wakes the next; who was woken and gets it keeps its kind's bit,
 *            because others of its kind may sleep still.
 * LOST WAKE  a claimer that leaves takes its claim back by CAS. If that fails the lock is on its way to it: it waits for the
 *            two writes that are left, and releases the lock.
 * DEATH  a holder that dies: a waiter sees it within a slice and makes itself the holder by CAS, so that only one does.
 *        After freeing and before waking: sleepers find the lock free within a slice. A claimer that dies is handed
 *        the lock at most once, and is then a dead holder that had not noticed: the lock is taken over, and nothing is
 *        to be recovered.
 * SOURCE the three states of Drepper's "Futexes Are Tricky" with the holder's id as in Linux' robust PI futexes; handing
 *        over after 1 ms as in Go's mutex and WebKit's ParkingLot, but by a claim, so that releasing stays one CAS
 * @module
 */
import { NotOwnerError } from "../errors.ts";
import { type AgentTable, TOKEN_MASK, tokenOf } from "../memory/agents.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { compareExchange, exchange, fetchAdd, load, notify, type SharedWords, store, wait } from "../memory/atomics.ts";
import { blockOn, now, SpinBudget } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import { deadlockInterval } from "../memory/wait_graph.ts";
import { DeadlockWatch, selfDeadlockError } from "./deadlock.ts";

/** How many words a core takes. */
export const CORE_WORDS = 8;

/** The word with the holder. */
export const STATE = 0;
const CLAIM = 1;
const BELL = 2;
const NUMBER = 3;
const DEPTH = 4;

const HANDED = 1 << 29;
const ASYNC_BIT = 1 << 30;
const SYNC_BIT = 1 << 31;
const BITS = ASYNC_BIT | SYNC_BIT;

/** A thread that has waited for longer than this, in ms, claims to be handed the lock. */
const FAIR_AFTER = 1;

/** How an acquisition ended. */
export const MISSED = 0;
/** The lock is ours. */
export const ACQUIRED = 1;
/** The lock is ours, and was taken from a holder that died. */
export const RECOVERED = 2;
/** One of the above. */
export type Acquisition = typeof MISSED | typeof ACQUIRED | typeof RECOVERED;

let announced: AgentTable | undefined;

/** The sleepers that this agent is going to wake when it releases a lock next. */
let deferred: { readonly words: SharedWords; readonly index: number }[] | undefined;

/**
 * Wakes who sleeps on a word, once this agent releases a lock: a woken waiter of a condition needs the lock first of
 * all, and would only go back to sleep for it.
 *
 * LOST WAKE  what the sleeper waits for stands in its word already; if the wake never comes, because this agent dies, the
 *            sleeper sees it when its slice is over.
 */
export function wakeAfterRelease(words: SharedWords, index: number): void {
  (deferred ??= []).push({ words, index });
}

function wakeDeferred(): void {
  const wakes = deferred;
  deferred = undefined;
  for (const { words, index } of wakes ?? []) notify(words, index);
}

/** Makes the words of a new core, with room for `extra` bytes after them. */
export function newCore(extra = 0): SharedWords {
  const words = new Int32Array(new SharedArrayBuffer(CORE_WORDS * 4 + extra));
  store(words, NUMBER, selfAgent().table.nextLock());
  return words;
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

  constructor(words: SharedWords, kind: string, name: string) {
    const self = selfAgent();
    this.words = words;
    this.token = tokenOf(self);
    this.table = self.table;
    this.kind = kind;
    this.name = name;
    if (announced !== self.table) {
      announced = self.table;
      self.table.publishName(self, self.name);
    }
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

  /** Whether this agent holds it. */
  get mine(): boolean {
    return (load(this.words, STATE) & (TOKEN_MASK | HANDED)) === this.token;
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

  /** What a takeover from a dead holder is to be called. */
  recovered(state: number): Acquisition {
    const { words } = this;
    this.depth = 0;
    // It may have died while it handed the lock over: nobody is going to finish that.
    if ((load(words, CLAIM) & HANDED) !== 0) {
      store(words, CLAIM, 0);
      notify(words, CLAIM);
    }
    return (state & HANDED) === 0 ? RECOVERED : ACQUIRED;
  }

  /** Blocks the thread until the lock is ours or the deadline passes; for when the first try has failed. */
  acquireSlow(deadline: number): Acquisition {
    const { words, token } = this;
    for (let tries = 0; tries < 8; tries++) {
      if ((load(words, STATE) & TOKEN_MASK) === token || !this.spin.untilEqual(words, STATE, 0)) break;
      if (compareExchange(words, STATE, 0, token) === 0) return ACQUIRED;
    }
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
    if (deferred !== undefined) wakeDeferred();
  }

  #releaseSlow(seen: number): void {
    const { words, token } = this;
    if ((seen & (TOKEN_MASK | HANDED)) !== token) throw this.notOwner("release", seen);
    const claimer = load(words, CLAIM);
    if (claimer !== 0 && (claimer & HANDED) === 0 && this.table.isTokenAlive(claimer)) {
      // A claimer that leaves takes its claim back by CAS: either that fails, or this.
      if (compareExchange(words, CLAIM, claimer, claimer | HANDED) === claimer) return this.#handOver(claimer);
    }
    const state = exchange(words, STATE, 0);
    const late = load(words, CLAIM);
    if (late !== 0 && compareExchange(words, CLAIM, late, 0) === late) notify(words, CLAIM);
    if ((state & SYNC_BIT) !== 0) notify(words, STATE, 1);
    if ((state & ASYNC_BIT) !== 0) ring(words);
  }

  #handOver(claimer: number): void {
    const { words } = this;
    let state = load(words, STATE);
    for (;;) {
      const before = compareExchange(words, STATE, state, claimer | HANDED | (state & BITS));
      if (before === state) break;
      state = before;
    }
    store(words, CLAIM, 0);
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

function ring(words: SharedWords): void {
  fetchAdd(words, BELL, 1);
  notify(words, BELL, 1);
}

/** One wait for the lock. */
class LockWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  index = STATE;
  expected = 0;
  bell: AsyncBell;
  result: Acquisition = MISSED;
  readonly #core: LockCore;
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

  constructor(core: LockCore, blocking: boolean, option: boolean) {
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
    else ring(words);
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
      if (before === state) return core.release();
      state = before;
    }
  }
}

function selfOneTask(): boolean {
  return selfAgent().oneTask === true;
}
