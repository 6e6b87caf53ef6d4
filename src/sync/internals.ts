/**
 * What a `Condition` may do with a lock that users may not: let go of it for the time of the wait, whatever its depth,
 * and take it back, without the guard of the acquisition noticing.
 * @module
 */
import type { LockCore } from "./lock_core.ts";

/** A lock as a condition sees it. */
export interface HeldLock {
  /** The lock itself, to ask whether this agent holds it. */
  readonly core: LockCore;
  /** Lets go of it entirely; returns what {@linkcode lockSync} and {@linkcode lockAsync} have to restore. */
  unlock(): number;
  /** Takes it back, blocking the thread. That its holder died meanwhile is kept for the next acquisition. */
  lockSync(depth: number): void;
  /** Takes it back without blocking the thread. */
  lockAsync(depth: number): Promise<void>;
}

const openers: Map<object, (lock: never) => HeldLock> = new Map();

/** Says how a class of locks is opened for conditions. */
export function exposeLock<T extends object>(type: { readonly prototype: T }, open: (lock: T) => HeldLock): void {
  openers.set(type.prototype, open as (lock: never) => HeldLock);
}

/** Opens a lock; undefined when it is none of ours. */
export function openLock(lock: object): HeldLock | undefined {
  return openers.get(Object.getPrototypeOf(lock) as object)?.(lock as never);
}
