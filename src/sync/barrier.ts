/**
 * `Barrier`: a number of processes wait for each other. The words and their rules are in `barrier_core.ts`.
 * @module
 */
import { awaitOn } from "../memory/async_park.ts";
import { load, type SharedWords } from "../memory/atomics.ts";
import { blockOn, deadlineOf, SpinBudget, throwIfAborted, type WaitOptions } from "../memory/park.ts";
import { registerHandle } from "../transport/handles.ts";
import {
  ACTS,
  type Arrival,
  BarrierCore,
  BarrierWaiter,
  EARLY,
  isOver,
  MOST_PARTIES,
  PASSED,
  STATE,
} from "./barrier_core.ts";

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
 * the death of a party, while it waits or between two rounds, where Python hangs. (A process that dies before its first
 * `wait` is not known to be a party: only a time limit helps the others, as in Python.) The action is a function of the process
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
  readonly #core: BarrierCore;
  readonly #timeout: number | undefined;
  readonly #spin: SpinBudget = new SpinBudget();
  #action: (() => void) | undefined;

  static {
    registerHandle<Barrier, BarrierWire>("Barrier", Barrier, {
      detach: (barrier) => ({
        buffer: barrier.#core.words.buffer,
        parties: barrier.#core.parties,
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
    if (!Number.isInteger(parties) || parties < 1 || parties > MOST_PARTIES) {
      throw new RangeError(`Cannot make a Barrier of ${parties} parties; give an integer from 1 to ${MOST_PARTIES}.`);
    }
    deadlineOf(options);
    this.#timeout = options.timeout;
    this.#core = new BarrierCore(parties, words);
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
    return this.#core.parties;
  }

  /** How many wait now. Python: `n_waiting`. */
  get waiting(): number {
    return this.#core.waiting;
  }

  /** Whether the barrier is broken; {@linkcode reset} mends it. */
  get broken(): boolean {
    return this.#core.broken;
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
    for (;;) {
      const arrival = this.#arrive();
      if (arrival.kind === PASSED) return arrival.index;
      const waiter = new BarrierWaiter(this.#core, arrival);
      const expired = !await awaitOn(waiter, deadline, options?.signal) && waiter.expire();
      if (arrival.kind !== EARLY || expired) return waiter.outcome();
    }
  }

  /** Blocks the thread until all parties have arrived. See {@linkcode wait}. */
  waitSync(options?: WaitOptions): number {
    const deadline = this.#deadline(options);
    const { words } = this.#core;
    for (;;) {
      const arrival = this.#arrive();
      if (arrival.kind === PASSED) return arrival.index;
      let over = false;
      for (let { state } = arrival; !over && this.#spin.whileEqual(words, STATE, state);) {
        state = load(words, STATE); // others may have arrived
        over = isOver(state, arrival.state);
      }
      if (over) {
        if (arrival.kind !== EARLY) return this.#core.outcome(arrival, "");
        continue;
      }
      const waiter = new BarrierWaiter(this.#core, arrival);
      const expired = !blockOn(waiter, deadline) && waiter.expire();
      if (arrival.kind !== EARLY || expired) return waiter.outcome();
    }
  }

  /** Breaks the barrier: who waits, and who will, gets `BrokenBarrierError` until {@linkcode reset}. Never blocks. */
  abort(): void {
    this.#core.break();
  }

  /** Makes the barrier as new. Who waits gets `BrokenBarrierError`. Never blocks. */
  reset(): void {
    this.#core.reset();
  }

  #deadline(options: WaitOptions | undefined): number {
    const deadline = deadlineOf(options?.timeout === undefined ? { timeout: this.#timeout } : options);
    throwIfAborted(options);
    return deadline;
  }

  /** Arrives, and runs the action if that is due. */
  #arrive(): Arrival {
    const core = this.#core;
    const action = this.#action;
    const arrival = core.arrive(action !== undefined);
    if (arrival.kind !== ACTS) return arrival;
    try {
      (action as () => void)();
    } catch (error) {
      core.break();
      throw error;
    }
    core.finish(arrival);
    return { ...arrival, kind: PASSED };
  }
}
