/**
 * How a worker runs one chunk: the calls, their errors, and the time limit of those that share the worker.
 * @module
 */
import { TimeoutError } from "../errors.ts";
import { explainMissing, type ResolvedTask } from "../tasks/resolve.ts";
import { type ControlWords, WorkerState } from "../transport/control.ts";
import type { Errors } from "../transport/lane.ts";
import { APPLY, APPLY_ONE, KEEP_GOING, MAP, MODE_BITS } from "../transport/lane_memory.ts";
import type { WireError } from "../transport/protocol.ts";
import { encodeError } from "../transport/remote_error.ts";
import { enter, enterSpread } from "./enter.ts";

/** What became of a chunk: the result of `apply`, or an array of results; and what failed. */
export interface Outcome {
  readonly value: unknown;
  readonly errors: Errors | undefined;
}

/** Runs chunks. */
export class Calls {
  readonly #taskTimeout: number | undefined;
  readonly #alone: boolean;
  /** The words in which a host with a time limit sees what goes on. */
  readonly #watched: ControlWords | undefined;

  /** @param taskTimeout in ms, @param alone whether the worker runs one task at a time, @param control words shared with the host */
  constructor(taskTimeout: number | undefined, alone: boolean, control: ControlWords | undefined) {
    this.#taskTimeout = taskTimeout;
    this.#alone = alone;
    this.#watched = taskTimeout === undefined ? undefined : control;
  }

  /** Whether somebody watches, so that every chunk has to go through {@linkcode run}. */
  get isWatched(): boolean {
    return this.#watched !== undefined;
  }

  /** Runs a chunk. `kind`: its bits, see `lane_memory.ts`. Never throws. */
  run(kind: number, task: ResolvedTask, items: unknown): Outcome | Promise<Outcome> {
    const control = this.#watched;
    if (control === undefined) return this.#run(kind, task, items);
    // The host's clock may run: not while a module is imported, or nothing is there to do.
    control.addInside(1);
    const outcome = this.#run(kind, task, items);
    if (outcome instanceof Promise) return outcome.finally(() => control.addInside(-1));
    control.addInside(-1);
    return outcome;
  }

  #run(kind: number, task: ResolvedTask, items: unknown): Outcome | Promise<Outcome> {
    const mode = kind & MODE_BITS;
    if (mode !== APPLY && mode !== APPLY_ONE) return this.#runMany(kind, task, items as ArrayLike<unknown>);
    let value: unknown;
    this.#watched?.beginItem();
    this.#enter();
    try {
      value = mode === APPLY_ONE ? enter(task.call, items) : enterSpread(task.call, items as readonly unknown[]);
    } catch (error) {
      return failed(error, task);
    } finally {
      this.#leave();
    }
    return this.settle(value, task);
  }

  /** What a call returned, as its outcome. */
  settle(value: unknown, task: ResolvedTask): Outcome | Promise<Outcome> {
    try {
      if (!isThenable(value)) return { value, errors: undefined };
      return this.#limited(value, task).then(
        (settled) => ({ value: settled, errors: undefined }),
        (error) => failed(error, task),
      );
    } catch (error) {
      return failed(error, task);
    }
  }

  #runMany(kind: number, task: ResolvedTask, inputs: ArrayLike<unknown>): Outcome | Promise<Outcome> {
    const spread = (kind & MODE_BITS) !== MAP;
    const floats = inputs instanceof Float64Array || inputs instanceof Float32Array;
    const results: unknown[] = new Array(inputs.length);
    const errors: [number, WireError][] = [];
    const { call } = task;
    const watched = this.#watched;
    const fail = (index: number, error: unknown): void =>
      void errors.push([index, encodeError(explainMissing(error, task))]);
    const end = (): Outcome => ({ value: results, errors: errors.length === 0 ? undefined : errors });
    const stop = (): Outcome => ({ value: undefined, errors });
    const from = (first: number): Outcome | Promise<Outcome> => {
      this.#enter();
      for (let i = first; i < inputs.length; i++) {
        watched?.beginItem();
        try {
          const input = floats ? integral(inputs[i] as number) : inputs[i];
          const value = spread ? enterSpread(call, input as readonly unknown[]) : enter(call, input);
          if (isThenable(value)) {
            this.#leave();
            return this.#limited(value, task).then((settled) => void (results[i] = settled)).catch((error) =>
              fail(i, error)
            ).then(() => errors.length > 0 && (kind & KEEP_GOING) === 0 ? stop() : from(i + 1));
          }
          results[i] = value;
        } catch (error) {
          fail(i, error);
          if ((kind & KEEP_GOING) === 0) return this.#leave(), stop();
        }
      }
      this.#leave();
      return end();
    };
    return from(0);
  }

  /** User code begins to run. */
  #enter(): void {
    if (this.#watched !== undefined) this.#watched.state = WorkerState.RUNNING;
  }

  /** User code returned, or awaits. */
  #leave(): void {
    if (this.#watched !== undefined) this.#watched.state = WorkerState.IDLE;
  }

  /** Where several tasks share the worker, one that takes too long is given up alone; otherwise the host ends the worker. */
  async #limited(value: PromiseLike<unknown>, task: ResolvedTask): Promise<unknown> {
    const taskTimeout = this.#taskTimeout;
    if (taskTimeout === undefined || this.#alone) return await value;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new TimeoutError(`${task.name || "The task"} took longer than taskTimeout (${taskTimeout} ms).`)),
        taskTimeout,
      );
    });
    try {
      return await Promise.race([value, limit]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The outcome of a chunk that failed as a whole. */
export function failed(error: unknown, task?: ResolvedTask): Outcome {
  return { value: undefined, errors: [[0, encodeError(task === undefined ? error : explainMissing(error, task))]] };
}

/** Whether something has to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as PromiseLike<unknown>).then === "function";
}

/** An integer out of a float array is a double to the engine, and slows integer code by 1.8 ×; −0 stays what it is. */
function integral(x: number): number {
  const k = x | 0;
  return k === x && (k !== 0 || 1 / x > 0) ? k : x;
}
