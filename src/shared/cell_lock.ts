/**
 * How `Value` and `SharedArray` lock for one operation: with the lock's own core, so that an atomic operation and a
 * block of code that holds the lock exclude each other, and without making a guard.
 *
 * A process that holds the lock already goes on at once, whatever kind of lock it is.
 * @module
 */
import { openLock } from "../sync/internals.ts";
import { Lock } from "../sync/lock.ts";
import type { LockCore } from "../sync/lock_core.ts";
import { newCore, RECOVERED } from "../sync/lock_words.ts";
import { RLock } from "../sync/rlock.ts";
import type { SharedWords } from "../memory/atomics.ts";

/** The locks that a value may have. */
export type CellLockOption = Lock | RLock;

/** The locks that others acquire as well, and that are to tell them when a holder has died: an operation has nobody to tell. */
const reporting: WeakSet<LockCore> = new WeakSet();

/** The core of a lock that a value was given. @throws {TypeError} when it is none */
export function coreOf(lock: unknown): LockCore {
  const held = lock instanceof Lock || lock instanceof RLock ? openLock(lock) : undefined;
  if (held !== undefined) {
    reporting.add(held.core);
    return held.core;
  }
  throw new TypeError(
    `Cannot use ${
      typeof lock === "object" ? Object.prototype.toString.call(lock) : String(lock)
    } as the lock of a shared ` +
      `value: give a Lock or an RLock, or false for none.`,
  );
}

/** Words for a value with its own lock: the lock's first, then `bytes` of payload, which starts at {@linkcode PAYLOAD}. */
export function cellWords(bytes: number): SharedWords {
  return newCore((bytes + 7) & ~7);
}

/** Where the payload starts, in bytes. */
export const PAYLOAD = 32;

/** Locks for one operation; returns whether this process held the lock before, so that it must not be released. */
export function enter(core: LockCore): boolean {
  if (core.tryFast()) return false;
  if (core.mine) return true;
  // At once, before it spins: after a death that has not been reported yet every operation comes here.
  const result = core.tryAcquire() || core.acquireSlow(Infinity);
  if (result === RECOVERED && reporting.has(core)) core.keepRecovered();
  return false;
}

/** Ends what {@linkcode enter} began. */
export function leave(core: LockCore, nested: boolean): void {
  if (!nested) core.releaseRaw();
}
