/**
 * Guards: what an acquisition gives. Leaving the block of a `using` declaration releases it, and so does `release()`.
 * @module
 */
import { OwnerDiedError } from "../errors.ts";
import type { WaitOptions } from "../memory/park.ts";
import type { LockCore } from "./lock_core.ts";
import { type Acquisition, RECOVERED } from "./lock_words.ts";

/** What {@linkcode LockGuard} and its relatives have in common. */
export interface Guard {
  /** Whether the lock was taken over from a holder that died, so that what it guards may be half changed. */
  readonly recovered: boolean;
  /** Releases what was acquired. The second and every later call does nothing. */
  release(): void;
  /** The same, for `using`. */
  [Symbol.dispose](): void;
}

/** What is to happen when the holder of a lock is found dead. */
export interface OwnerDeathOptions {
  /**
   * `"recover"` (default): the acquisition succeeds and its guard says `recovered: true`. `"throw"`: it fails with
   * `OwnerDiedError`; the lock is free again for the next one.
   */
  readonly onOwnerDeath?: "recover" | "throw" | undefined;
}

/** Options of acquisitions: a time limit, a signal, and what to do when the holder is found dead. */
export interface AcquireOptions extends WaitOptions, OwnerDeathOptions {}

/** {@linkcode AcquireOptions} without a time limit, so that the acquisition never ends empty-handed. */
export interface UntimedAcquireOptions extends OwnerDeathOptions {
  /** No limit. */
  readonly timeout?: undefined;
  /** Aborting it ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What every kind of lock can do: {@linkcode Lock}, {@linkcode RLock}, and the two sides of an {@linkcode RWLock}. A
 * `Condition` works with any of them.
 */
export interface Lockable {
  /** Waits without blocking the thread; see `Lock.acquire`. */
  acquire(options?: UntimedAcquireOptions): Promise<Guard>;
  /** The same with a time limit: `null` when it passes. */
  acquire(options: AcquireOptions): Promise<Guard | null>;
  /** Blocks the thread until the lock is acquired. */
  acquireSync(options?: UntimedAcquireOptions): Guard;
  /** The same with a time limit: `null` when it passes. */
  acquireSync(options: AcquireOptions): Guard | null;
  /** Never waits: `null` when the lock is held. */
  tryAcquire(options?: OwnerDeathOptions): Guard | null;
  /** Releases the lock, which this process must hold. */
  release(): void;
  /** Whether anyone holds it. */
  readonly locked: boolean;
  /** Waits without blocking, runs the function with the lock held, and releases it whatever happens. */
  run<R>(fn: (guard: Guard) => R | PromiseLike<R>, options?: UntimedAcquireOptions): Promise<Awaited<R>>;
  /** Blocks, runs the function with the lock held, and releases it whatever happens. */
  runSync<R>(fn: (guard: Guard) => R, options?: UntimedAcquireOptions): R;
}

/** One acquisition of a lock. Made by the lock itself. */
export class LockGuard implements Guard {
  readonly #core: LockCore;
  readonly #serial: number;
  /** Whether the lock was taken over from a holder that died, so that what it guards may be half changed. */
  readonly recovered: boolean;

  /** For the library's own use: acquire a `Lock`. @param core the lock, @param recovered whether its holder had died */
  constructor(core: object, recovered: boolean) {
    this.#core = core as LockCore;
    this.#serial = this.#core.serial;
    this.recovered = recovered;
  }

  /** Releases the lock, unless that has been done. Never blocks. */
  release(): void {
    if (this.#core.serial === this.#serial) this.#core.release();
  }

  /** Releases the lock at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/** Throws, and frees the lock again, when its holder was found dead and the acquirer does not want to go on. */
export function refuseRecovered(
  core: LockCore,
  result: Acquisition,
  choice: "recover" | "throw",
  release: () => void = () => core.release(),
): void {
  if (result !== RECOVERED || choice === "recover") return;
  release();
  throw new OwnerDiedError(
    `The holder of ${core.label} died without releasing it, so that what the lock guards may be half changed. ` +
      `It is free again; onOwnerDeath: "recover" would have acquired it.`,
  );
}

/** Checks an `onOwnerDeath` option. */
export function checkOwnerDeath(choice: unknown): "recover" | "throw" {
  if (choice === undefined || choice === "recover") return "recover";
  if (choice === "throw") return "throw";
  throw new TypeError(`Cannot use onOwnerDeath: ${String(choice)}; it is "recover" or "throw".`);
}

/** Checks a `name` option. */
export function checkName(what: string, name: unknown): string {
  if (name === undefined) return "";
  if (typeof name !== "string") throw new TypeError(`Cannot make a ${what}: name is ${String(name)}, not a string.`);
  return name;
}
