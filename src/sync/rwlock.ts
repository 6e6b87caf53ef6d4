/**
 * `RWLock`: many readers, or one writer. How they keep out of each other's way is in `rwlock_core.ts`.
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
  type Lockable,
  type OwnerDeathOptions,
  refuseRecovered,
  type UntimedAcquireOptions,
} from "./guard.ts";
import { exposeLock, type HeldLock } from "./internals.ts";
import type { LockOptions } from "./lock.ts";
import { type Acquisition, MISSED, RECOVERED } from "./lock_words.ts";
import { newRWWords, RWCore } from "./rwlock_core.ts";

interface RWLockWire {
  readonly buffer: SharedArrayBuffer;
  readonly name: string;
  readonly onOwnerDeath: "recover" | "throw";
}

/** One acquisition of an `RWLock`, for reading or for writing. Made by the lock itself. */
export class RWLockGuard implements Guard {
  #core: RWCore | undefined;
  /** For writing: the serial of the acquisition; −1 for reading. */
  readonly #serial: number;
  /** Whether the lock was taken over from a writer that died, so that what it guards may be half changed. */
  readonly recovered: boolean;

  /** For the library's own use: acquire a side of an {@linkcode RWLock}. @param core the lock, @param write whether it is for writing, @param recovered whether a writer had died */
  constructor(core: object, write: boolean, recovered: boolean) {
    this.#core = core as RWCore;
    this.#serial = write ? this.#core.serial : -1;
    this.recovered = recovered;
  }

  /** Releases the lock, unless that has been done. Never blocks. */
  release(): void {
    const core = this.#core;
    if (core === undefined) return;
    this.#core = undefined;
    if (this.#serial < 0) core.releaseRead();
    else if (core.serial === this.#serial) core.endWrite(false);
  }

  /** Releases the lock at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * One side of an {@linkcode RWLock}, with all that a lock has. It may be passed to any process by itself, and be the lock
 * of a `Condition`.
 */
export class RWLockSide implements Lockable {
  readonly #core: RWCore;
  readonly #write: boolean;
  readonly #onOwnerDeath: "recover" | "throw";

  static {
    registerHandle<RWLockSide, RWLockWire & { readonly write: boolean }>("RWLockSide", RWLockSide, {
      detach: (side) => ({ ...wireOf(side.#core, side.#onOwnerDeath), write: side.#write }),
      attach: ({ buffer, name, onOwnerDeath, write }) => {
        const lock = new RWLock({ name, onOwnerDeath }, new Int32Array(buffer));
        return write ? lock.write : lock.read;
      },
    });
    exposeLock(RWLockSide, (side) => new HeldSide(side.#core, side.#write));
  }

  /** For the library's own use: take `read` or `write` of an {@linkcode RWLock}. */
  constructor(core: object, write: boolean, onOwnerDeath: "recover" | "throw") {
    this.#core = core as RWCore;
    this.#write = write;
    this.#onOwnerDeath = onOwnerDeath;
  }

  /**
   * Acquires this side, waiting for it without blocking the thread.
   * @param options a time limit in ms, a signal, what to do when the holder has died
   * @returns a guard; with a time limit, `null` when that passes
   * @throws {OwnerDiedError} when a writer died and `onOwnerDeath` is `"throw"`
   * @throws {DeadlockError} when this process and others wait for each other in a circle
   * @throws the signal's reason when it is aborted
   */
  acquire(options?: UntimedAcquireOptions): Promise<RWLockGuard>;
  /** Acquires this side within a time limit; resolves to `null` when that passes. */
  acquire(options: AcquireOptions): Promise<RWLockGuard | null>;
  async acquire(options?: AcquireOptions): Promise<RWLockGuard | null> {
    const core = this.#core;
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    let result: Acquisition = this.#write ? core.tryAcquire() : core.tryRead();
    if (result === MISSED) {
      result = await core.acquireAsync(deadline, options?.signal);
      if (result !== MISSED && !this.#write) result = core.enter();
    }
    if (result !== MISSED && this.#write) {
      result = await core.drainAsync(deadline, options?.signal) ? core.begin() : MISSED;
    }
    return this.#guard(result, options);
  }

  /** Acquires this side, blocking the thread until it has it. See {@linkcode acquire}. */
  acquireSync(options?: UntimedAcquireOptions): RWLockGuard;
  /** Acquires this side within a time limit, blocking the thread; `null` when the time passes. */
  acquireSync(options: AcquireOptions): RWLockGuard | null;
  acquireSync(options?: AcquireOptions): RWLockGuard | null {
    const core = this.#core;
    if (options !== undefined) return this.#acquireWith(options);
    // One place makes the guard, so that the engines can see that it never leaves the caller, and make none.
    return new RWLockGuard(core, this.#write, (this.#write || !core.tryReadFast()) && this.#acquireSlow());
  }

  /** Acquires this side if nobody is in its way; never waits. @returns a guard, or `null` */
  tryAcquire(options?: OwnerDeathOptions): RWLockGuard | null {
    const core = this.#core;
    let result: Acquisition = this.#write ? core.tryAcquire() : core.tryRead();
    if (result !== MISSED && this.#write) {
      if (core.reader() === 0) {
        result = core.begin();
      } else {
        core.giveUp();
        result = MISSED;
      }
    }
    return this.#guard(result, options);
  }

  /** Releases this side once. Never blocks. @throws {NotOwnerError} when this process does not hold it */
  release(): void {
    if (this.#write) this.#core.endWrite(false);
    else this.#core.releaseRead();
  }

  /** Whether anyone reads; for the other side, whether anyone writes or waits to. */
  get locked(): boolean {
    return this.#write ? this.#core.held : this.#core.reader() !== 0;
  }

  /** Runs a function with this side held, waiting for it without blocking, and releases it whatever happens. */
  async run<R>(fn: (guard: RWLockGuard) => R | PromiseLike<R>, options?: UntimedAcquireOptions): Promise<Awaited<R>> {
    const guard = await this.acquire(options);
    try {
      return await fn(guard);
    } finally {
      guard.release();
    }
  }

  /** Runs a function with this side held, blocking the thread for it, and releases it whatever happens. */
  runSync<R>(fn: (guard: RWLockGuard) => R, options?: UntimedAcquireOptions): R {
    const guard = this.acquireSync(options);
    try {
      return fn(guard);
    } finally {
      guard.release();
    }
  }

  /** Blocks for as long as it takes; returns whether a writer had died. */
  #acquireSlow(): boolean {
    return this.#refuse(this.#take(Infinity), undefined) === RECOVERED;
  }

  #acquireWith(options: AcquireOptions): RWLockGuard | null {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    return this.#guard(this.#take(deadline), options);
  }

  #take(deadline: number): Acquisition {
    const core = this.#core;
    if (this.#write) {
      const result = core.tryAcquire() || core.acquireSlow(deadline);
      return result !== MISSED && core.drainSync(deadline) ? core.begin() : MISSED;
    }
    const result = core.tryRead();
    if (result !== MISSED) return result;
    const late = core.acquireSlow(deadline);
    return late === MISSED ? MISSED : core.enter();
  }

  #guard(result: Acquisition, options: OwnerDeathOptions | undefined): RWLockGuard | null {
    if (result === MISSED) return null;
    return new RWLockGuard(this.#core, this.#write, this.#refuse(result, options) === RECOVERED);
  }

  #refuse(result: Acquisition, options: OwnerDeathOptions | undefined): Acquisition {
    if (result === RECOVERED) {
      const choice = options?.onOwnerDeath === undefined ? this.#onOwnerDeath : checkOwnerDeath(options.onOwnerDeath);
      refuseRecovered(this.#core, result, choice, () => this.release());
    }
    return result;
  }
}

/** A side as a condition sees it. Only a writer may wait with it: readers change nothing. */
class HeldSide implements HeldLock {
  readonly core: RWCore;

  constructor(core: RWCore, write: boolean) {
    if (!write) throw new TypeError("Cannot make a Condition with the read side of an RWLock; give it the write side.");
    this.core = core;
  }

  unlock(): number {
    this.core.endWrite(true);
    return 0;
  }

  lockSync(): void {
    const { core } = this;
    if (core.tryAcquire() === MISSED) core.acquireSlow(Infinity);
    core.drainSync(Infinity);
    if (core.begin() === RECOVERED) core.keepRecovered();
  }

  async lockAsync(): Promise<void> {
    const { core } = this;
    if (core.tryAcquire() === MISSED) await core.acquireAsync(Infinity);
    await core.drainAsync(Infinity);
    if (core.begin() === RECOVERED) core.keepRecovered();
  }
}

function wireOf(core: RWCore, onOwnerDeath: "recover" | "throw"): RWLockWire {
  return { buffer: core.words.buffer, name: core.name, onOwnerDeath };
}

/**
 * A lock for many readers or one writer. It may be passed to any process.
 *
 * Python has none. Its two sides are locks: `lock.read` and `lock.write`. Writers are preferred: once one waits, new
 * readers wait behind it; a process that reads already may read again. A process that reads cannot also wait to write
 * (`DeadlockError`). A reader that dies is forgotten; a writer that dies leaves `recovered: true` to the next. What
 * happened before a release is visible after the acquisitions that follow it.
 *
 * @example
 * ```ts
 * import { RWLock } from "@manycore/multiprocessing";
 *
 * const lock = new RWLock();
 * await lock.write.run(() => console.log("alone"));
 * lock.read.runSync(() => console.log("with other readers"));
 * ```
 */
export class RWLock {
  readonly #core: RWCore;
  readonly #onOwnerDeath: "recover" | "throw";
  /** The side for readers. */
  readonly read: RWLockSide;
  /** The side for writers. */
  readonly write: RWLockSide;

  static {
    registerHandle<RWLock, RWLockWire>("RWLock", RWLock, {
      detach: (lock) => wireOf(lock.#core, lock.#onOwnerDeath),
      attach: ({ buffer, name, onOwnerDeath }) => new RWLock({ name, onOwnerDeath }, new Int32Array(buffer)),
    });
  }

  /**
   * Makes a new lock, which nobody holds.
   * @param options its name for reports, and what is to happen when its writer dies
   * @param words the memory of an existing lock; for this library's own use
   */
  constructor(options: LockOptions = {}, words?: SharedWords) {
    this.#onOwnerDeath = checkOwnerDeath(options.onOwnerDeath);
    const name = checkName("RWLock", options.name);
    this.#core = new RWCore(words ?? newRWWords(), "RWLock", name);
    this.read = new RWLockSide(this.#core, false, this.#onOwnerDeath);
    this.write = new RWLockSide(this.#core, true, this.#onOwnerDeath);
  }
}
