/**
 * `Condition`: wait, with a lock let go, until another process says that something has changed. How it is known who is to
 * be woken is in `condition_line.ts`.
 * @module
 */
import { awaitOn } from "../memory/async_park.ts";
import type { SharedWords } from "../memory/atomics.ts";
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
import {
  abandon,
  CHOSEN,
  ConditionWaiter,
  freeNode,
  GO,
  handOn,
  newLine,
  nextTicket,
  notifyEveryone,
  notifyOldest,
  takeNode,
} from "./condition_line.ts";
import type { AcquireOptions, Guard, Lockable, OwnerDeathOptions, UntimedAcquireOptions } from "./guard.ts";
import { type HeldLock, openLock } from "./internals.ts";
import { RLock } from "./rlock.ts";

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
    this.#words = words ?? newLine();
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
    const node = this.#enter();
    for (;;) {
      const depth = this.#held.unlock();
      const waiter = new ConditionWaiter(this.#words, node, this.#held.core.table);
      let woken = false;
      let failure: { readonly error: unknown } | undefined;
      try {
        woken = await awaitOn(waiter, deadline, options?.signal);
      } catch (error) {
        failure = { error };
      }
      try {
        await this.#held.lockAsync(depth);
      } catch (error) {
        this.#abandon(node);
        throw error;
      }
      if (failure !== undefined) {
        this.#withdraw(node);
        throw failure.error;
      }
      const outcome = this.#settle(node, woken);
      if (outcome !== undefined) return outcome;
    }
  }

  /** Lets go of the lock, blocks the thread until notified, and takes the lock again. See {@linkcode wait}. */
  waitSync(options?: WaitOptions): boolean {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    const node = this.#enter();
    for (;;) {
      const depth = this.#held.unlock();
      let woken = true;
      if (this.#spin.whileEqual(this.#words, node + GO, 0)) this.#relock(node, depth);
      else woken = this.#block(node, depth, deadline);
      const outcome = this.#settle(node, woken);
      if (outcome !== undefined) return outcome;
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
    while (n > 0 && notifyOldest(this.#words, this.#held.core.table, nextTicket(this.#words))) n--;
  }

  /** Wakes everybody who waits. Never blocks. @throws {NotOwnerError} when this process does not hold the lock */
  notifyAll(): void {
    this.#checkHeld("notify");
    notifyEveryone(this.#words, this.#held.core.table);
  }

  #checkHeld(what: string): void {
    const { core } = this.#held;
    if (!core.mine) throw core.notOwner(`${what} a Condition with`);
  }

  #enter(): number {
    this.#checkHeld("wait for");
    return takeNode(this.#words, this.#held.core);
  }

  /** Sleeps, and takes the lock again whatever happens. */
  #block(node: number, depth: number, deadline: number): boolean {
    let failed = true;
    try {
      const woken = blockOn(new ConditionWaiter(this.#words, node, this.#held.core.table), deadline);
      failed = false;
      return woken;
    } finally {
      this.#relock(node, depth);
      if (failed) this.#withdraw(node);
    }
  }

  #relock(node: number, depth: number): void {
    let locked = false;
    try {
      this.#held.lockSync(depth);
      locked = true;
    } finally {
      if (!locked) this.#abandon(node);
    }
  }

  /** Without the lock: the wait is over. The guards of its acquisition are void, and do not cover this error by theirs. */
  #abandon(node: number): void {
    this.#held.core.serial++;
    abandon(this.#words, node);
  }

  /** With the lock held: what came of the wait; undefined when it is to go on. */
  #settle(node: number, woken: boolean): boolean | undefined {
    const words = this.#words;
    if (words[node + CHOSEN] === 0 && woken) {
      handOn(words, this.#held.core.table);
      if (words[node + CHOSEN] === 0) {
        words[node + GO] = 0;
        return undefined;
      }
    }
    const chosen = words[node + CHOSEN] !== 0;
    freeNode(words, node);
    return chosen;
  }

  /** With the lock held: ends a wait that failed; a notify that it was given goes to another. */
  #withdraw(node: number): void {
    const words = this.#words;
    const limit = words[node + CHOSEN] as number;
    freeNode(words, node);
    if (limit !== 0) notifyOldest(words, this.#held.core.table, limit);
  }
}
