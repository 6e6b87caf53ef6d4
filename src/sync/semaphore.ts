/**
 * `Semaphore` and `BoundedSemaphore`: a number of permits. How they are taken and given is in `semaphore_core.ts`.
 * @module
 */
import type { SharedWords } from "../memory/atomics.ts";
import { deadlineOf, throwIfAborted, type UntimedWaitOptions, type WaitOptions } from "../memory/park.ts";
import { registerHandle } from "../transport/handles.ts";
import { MOST, SemaphoreCore } from "./semaphore_core.ts";

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
    if (options === undefined) {
      // One place makes the guard, so that the engines can see that it never leaves the caller, and make none.
      if (!core.tryAcquire()) core.acquireSlow(Infinity);
      return new SemaphoreGuard(core);
    }
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
    return this.#core.value;
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
