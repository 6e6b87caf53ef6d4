/**
 * `RLock`: a lock that its holder may acquire again.
 * @module
 */
import type { SharedWords } from "../memory/atomics.ts";
import { deadlineOf, throwIfAborted } from "../memory/park.ts";
import { registerHandle } from "../transport/handles.ts";
import {
  type AcquireOptions,
  checkName,
  checkOwnerDeath,
  type Guard,
  type OwnerDeathOptions,
  refuseRecovered,
  type UntimedAcquireOptions,
} from "./guard.ts";
import { exposeLock, type HeldLock } from "./internals.ts";
import type { LockOptions } from "./lock.ts";
import { LockCore } from "./lock_core.ts";
import { ACQUIRED, type Acquisition, MISSED, newCore, RECOVERED } from "./lock_words.ts";

/** What crosses to another process. */
interface RLockWire {
  readonly buffer: SharedArrayBuffer;
  readonly name: string;
  readonly onOwnerDeath: "recover" | "throw";
}

/**
 * A lock that the process which holds it may acquire again; it is free when it has been released as often.
 *
 * Python: `multiprocessing.RLock`. The holder is the process (the thread): asynchronous tasks of one process do not
 * exclude each other by an RLock. Where they must, use a {@linkcode Lock}. The rest is as with `Lock`: only the holder
 * may release it, a dead holder's lock is taken over, circles are reported.
 *
 * @example
 * ```ts
 * import { RLock } from "@manycore/multiprocessing";
 *
 * const lock = new RLock();
 * lock.runSync(() => lock.runSync(() => console.log("twice")));
 * ```
 */
export class RLock {
  readonly #core: LockCore;
  readonly #onOwnerDeath: "recover" | "throw";

  static {
    registerHandle<RLock, RLockWire>("RLock", RLock, {
      detach: (lock) => ({
        buffer: lock.#core.words.buffer,
        name: lock.#core.name,
        onOwnerDeath: lock.#onOwnerDeath,
      }),
      attach: ({ buffer, name, onOwnerDeath }) => new RLock({ name, onOwnerDeath }, new Int32Array(buffer)),
    });
    exposeLock(RLock, (lock) => new HeldRLock(lock.#core));
  }

  /**
   * Makes a new lock, which nobody holds.
   * @param options its name for reports, and what is to happen when its holder dies
   * @param words the memory of an existing lock; for this library's own use
   */
  constructor(options: LockOptions = {}, words?: SharedWords) {
    this.#onOwnerDeath = checkOwnerDeath(options.onOwnerDeath);
    this.#core = new LockCore(words ?? newCore(), "RLock", checkName("RLock", options.name));
  }

  /**
   * Acquires the lock, once more if this process holds it, waiting for it without blocking the thread.
   *
   * @param options a time limit in ms, a signal, what to do when the holder has died
   * @returns a guard; with a time limit, `null` when that passes
   * @throws {OwnerDiedError} when the holder died and `onOwnerDeath` is `"throw"`
   * @throws {DeadlockError} when this process and others wait for each other in a circle
   * @throws the signal's reason when it is aborted
   */
  acquire(options?: UntimedAcquireOptions): Promise<RLockGuard>;
  /** Acquires the lock within a time limit; resolves to `null` when that passes. */
  acquire(options: AcquireOptions): Promise<RLockGuard | null>;
  acquire(options?: AcquireOptions): Promise<RLockGuard | null> {
    if (options === undefined && acquireFast(this.#core)) return Promise.resolve(new RLockGuard(this.#core, false));
    return this.#acquireAsync(options);
  }

  /**
   * Acquires the lock, once more if this process holds it, blocking the thread until it has it.
   *
   * @param options a time limit in ms, a signal that is looked at before blocking, what to do when the holder has died
   * @returns a guard; with a time limit, `null` when that passes
   * @throws {OwnerDiedError} when the holder died and `onOwnerDeath` is `"throw"`
   * @throws {DeadlockError} when this process and others wait for each other in a circle
   */
  acquireSync(options?: UntimedAcquireOptions): RLockGuard;
  /** Acquires the lock within a time limit, blocking the thread; `null` when the time passes. */
  acquireSync(options: AcquireOptions): RLockGuard | null;
  acquireSync(options?: AcquireOptions): RLockGuard | null {
    const core = this.#core;
    if (options !== undefined) return this.#acquireWith(options);
    return new RLockGuard(core, !acquireFast(core) && this.#acquireSlow());
  }

  /** Acquires the lock if it is free or ours; never waits. @returns a guard, or `null` when another process holds it */
  tryAcquire(options?: OwnerDeathOptions): RLockGuard | null {
    return this.#guard(tryAcquire(this.#core), options);
  }

  /** Releases the lock once. Never blocks. @throws {NotOwnerError} when this process does not hold it */
  release(): void {
    releaseOnce(this.#core);
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
  async run<R>(fn: (guard: RLockGuard) => R | PromiseLike<R>, options?: UntimedAcquireOptions): Promise<Awaited<R>> {
    const guard = await this.acquire(options);
    try {
      return await fn(guard);
    } finally {
      guard.release();
    }
  }

  /** Runs a function with the lock held, blocking the thread for it, and releases it whatever happens. */
  runSync<R>(fn: (guard: RLockGuard) => R, options?: UntimedAcquireOptions): R {
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

  #acquireWith(options: AcquireOptions): RLockGuard | null {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    let result = tryAcquire(this.#core);
    if (result === MISSED) result = this.#core.acquireSlow(deadline);
    return this.#guard(result, options);
  }

  async #acquireAsync(options?: AcquireOptions): Promise<RLockGuard | null> {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    let result = tryAcquire(this.#core);
    if (result === MISSED) {
      result = await this.#core.acquireAsync(deadline, options?.signal, true);
    }
    return this.#guard(result, options);
  }

  #guard(result: Acquisition, options: OwnerDeathOptions | undefined): RLockGuard | null {
    if (result === MISSED) return null;
    if (result === RECOVERED) {
      const choice = options?.onOwnerDeath;
      refuseRecovered(this.#core, result, choice === undefined ? this.#onOwnerDeath : checkOwnerDeath(choice));
    }
    return new RLockGuard(this.#core, result === RECOVERED);
  }
}

function acquireFast(core: LockCore): boolean {
  if (core.tryFast()) return true;
  if (!core.mine) return false;
  core.depth++;
  return true;
}

function tryAcquire(core: LockCore): Acquisition {
  const result = core.tryAcquire();
  if (result !== MISSED || !core.mine) return result;
  core.depth++;
  return ACQUIRED;
}

function releaseOnce(core: LockCore): void {
  if (core.depth > 0 && core.mine) core.depth--;
  else core.release();
}

/** One acquisition of an `RLock`. Made by the lock itself. */
export class RLockGuard implements Guard {
  readonly #core: LockCore;
  readonly #serial: number;
  #open = true;
  /** Whether the lock was taken over from a holder that died, so that what it guards may be half changed. */
  readonly recovered: boolean;

  /** For the library's own use: acquire an {@linkcode RLock}. @param core the lock, @param recovered whether its holder had died */
  constructor(core: object, recovered: boolean) {
    this.#core = core as LockCore;
    this.#serial = this.#core.serial;
    this.recovered = recovered;
  }

  /** Releases the lock once, unless that has been done. Never blocks. */
  release(): void {
    if (!this.#open) return;
    this.#open = false;
    // It may have been released without this guard, or been lost in a wait for a condition.
    if (this.#core.serial === this.#serial) releaseOnce(this.#core);
  }

  /** Releases the lock at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/** An `RLock` as a condition sees it. */
class HeldRLock implements HeldLock {
  readonly core: LockCore;

  constructor(core: LockCore) {
    this.core = core;
  }

  unlock(): number {
    const { core } = this;
    const { depth } = core;
    core.depth = 0;
    core.releaseRaw();
    return depth;
  }

  lockSync(depth: number): void {
    const { core } = this;
    if (!core.tryFast() && core.acquireSlow(Infinity, true) === RECOVERED) core.keepRecovered();
    core.depth = depth;
  }

  async lockAsync(depth: number): Promise<void> {
    const { core } = this;
    const result = core.tryAcquire() || await core.acquireAsync(Infinity);
    if (result === RECOVERED) core.keepRecovered();
    core.depth = depth;
  }
}
