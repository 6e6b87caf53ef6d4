/**
 * The words that a thread and its parent share besides their messages.
 *
 * WORD   STATE (i32): 0 starting · 1 in its event loop · 2 runs user code · 3 ended. Written by the worker
 * WORD   ITEMS (i32): how many calls of user functions it has begun. Written by the worker; a parent that sees it stand
 *        still while STATE is 2 knows how long one call has run. WRAP: only equality is asked
 * WORD   CLAIM + s % CLAIM_WORDS (i32), for the s-th chunk that was sent to a pool worker: 0 open · 1 started ·
 *        2 revoked. The worker starts a chunk, and the host takes it back, by compare-and-exchange from 0: exactly one
 *        of them wins, so that a chunk can be cancelled or given to an idle worker, and runs once
 * OWNERSHIP  the host resets the claim word of chunk s before it posts the chunk; it has at most CLAIM_WORDS chunks at
 *        one worker, so that no other chunk is using the word
 * DEATH  claim 1 and no result: the chunk was running when the worker died. Claim 0: it had not started
 * @module
 */
import { compareExchange, fetchAdd, load, type SharedWords, store } from "../memory/atomics.ts";

/** The most chunks that a worker may hold at one time. */
export const CLAIM_WORDS = 1024;

const STATE = 0;
const ITEMS = 1;
const CLAIM = 16;

const OPEN = 0;
const STARTED = 1;
const REVOKED = 2;

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

  /** Host: opens the claim of a chunk that is about to be sent. */
  open(sequence: number): void {
    store(this.#words, CLAIM + sequence % CLAIM_WORDS, OPEN);
  }

  /** Worker: starts a chunk; false if it was revoked. */
  claim(sequence: number): boolean {
    return compareExchange(this.#words, CLAIM + sequence % CLAIM_WORDS, OPEN, STARTED) === OPEN;
  }

  /** Host: takes a chunk back; false if it has started. */
  revoke(sequence: number): boolean {
    return compareExchange(this.#words, CLAIM + sequence % CLAIM_WORDS, OPEN, REVOKED) === OPEN;
  }

  /** Host: whether a chunk that was not revoked has started. */
  hasStarted(sequence: number): boolean {
    return load(this.#words, CLAIM + sequence % CLAIM_WORDS) === STARTED;
  }
}
