/**
 * The words of the lock under `Lock`, `RLock`, `RWLock`, `Value` and `SharedArray`: a futex with the holder in the word.
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
 * WORD   BELL (i32): counts wakes of asynchronous waiters
 * WORD   NUMBER (i32): the lock's number in reports · DEPTH (i32): for `RLock`, written by the holder only
 *
 * Taking the lock and saying who holds it is one operation, so that there is no moment at which it is held by nobody
 * known. That is why the state is not 0, 1, 2 with the holder in a word beside it; it also saves that store.
 *
 * LOST WAKE  sleeper: sets its bit by CAS in the very value it then sleeps on (threads), or reads BELL, then sets the bit,
 *            then sleeps while BELL is unchanged. Releaser: takes the bits away with the exchange that frees the lock,
 *            then changes BELL and notifies. Either the sleeper's CAS fails, or the releaser sees the bit.
 * LOST WAKE  claimer: sets CLAIM, then makes sure that STATE has a bit, then sleeps on CLAIM. Releaser: frees STATE, then
 *            looks at CLAIM once more and clears it. One of them sees the other. A claim that is marked by then belongs to
 *            the next holder, who is handing the lock over: to clear that too made the claimer think that nothing was on
 *            its way to it, and go, and then it was the holder and knew nothing of it.
 * OWNERSHIP  the mark HANDED in CLAIM is made by the holder only. Whoever has taken over, or has been handed, the lock finds
 *            only marks from before, and clears them. A hander who finds its mark cleared wakes everybody.
 * LOST WAKE  who was woken and goes away without the lock wakes the next; who was woken and gets it keeps its kind's bit,
 *            because others of its kind may sleep still.
 * LOST WAKE  a claimer that leaves takes its claim back by CAS. If that fails the lock is on its way to it: it waits for the
 *            two writes that are left, and releases the lock.
 * DEATH  a holder that dies: a waiter sees it within a slice and makes itself the holder by CAS, so that only one does.
 *        After freeing and before waking: sleepers find the lock free within a slice. A claimer that dies is handed
 *        the lock at most once, and is then a dead holder that had not noticed: the lock is taken over, and nothing is
 *        to be recovered.
 *        Who takes over, and has nobody to tell (a condition, a value's operation), gives the lock back to the dead holder when
 *        it releases it, so that the next acquisition takes it over once more, and tells.
 * SOURCE the three states of Drepper's "Futexes Are Tricky" with the holder's id as in Linux' robust PI futexes; handing
 *        over after 1 ms as in Go's mutex and WebKit's ParkingLot, but by a claim, so that releasing stays one CAS
 * @module
 */
import { newWords, type SharedWords, store } from "../memory/atomics.ts";
import { selfAgent } from "../memory/self.ts";

/** How many words a core takes. */
export const CORE_WORDS = 8;

/** The word with the holder. */
export const STATE = 0;
/** The word with the waiter that is to be handed the lock. */
export const CLAIM = 1;
/** The word that asynchronous waiters wait for. */
export const BELL = 2;
/** The word with the lock's number. */
export const NUMBER = 3;
/** The word with the depth of an `RLock`. */
export const DEPTH = 4;

/** In STATE: handed to the holder, who has not noticed yet. In CLAIM: the lock is being handed to the claimer. */
export const HANDED: number = 1 << 29;
/** In STATE: an asynchronous waiter may wait. */
export const ASYNC_BIT: number = 1 << 30;
/** In STATE: a blocked thread may sleep. */
export const SYNC_BIT: number = 1 << 31;
/** Both of them. */
export const BITS: number = ASYNC_BIT | SYNC_BIT;

/** How an acquisition ended. */
export const MISSED = 0;
/** The lock is ours. */
export const ACQUIRED = 1;
/** The lock is ours, and was taken from a holder that died. */
export const RECOVERED = 2;
/** One of the above. */
export type Acquisition = typeof MISSED | typeof ACQUIRED | typeof RECOVERED;

/** Makes the words of a new core, with room for `extra` bytes after them. */
export function newCore(extra = 0): SharedWords {
  const words = newWords(CORE_WORDS * 4 + extra);
  store(words, NUMBER, selfAgent().table.nextLock());
  return words;
}
