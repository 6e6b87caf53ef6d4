/**
 * The words that a thread and its parent share besides their messages.
 *
 * WORD   STATE (i32): 0 starting · 1 in its event loop · 2 runs user code · 3 ended. Written by the worker
 * WORD   ITEMS (i32): how many calls of user functions it has begun, while a taskTimeout is set. Written by the worker; a parent that sees it stand
 *        still while STATE is 2 knows how long one call has run. WRAP: only equality is asked
 * WORD   INSIDE (i32): how many chunks are past the search for their function, and not done; counted with a time limit
 *        only. While it is 0 no call is running, whatever else the worker does (it may import a module)
 * WORD   CLAIM + slot (i32), for a chunk that was sent to a pool worker: 0 open · 1 started · 2 revoked · 3 skipped. The
 *        worker starts a chunk, and the host takes it back, by compare-and-exchange from 0: exactly one of them wins, so
 *        that a chunk can be cancelled or given to an idle worker, and runs once. A worker that comes to a revoked chunk
 *        leaves 3 there
 * OWNERSHIP  the host gives a slot to a chunk before it posts the chunk, and takes it back when the result is there or the
 *        word is 3. Before that the worker may still come to the chunk: a slot that was given away too early would let it
 *        run a chunk that was revoked (seen: numbers that went round, `tests/pool/chaos_test.ts`)
 * DEATH  claim 1 and no result: the chunk was running when the worker died. Claim 0: it had not started
 * @module
 */
import { compareExchange, fetchAdd, load, type SharedWords, store } from "../memory/atomics.ts";

/** The most chunks that a worker may hold at one time, those among them that were revoked and not seen by it yet. */
export const CLAIM_WORDS = 1024;

const STATE = 0;
const ITEMS = 1;
const INSIDE = 2;
const CLAIM = 16;

const OPEN = 0;
const STARTED = 1;
const REVOKED = 2;
const SKIPPED = 3;

/** Values of STATE. */
export const WorkerState = { STARTING: 0, IDLE: 1, RUNNING: 2, ENDED: 3 } as const;

/** A view on the control words of one worker. */
export class ControlWords {
  /** The memory, to be given to the worker. */
  readonly buffer: SharedArrayBuffer;
  readonly #words: SharedWords;

  /** @param buffer the memory of an existing control block; without it a new one is made. */
  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer((CLAIM + CLAIM_WORDS) * 4);
    this.#words = new Int32Array(this.buffer);
  }

  /** What the worker is doing. */
  get state(): number {
    return load(this.#words, STATE);
  }
  set state(state: number) {
    store(this.#words, STATE, state);
  }

  /** How many calls the worker has begun. */
  get items(): number {
    return load(this.#words, ITEMS);
  }

  /** The worker begins a call. */
  beginItem(): void {
    fetchAdd(this.#words, ITEMS, 1);
  }

  /** How many chunks are inside their functions. */
  get inside(): number {
    return load(this.#words, INSIDE);
  }

  /** The worker goes into the functions of a chunk (1), or is done with it (−1). */
  addInside(change: 1 | -1): void {
    fetchAdd(this.#words, INSIDE, change);
  }

  /** Host: opens the claim of a chunk that is about to be sent. */
  open(slot: number): void {
    store(this.#words, CLAIM + slot, OPEN);
  }

  /** Worker: starts a chunk; false if it was revoked, and then its slot may be used again. */
  claim(slot: number): boolean {
    if (compareExchange(this.#words, CLAIM + slot, OPEN, STARTED) === OPEN) return true;
    store(this.#words, CLAIM + slot, SKIPPED);
    return false;
  }

  /** Host: takes a chunk back; false if it has started. */
  revoke(slot: number): boolean {
    return compareExchange(this.#words, CLAIM + slot, OPEN, REVOKED) === OPEN;
  }

  /** Host: whether a chunk that was not revoked has started. */
  hasStarted(slot: number): boolean {
    return load(this.#words, CLAIM + slot) === STARTED;
  }

  /** Host: whether the worker has come to a chunk that was revoked, and will not do so again. */
  wasSkipped(slot: number): boolean {
    return load(this.#words, CLAIM + slot) === SKIPPED;
  }
}
