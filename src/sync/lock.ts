/**
 * `Lock`: one holder at a time, of all processes.
 * @module
 */
import type { SharedWords } from "../memory/atomics.ts";
import { deadlineOf, throwIfAborted } from "../memory/park.ts";
import { registerHandle } from "../transport/handles.ts";
import {
  type AcquireOptions,
  checkName,
  checkOwnerDeath,
  LockGuard,
  type OwnerDeathOptions,
  refuseRecovered,
  type UntimedAcquireOptions,
} from "./guard.ts";
import { exposeLock, type HeldLock } from "./internals.ts";
import { LockCore } from "./lock_core.ts";
import { type Acquisition, MISSED, newCore, RECOVERED } from "./lock_words.ts";

/** Options of {@linkcode Lock} and its relatives. */
export interface LockOptions extends OwnerDeathOptions {
  /** What it is called in deadlock reports and errors. */
  readonly name?: string | undefined;
}

/** What crosses to another process. */
interface LockWire {
  readonly buffer: SharedArrayBuffer;
  readonly name: string;
  readonly onOwnerDeath: "recover" | "throw";
}

/**
 * A lock that one process at a time holds, with the others waiting in line. It may be passed to any process, nested in
 * anything.
 *
 * Python: `multiprocessing.Lock`, with three differences. Only the holder may release it (others get `NotOwnerError`; use a
 * {@linkcode Semaphore} to signal). When its holder dies, the next acquirer gets it, and its guard says
 * `recovered: true`. Blocking for a lock that one's own thread holds, or in a circle with others, is a `DeadlockError`.
 *
 * The holder is the process (the thread), so a task of the same process can release what another of its tasks acquired; use
 * the guard, which releases only its own acquisition. Waiting is fair: a waiter that has lost the lock to others for a
 * millisecond is handed it next. Everything that happened before a release is visible after the acquisition that
 * follows it.
 *
 * @example
 * ```ts
 * import { Lock } from "@manycore/multiprocessing";
 *
 * const lock = new Lock();
 * const guard = await lock.acquire();
 * try {
 *   console.log("one at a time");
 * } finally {
 *   guard.release();
 * }
 * await lock.run(() => console.log("the same, shorter"));
 * ```
 */
export class Lock {
  readonly #core: LockCore;
  readonly #onOwnerDeath: "recover" | "throw";

  static {
    registerHandle<Lock, LockWire>("Lock", Lock, {
      detach: (lock) => ({
        buffer: lock.#core.words.buffer,
        name: lock.#core.name,
        onOwnerDeath: lock.#onOwnerDeath,
      }),
      attach: ({ buffer, name, onOwnerDeath }) => new Lock({ name, onOwnerDeath }, new Int32Array(buffer)),
    });
    exposeLock(Lock, (lock) => new HeldPlainLock(lock.#core));
  }

  /**
   * Makes a new lock, which nobody holds.
   * @param options its name for reports, and what is to happen when its holder dies
   * @param words the memory of an existing lock; for this library's own use
   */
  constructor(options: LockOptions = {}, words?: SharedWords) {
    this.#onOwnerDeath = checkOwnerDeath(options.onOwnerDeath);
    this.#core = new LockCore(words ?? newCore(), "Lock", checkName("Lock", options.name));
  }

  /**
   * Acquires the lock, waiting for it without blocking the thread.
   *
   * @param options a time limit in ms, a signal, what to do when the holder has died
   * @returns a guard; with a time limit, `null` when that passes
   * @throws {OwnerDiedError} when the holder died and `onOwnerDeath` is `"throw"`
   * @throws {DeadlockError} when this process and others wait for each other in a circle
   * @throws the signal's reason when it is aborted
   */
  acquire(options?: UntimedAcquireOptions): Promise<LockGuard>;
  /** Acquires the lock within a time limit; resolves to `null` when that passes. */
  acquire(options: AcquireOptions): Promise<LockGuard | null>;
  acquire(options?: AcquireOptions): Promise<LockGuard | null> {
    if (options === undefined && this.#core.tryFast()) return Promise.resolve(new LockGuard(this.#core, false));
    return this.#acquireAsync(options);
  }

  /**
   * Acquires the lock, blocking the thread until it has it.
   *
   * @param options a time limit in ms, a signal that is looked at before blocking, what to do when the holder has died
   * @returns a guard; with a time limit, `null` when that passes
   * @throws {DeadlockError} when this very thread holds the lock and sets no time limit, or in a circle with others
   * @throws {OwnerDiedError} when the holder died and `onOwnerDeath` is `"throw"`
   */
  acquireSync(options?: UntimedAcquireOptions): LockGuard;
  /** Acquires the lock within a time limit, blocking the thread; `null` when the time passes. */
  acquireSync(options: AcquireOptions): LockGuard | null;
  acquireSync(options?: AcquireOptions): LockGuard | null {
    const core = this.#core;
    if (options !== undefined) return this.#acquireWith(options);
    // One place makes the guard, so that the engines can see that it never leaves the caller, and make none.
    return new LockGuard(core, !core.tryFast() && this.#acquireSlow());
  }

  /** Acquires the lock if it is free; never waits. @returns a guard, or `null` when somebody holds the lock */
  tryAcquire(options?: OwnerDeathOptions): LockGuard | null {
    return this.#guard(this.#core.tryAcquire(), options);
  }

  /** Releases the lock. Never blocks. @throws {NotOwnerError} when this process does not hold it */
  release(): void {
    this.#core.release();
  }

  /** Whether anyone holds the lock. */
  get locked(): boolean {
    return this.#core.held;
  }

  /**
   * Runs a function with the lock held, waiting for it without blocking, and releases it whatever happens.
   * @param fn gets the guard; the lock is held until the promise that it returns is settled
   * @returns what the function returns
   */
  async run<R>(fn: (guard: LockGuard) => R | PromiseLike<R>, options?: UntimedAcquireOptions): Promise<Awaited<R>> {
    const guard = await this.acquire(options);
    try {
      return await fn(guard);
    } finally {
      guard.release();
    }
  }

  /** Runs a function with the lock held, blocking the thread for it, and releases it whatever happens. */
  runSync<R>(fn: (guard: LockGuard) => R, options?: UntimedAcquireOptions): R {
    const guard = this.acquireSync(options);
    try {
      return fn(guard);
    } finally {
      guard.release();
    }
  }

  /** Blocks for as long as it takes; returns whether the holder had died. */
  #acquireSlow(): boolean {
    const result = this.#core.acquireSlow(Infinity);
    refuseRecovered(this.#core, result, this.#onOwnerDeath);
    return result === RECOVERED;
  }

  #acquireWith(options: AcquireOptions): LockGuard | null {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    let result = this.#core.tryAcquire();
    if (result === MISSED) result = this.#core.acquireSlow(deadline);
    return this.#guard(result, options);
  }

  async #acquireAsync(options?: AcquireOptions): Promise<LockGuard | null> {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    let result = this.#core.tryAcquire();
    if (result === MISSED) result = await this.#core.acquireAsync(deadline, options?.signal);
    return this.#guard(result, options);
  }

  #guard(result: Acquisition, options: OwnerDeathOptions | undefined): LockGuard | null {
    if (result === MISSED) return null;
    if (result === RECOVERED) {
      const choice = options?.onOwnerDeath;
      refuseRecovered(this.#core, result, choice === undefined ? this.#onOwnerDeath : checkOwnerDeath(choice));
    }
    return new LockGuard(this.#core, result === RECOVERED);
  }
}

/** A lock as a condition sees it. */
class HeldPlainLock implements HeldLock {
  readonly core: LockCore;

  constructor(core: LockCore) {
    this.core = core;
  }

  unlock(): number {
    this.core.releaseRaw();
    return 0;
  }

  lockSync(): void {
    const { core } = this;
    if (!core.tryFast() && core.acquireSlow(Infinity, true) === RECOVERED) core.keepRecovered();
  }

  async lockAsync(): Promise<void> {
    const { core } = this;
    const result = core.tryAcquire() || await core.acquireAsync(Infinity);
    if (result === RECOVERED) core.keepRecovered();
  }
}
