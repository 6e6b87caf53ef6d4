/**
 * `Condition`: wait, with a lock let go, until another process says that something has changed.
 *
 * ```
 *  holder ── takes a node, writes its token ──▶ unlocks ──▶ sleeps on its own node ──▶ locks again
 *                                                               ▲
 *  notifier, holding the lock ── marks the oldest node NOTIFIED ┘
 * ```
 *
 * Every waiter sleeps on a word of its own, so a notify wakes exactly whom it means: the oldest waiters, at once, never
 * one that came later, never one that has died. `wait` returns true if and only if it was notified.
 *
 * WORD       HIGH (i32): nodes from here on have never been used · TICKET (i32): numbers the waits in their order
 * WORD       node.STATE (i32): 0 free, or the waiter's token, with NOTIFIED (29), and SLEEPING (30) when it may sleep
 * WORD       node.TICKET (i32): written before STATE. WRAP: tickets are compared by their difference
 * OWNERSHIP  a node is its waiter's while its token stands in it; anyone frees the node of a dead waiter
 * LOST WAKE  the node is there before the lock is let go, and a notifier holds the lock: it sees every wait that began
 *            before. The waiter sets SLEEPING by CAS in the value that it sleeps on; NOTIFIED is set by CAS as well.
 * LOST WAKE  a wait that times out frees its node by CAS. If that fails it was notified in time, and returns true; if it
 *            is aborted instead, or its agent stops, it hands the notify to the oldest of the others.
 * DEATH      notify skips dead waiters. One that died after it was notified: another waiter finds its node within a slice,
 *            frees it, and hands the notify on.
 *            A wake is given when the notifier releases the lock, not before: the woken waiter needs the lock at once, and
 *            waking it twice would take three times as long (measured: 15 µs a round trip instead of 5).
 * SOURCE     CPython's `threading.Condition` (a lock for each waiter in a deque), as an array of futexes
 * @module
 */
import { TOKEN_MASK } from "../memory/agents.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { compareExchange, fetchAdd, load, notify, type SharedWords, store } from "../memory/atomics.ts";
import {
  blockOn,
  deadlineOf,
  now,
  SpinBudget,
  throwIfAborted,
  type UntimedWaitOptions,
  type WaitOptions,
} from "../memory/park.ts";
import { registerHandle } from "../transport/handles.ts";
import type { AcquireOptions, Guard, Lockable, OwnerDeathOptions, UntimedAcquireOptions } from "./guard.ts";
import { type HeldLock, openLock } from "./internals.ts";
import { wakeAfterRelease } from "./lock_core.ts";
import { RLock } from "./rlock.ts";

const HIGH = 0;
const TICKET = 1;
const FIRST_NODE = 4;
const NODE_WORDS = 2;
/** The most waits at one time. */
const NODES = 1022;

const NOTIFIED = 1 << 29;
const SLEEPING = 1 << 30;

interface ConditionWire {
  readonly buffer: SharedArrayBuffer;
  readonly lock: Lockable;
}

/**
 * A condition variable: a lock, and a line of processes that wait for the holder to notify them. It may be passed to any
 * process; its lock goes with it.
 *
 * Python: `multiprocessing.Condition`, with an {@linkcode RLock} unless another lock is given ({@linkcode Lock}, or a side
 * of an `RWLock`). Where several asynchronous tasks of one process wait, give it a `Lock`: an `RLock` does not keep
 * tasks of one process apart. A waiter that dies does not hang the next notify. Holding the lock is checked:
 * `NotOwnerError`. At most 1022 waits at one time.
 *
 * @example
 * ```ts
 * import { Condition, Lock } from "@manycore/multiprocessing";
 *
 * const items: string[] = [];
 * const changed = new Condition(new Lock());
 * setTimeout(() => changed.run(() => { items.push("a"); changed.notify(); }), 10);
 * await changed.run(() => changed.waitFor(() => items.length > 0));
 * ```
 */
export class Condition {
  readonly #words: SharedWords;
  readonly #lock: Lockable;
  readonly #held: HeldLock;
  readonly #spin: SpinBudget = new SpinBudget();

  static {
    registerHandle<Condition, ConditionWire>("Condition", Condition, {
      detach: (condition) => ({ buffer: condition.#words.buffer, lock: condition.#lock }),
      attach: ({ buffer, lock }) => new Condition(lock, new Int32Array(buffer)),
    });
  }

  /**
   * Makes a new condition.
   *
   * @param lock the lock that guards what is waited for; a new `RLock` by default
   * @param words the memory of an existing condition; for this library's own use
   * @throws {TypeError} when the lock is none of this library's
   */
  constructor(lock: Lockable = new RLock(), words?: SharedWords) {
    const held = typeof lock === "object" && lock !== null ? openLock(lock) : undefined;
    if (held === undefined) {
      throw new TypeError("Cannot make a Condition: its lock must be a Lock, an RLock or a side of an RWLock.");
    }
    this.#lock = lock;
    this.#held = held;
    this.#words = words ?? new Int32Array(new SharedArrayBuffer((FIRST_NODE + NODES * NODE_WORDS) * 4));
  }

  /** The lock. */
  get lock(): Lockable {
    return this.#lock;
  }

  /** Acquires the lock without blocking the thread. */
  acquire(options?: UntimedAcquireOptions): Promise<Guard>;
  /** Acquires the lock within a time limit; resolves to `null` when that passes. */
  acquire(options: AcquireOptions): Promise<Guard | null>;
  acquire(options?: AcquireOptions): Promise<Guard | null> {
    return options === undefined ? this.#lock.acquire() : this.#lock.acquire(options);
  }

  /** Acquires the lock, blocking the thread. */
  acquireSync(options?: UntimedAcquireOptions): Guard;
  /** Acquires the lock within a time limit, blocking the thread; `null` when that passes. */
  acquireSync(options: AcquireOptions): Guard | null;
  acquireSync(options?: AcquireOptions): Guard | null {
    return options === undefined ? this.#lock.acquireSync() : this.#lock.acquireSync(options);
  }

  /** Acquires the lock if it is free; never waits. */
  tryAcquire(options?: OwnerDeathOptions): Guard | null {
    return this.#lock.tryAcquire(options);
  }

  /** Releases the lock. @throws {NotOwnerError} when this process does not hold it */
  release(): void {
    this.#lock.release();
  }

  /** Whether anyone holds the lock. */
  get locked(): boolean {
    return this.#lock.locked;
  }

  /** Runs a function with the lock held, without blocking the thread for it. */
  run<R>(fn: (guard: Guard) => R | PromiseLike<R>, options?: UntimedAcquireOptions): Promise<Awaited<R>> {
    return this.#lock.run(fn, options);
  }

  /** Runs a function with the lock held, blocking the thread for it. */
  runSync<R>(fn: (guard: Guard) => R, options?: UntimedAcquireOptions): R {
    return this.#lock.runSync(fn, options);
  }

  /**
   * Lets go of the lock, waits to be notified without blocking the thread, and takes the lock again.
   *
   * Taking it again has no time limit and cannot be aborted: when the promise is settled the lock is held, whatever the
   * outcome. An RLock's depth is restored.
   * @param options a time limit in ms for the notification, a signal
   * @returns whether it was notified; false when the time limit passed first
   * @throws {NotOwnerError} when this process does not hold the lock
   * @throws the signal's reason when it is aborted
   */
  async wait(options?: WaitOptions): Promise<boolean> {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    const waiter = this.#enter();
    const depth = this.#held.unlock();
    try {
      return await awaitOn(waiter, deadline, options?.signal) || waiter.late;
    } catch (error) {
      if (waiter.late) notifyOldest(this.#words, this.#held);
      throw error;
    } finally {
      await this.#held.lockAsync(depth);
    }
  }

  /** Lets go of the lock, blocks the thread until notified, and takes the lock again. See {@linkcode wait}. */
  waitSync(options?: WaitOptions): boolean {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    const waiter = this.#enter();
    const depth = this.#held.unlock();
    try {
      if (this.#spin.whileEqual(waiter.words, waiter.index, waiter.expected)) {
        waiter.poll();
        return true;
      }
      return blockOn(waiter, deadline) || waiter.late;
    } catch (error) {
      if (waiter.late) notifyOldest(this.#words, this.#held);
      throw error;
    } finally {
      this.#held.lockSync(depth);
    }
  }

  /**
   * Waits, without blocking the thread, until the predicate returns something true. It is called with the lock held:
   * at once, and then after every notification.
   * @returns what the predicate returned last, which is false-like when the time limit passed. Python: `wait_for`
   */
  waitFor<T>(predicate: () => T, options?: UntimedWaitOptions): Promise<T>;
  /** The same with a time limit. */
  waitFor<T>(predicate: () => T, options: WaitOptions): Promise<T>;
  async waitFor<T>(predicate: () => T, options?: WaitOptions): Promise<T> {
    const deadline = deadlineOf(options);
    for (;;) {
      const result = predicate();
      if (result || deadline <= now()) return result;
      await this.wait({ timeout: deadline - now(), signal: options?.signal });
    }
  }

  /** Blocks the thread until the predicate returns something true. See {@linkcode waitFor}. */
  waitForSync<T>(predicate: () => T, options?: WaitOptions): T {
    const deadline = deadlineOf(options);
    for (;;) {
      const result = predicate();
      if (result || deadline <= now()) return result;
      this.waitSync({ timeout: deadline - now(), signal: options?.signal });
    }
  }

  /**
   * Wakes the processes that have waited longest. A notify that finds nobody waiting has no effect. Never blocks.
   * @param n how many
   * @throws {NotOwnerError} when this process does not hold the lock
   */
  notify(n: number = 1): void {
    if (!Number.isInteger(n) || n < 0) {
      throw new RangeError(`Cannot notify ${String(n)} waiters; give an integer from 0 on.`);
    }
    this.#checkHeld("notify");
    while (n > 0 && notifyOldest(this.#words, this.#held)) n--;
  }

  /** Wakes everybody who waits. Never blocks. @throws {NotOwnerError} when this process does not hold the lock */
  notifyAll(): void {
    this.#checkHeld("notify");
    const words = this.#words;
    const high = load(words, HIGH);
    for (let i = 0; i < high; i++) {
      const node = FIRST_NODE + i * NODE_WORDS;
      const state = load(words, node);
      if (state !== 0 && (state & NOTIFIED) === 0) mark(words, node, this.#held);
    }
  }

  #checkHeld(what: string): void {
    const { core } = this.#held;
    if (!core.mine) throw core.notOwner(`${what} a Condition with`);
  }

  /** Takes a node. The lock is held, so that nobody else takes one; others may free theirs. */
  #enter(): ConditionWaiter {
    this.#checkHeld("wait for");
    const words = this.#words;
    const { core } = this.#held;
    const high = load(words, HIGH);
    let free = 0;
    while (free < high && load(words, FIRST_NODE + free * NODE_WORDS) !== 0) free++;
    if (free === NODES) throw new RangeError(`Cannot wait for a Condition: ${NODES} waits are going on already.`);
    const node = FIRST_NODE + free * NODE_WORDS;
    store(words, node + 1, fetchAdd(words, TICKET, 1));
    store(words, node, core.token);
    if (free === high) store(words, HIGH, high + 1);
    return new ConditionWaiter(words, node, this.#held);
  }
}

/** Notifies the oldest waiter that lives; false when there is none. */
function notifyOldest(words: SharedWords, held: HeldLock): boolean {
  for (;;) {
    const high = load(words, HIGH);
    let oldest = -1;
    let ticket = 0;
    for (let i = 0; i < high; i++) {
      const node = FIRST_NODE + i * NODE_WORDS;
      const state = load(words, node);
      if (state === 0 || (state & NOTIFIED) !== 0) continue;
      const own = load(words, node + 1);
      if (oldest < 0 || ((own - ticket) | 0) < 0) {
        oldest = node;
        ticket = own;
      }
    }
    if (oldest < 0) return false;
    if (mark(words, oldest, held)) return true;
  }
}

/** Notifies the waiter of a node, unless it has gone, or has died. */
function mark(words: SharedWords, node: number, { core }: HeldLock): boolean {
  let state = load(words, node);
  for (;;) {
    if (state === 0 || (state & NOTIFIED) !== 0) return false;
    const token = state & TOKEN_MASK;
    const alive = token === core.token || core.table.isTokenAlive(token);
    const before = compareExchange(words, node, state, alive ? token | NOTIFIED : 0);
    if (before === state) {
      if (alive && (state & SLEEPING) !== 0) {
        if (core.mine) wakeAfterRelease(words, node);
        else notify(words, node); // handing on the notify of a dead waiter, without the lock
      }
      return alive;
    }
    state = before;
  }
}

class ConditionWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  readonly index: number;
  expected: number;
  /** Whether it was notified at the last moment, after the wait had been given up. */
  late = false;
  readonly #held: HeldLock;
  #bell: AsyncBell | undefined;

  constructor(words: SharedWords, node: number, held: HeldLock) {
    this.words = words;
    this.index = node;
    this.expected = held.core.token;
    this.#held = held;
  }

  get bell(): AsyncBell {
    return this.#bell ??= new AsyncBell(this.words, this.index, true);
  }

  poll(): boolean {
    const { words, index } = this;
    const state = load(words, index);
    if ((state & NOTIFIED) === 0) {
      this.expected = state | SLEEPING;
      if (state === this.expected || compareExchange(words, index, state, this.expected) === state) return false;
    }
    store(words, index, 0);
    return true;
  }

  /** Looks for waiters that died with a notify in their hands. */
  inspect(): void {
    const { words } = this;
    const { core } = this.#held;
    const high = load(words, HIGH);
    for (let i = 0; i < high; i++) {
      const node = FIRST_NODE + i * NODE_WORDS;
      const state = load(words, node);
      if ((state & NOTIFIED) === 0 || core.table.isTokenAlive(state & TOKEN_MASK)) continue;
      if (compareExchange(words, node, state, 0) === state) notifyOldest(words, this.#held);
    }
  }

  end(success: boolean): void {
    if (success) return;
    const { words, index } = this;
    const { expected } = this;
    if (compareExchange(words, index, expected, 0) === expected) {
      if (this.#bell !== undefined) notify(words, index); // takes the waitAsync that is out back
      return;
    }
    this.late = (load(words, index) & NOTIFIED) !== 0;
    store(words, index, 0);
  }
}
