/**
 * `Barrier`: a number of processes wait for each other.
 *
 * WORD   STATE (i32): bits 0–11 how many have arrived (all of them: the last one runs the action) · BROKEN (12) ·
 *        SLEEPERS (13): someone may sleep · bits 14–31 the generation, one more after every round
 *        WRAP: a waiter would have to sleep through 2^18 rounds, none of which it takes part in
 * WORD   RESETS (i32): how often the barrier was reset with waiters, or after it was broken;
 *        LOG[RESETS mod 32] (i32): the generation that was ended so
 * WORD   PARTY[parity][i] (i32): the token of the i-th to arrive in this generation, and in the one before
 * WORD   ACTING (i32): the token of the one that runs the action, 0 when nobody does
 *
 * LOST WAKE a sleeper sets SLEEPERS by CAS in the value that it sleeps on; whoever ends a generation does that by CAS or
 *           exchange of the same word, and notifies if the bit was there
 * DEATH     a party that dies while it waits, or between two rounds with its work undone (it was in the last round, and
 *           did not return): a waiter finds its token within a slice and breaks the barrier. One whose work had returned
 *           is no death: later processes may take its place.
 * ORDER     a token is written before the arrival is counted, and again after it, in case a rival for the same place wrote
 *           his in between. So a counted place never shows a token of an older round. (Not covered: to be ended by force
 *           between the count and the second writing while a rival had written there; the time limit remains.)
 * @module
 */
import { BrokenBarrierError } from "../errors.ts";
import { type AgentTable, tokenOf } from "../memory/agents.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { compareExchange, fetchAdd, load, newWords, notify, type SharedWords, store } from "../memory/atomics.ts";
import { blockOn, deadlineOf, SpinBudget, throwIfAborted, type WaitOptions } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import { registerHandle } from "../transport/handles.ts";

const STATE = 0;
const RESETS = 1;
const ACTING = 2;
const LOG = 4;
const LOG_LENGTH = 32;
const PARTIES = LOG + LOG_LENGTH;

const COUNT = (1 << 12) - 1;
const BROKEN = 1 << 12;
const SLEEPERS = 1 << 13;
const GENERATION = 1 << 14;
const GENERATIONS = ~(GENERATION - 1);

/** Options of {@linkcode Barrier}. */
export interface BarrierOptions {
  /** Run by the last process to arrive, before the others go on; if it throws, the barrier breaks. Not sent along. */
  readonly action?: (() => void) | undefined;
  /** How long a `wait` without a time limit of its own waits, in ms. */
  readonly timeout?: number | undefined;
}

interface BarrierWire {
  readonly buffer: SharedArrayBuffer;
  readonly parties: number;
  readonly timeout: number | undefined;
}

/**
 * A meeting point of a fixed number of processes: each waits until all have arrived, then all go on, and the barrier is
 * ready for the next round. It may be passed to any process.
 *
 * Python: `multiprocessing.Barrier`. A wait that times out or is aborted breaks the barrier for all, as in Python; so does
 * the death of a party, while it waits or between two rounds, where Python hangs. The action is a function of the process
 * that passed it: a process that receives the barrier has none; make it the same everywhere with
 * {@linkcode Barrier.setAction}. What the parties did before a round is visible to all of them after it.
 *
 * @example
 * ```ts
 * import { Barrier } from "@manycore/multiprocessing";
 *
 * const barrier = new Barrier(2, { timeout: 1000 });
 * console.log(await Promise.all([barrier.wait(), barrier.wait()])); // [0, 1]
 * ```
 */
export class Barrier {
  readonly #words: SharedWords;
  readonly #parties: number;
  readonly #timeout: number | undefined;
  readonly #token: number;
  readonly #table: AgentTable;
  readonly #spin: SpinBudget = new SpinBudget();
  #action: (() => void) | undefined;
  #bell: AsyncBell | undefined;

  static {
    registerHandle<Barrier, BarrierWire>("Barrier", Barrier, {
      detach: (barrier) => ({
        buffer: barrier.#words.buffer,
        parties: barrier.#parties,
        timeout: barrier.#timeout,
      }),
      attach: ({ buffer, parties, timeout }) => new Barrier(parties, { timeout }, new Int32Array(buffer)),
    });
  }

  /**
   * Makes a new barrier.
   *
   * @param parties how many processes meet, from 1 to 4095
   * @param options an action for the end of each round, a default time limit
   * @param words the memory of an existing barrier; for this library's own use
   * @throws {RangeError} when the number of parties is out of range
   */
  constructor(parties: number, options: BarrierOptions = {}, words?: SharedWords) {
    if (typeof parties !== "number") throw new TypeError(`Cannot make a Barrier: parties is ${String(parties)}.`);
    if (!Number.isInteger(parties) || parties < 1 || parties > COUNT) {
      throw new RangeError(`Cannot make a Barrier of ${parties} parties; give an integer from 1 to ${COUNT}.`);
    }
    deadlineOf(options);
    const self = selfAgent();
    this.#token = tokenOf(self);
    this.#table = self.table;
    this.#parties = parties;
    this.#timeout = options.timeout;
    this.#words = words ?? newWords((PARTIES + 2 * parties) * 4);
    this.setAction(options.action);
  }

  /** Sets the action that this process runs when it is the last to arrive. */
  setAction(action: (() => void) | undefined): void {
    if (action !== undefined && typeof action !== "function") {
      throw new TypeError(`Cannot set the action of a Barrier to ${String(action)}; give a function.`);
    }
    this.#action = action;
  }

  /** How many processes meet. */
  get parties(): number {
    return this.#parties;
  }

  /** How many wait now. Python: `n_waiting`. */
  get waiting(): number {
    const state = load(this.#words, STATE);
    return (state & BROKEN) === 0 ? state & COUNT : 0;
  }

  /** Whether the barrier is broken; {@linkcode reset} mends it. */
  get broken(): boolean {
    return (load(this.#words, STATE) & BROKEN) !== 0;
  }

  /**
   * Waits, without blocking the thread, until all parties have arrived.
   * @param options a time limit in ms, a signal; when either ends the wait, the barrier breaks for all
   * @returns a number from 0 on, another one for every party of the round
   * @throws {BrokenBarrierError} when the barrier is, or becomes, broken, or is reset
   * @throws the signal's reason when it is aborted, and what the action throws
   */
  async wait(options?: WaitOptions): Promise<number> {
    const deadline = this.#deadline(options);
    const arrival = this.#arrive();
    if (arrival === undefined) return this.#parties - 1;
    const bell = this.#bell ??= new AsyncBell(this.#words, STATE, true);
    const waiter = new BarrierWaiter(this.#words, this.#table, this.#parties, arrival, bell);
    if (!await awaitOn(waiter, deadline, options?.signal)) waiter.expire();
    return waiter.outcome();
  }

  /** Blocks the thread until all parties have arrived. See {@linkcode wait}. */
  waitSync(options?: WaitOptions): number {
    const deadline = this.#deadline(options);
    const arrival = this.#arrive();
    if (arrival === undefined) return this.#parties - 1;
    const words = this.#words;
    for (let state = arrival.state; this.#spin.whileEqual(words, STATE, state);) {
      state = load(words, STATE);
      if (((state ^ arrival.state) & GENERATIONS) === 0 && (state & BROKEN) === 0) continue; // others have arrived
      if (load(words, RESETS) !== arrival.resets || (state & BROKEN) !== 0) break;
      return arrival.index;
    }
    const waiter = new BarrierWaiter(words, this.#table, this.#parties, arrival);
    if (!blockOn(waiter, deadline)) waiter.expire();
    return waiter.outcome();
  }

  /** Breaks the barrier: who waits, and who will, gets `BrokenBarrierError` until {@linkcode reset}. Never blocks. */
  abort(): void {
    breakBarrier(this.#words);
  }

  /** Makes the barrier as new. Who waits gets `BrokenBarrierError`. Never blocks. */
  reset(): void {
    const words = this.#words;
    const state = load(words, STATE);
    if ((state & (COUNT | BROKEN)) === 0) return;
    // OWNERSHIP  LOG[r] belongs to the one that raised RESETS from r.
    // ORDER  RESETS → LOG → STATE: who sees the new generation sees that it was a reset
    const resets = fetchAdd(words, RESETS, 1);
    store(words, LOG + (resets & (LOG_LENGTH - 1)), state & GENERATIONS);
    store(words, ACTING, 0);
    for (let i = 0; i < 2 * this.#parties; i++) store(words, PARTIES + i, 0);
    for (;;) {
      const found = load(words, STATE);
      if (((found ^ state) & GENERATIONS) !== 0 || advance(words, found)) return;
    }
  }

  #deadline(options: WaitOptions | undefined): number {
    const deadline = deadlineOf(options?.timeout === undefined ? { timeout: this.#timeout } : options);
    throwIfAborted(options);
    return deadline;
  }

  /** Arrives; undefined when that completed the round. */
  #arrive(): Arrival | undefined {
    const words = this.#words;
    for (;;) {
      const resets = load(words, RESETS);
      const state = load(words, STATE);
      if ((state & BROKEN) !== 0) throw brokenError("it is broken");
      const index = state & COUNT;
      if (index === this.#parties) {
        // The action of the round before runs. It is short; who comes early for the next round waits for its end.
        blockOn(new BarrierWaiter(words, this.#table, this.#parties, { state, resets, index: -1 }), Infinity);
        continue;
      }
      const last = index + 1 === this.#parties;
      this.#sign(state, index);
      if (last && this.#action === undefined) {
        if (!advance(words, state)) continue;
        return undefined;
      }
      if (last) store(words, ACTING, this.#token);
      if (compareExchange(words, STATE, state, state + 1) !== state) continue;
      this.#sign(state, index);
      if (!last) return { state: state + 1, resets, index };
      this.#act(state + 1);
      return undefined;
    }
  }

  #sign(state: number, index: number): void {
    const parity = (state & GENERATION) !== 0 ? this.#parties : 0;
    store(this.#words, PARTIES + parity + index, this.#token);
  }

  #act(state: number): void {
    try {
      (this.#action as () => void)();
    } catch (error) {
      breakBarrier(this.#words);
      throw error;
    } finally {
      store(this.#words, ACTING, 0);
    }
    for (;;) {
      const now = load(this.#words, STATE);
      if (((now ^ state) & (GENERATIONS | BROKEN)) !== 0) throw brokenError("it was broken or reset during the action");
      if (advance(this.#words, now)) return;
    }
  }
}

/** How a process arrived. */
interface Arrival {
  readonly state: number;
  readonly resets: number;
  readonly index: number;
}

/** Ends the generation of `state` and wakes everybody; false when the state has changed meanwhile. */
function advance(words: SharedWords, state: number): boolean {
  if (compareExchange(words, STATE, state, ((state & GENERATIONS) + GENERATION) | 0) !== state) return false;
  if ((state & SLEEPERS) !== 0) notify(words, STATE);
  return true;
}

function breakBarrier(words: SharedWords, generation?: number): void {
  for (;;) {
    const state = load(words, STATE);
    if ((state & BROKEN) !== 0) return;
    if (generation !== undefined && (state & GENERATIONS) !== generation) return;
    if (compareExchange(words, STATE, state, (state | BROKEN) & ~SLEEPERS) !== state) continue;
    if ((state & SLEEPERS) !== 0) notify(words, STATE);
    return;
  }
}

function brokenError(found: string): BrokenBarrierError {
  return new BrokenBarrierError(`Cannot pass the Barrier: ${found}. reset() makes it usable again.`);
}

class BarrierWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  readonly index = STATE;
  expected = 0;
  readonly #table: AgentTable;
  readonly #parties: number;
  readonly #arrival: Arrival;
  readonly #bell: AsyncBell | undefined;
  #found = "";

  constructor(words: SharedWords, table: AgentTable, parties: number, arrival: Arrival, bell?: AsyncBell) {
    this.words = words;
    this.#table = table;
    this.#parties = parties;
    this.#arrival = arrival;
    this.#bell = bell;
  }

  get bell(): AsyncBell {
    return this.#bell as AsyncBell;
  }

  get #generation(): number {
    return this.#arrival.state & GENERATIONS;
  }

  poll(): boolean {
    for (;;) {
      const state = load(this.words, STATE);
      if ((state & GENERATIONS) !== this.#generation || (state & BROKEN) !== 0) return true;
      this.expected = state | SLEEPERS;
      if (state === this.expected || compareExchange(this.words, STATE, state, this.expected) === state) return false;
    }
  }

  /** What came of the wait. */
  outcome(): number {
    const { words } = this;
    const { resets, index } = this.#arrival;
    const passed = load(words, RESETS) - resets;
    if (passed !== 0) {
      if (passed >= LOG_LENGTH || passed < 0) throw brokenError("it was reset many times");
      for (let i = resets; i !== resets + passed; i++) {
        if (load(words, LOG + (i & (LOG_LENGTH - 1))) === this.#generation) throw brokenError("it was reset");
      }
    }
    if ((load(words, STATE) & GENERATIONS) !== this.#generation) return index;
    throw brokenError(this.#found || "it was broken while this process waited");
  }

  /** The time is over: breaks the barrier, unless the round has just been completed. */
  expire(): void {
    this.#found = "the time limit passed before all parties had arrived";
    breakBarrier(this.words, this.#generation);
  }

  inspect(): void {
    const { words } = this;
    const parties = this.#parties;
    const state = load(words, STATE);
    if ((state & GENERATIONS) !== this.#generation) return;
    const acting = load(words, ACTING);
    if ((state & COUNT) === parties && acting !== 0 && !this.#table.isTokenAlive(acting)) this.#die(acting);
    const here = PARTIES + ((state & GENERATION) !== 0 ? parties : 0);
    for (let i = 0; i < (state & COUNT); i++) {
      const token = load(words, here + i);
      if (!this.#table.isTokenAlive(token)) return this.#die(token);
    }
    this.#lookBack();
  }

  /** Looks for those of the last round that crashed since. */
  #lookBack(): void {
    const parties = this.#parties;
    const state = load(this.words, STATE);
    const before = PARTIES + ((state & GENERATION) !== 0 ? 0 : parties);
    for (let i = 0; i < parties; i++) {
      const token = load(this.words, before + i);
      if (token !== 0 && this.#table.hasCrashed(token)) return this.#die(token);
    }
  }

  #die(token: number): void {
    this.#found = `${this.#table.nameOf(token)}, one of its parties, died`;
    breakBarrier(this.words, this.#generation);
  }

  end(success: boolean): void {
    if (!success && this.#arrival.index >= 0) breakBarrier(this.words, this.#generation);
  }
}
