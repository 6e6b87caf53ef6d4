/**
 * What a pool and its methods can be told, and the checks of it.
 * @module
 */
import { checkDuration, checkWaitOptions, type WaitOptions } from "../process/waiting.ts";
import { checkWorkerOptions, type WorkerOptions } from "../process/options.ts";
import type { TaskFunction } from "../tasks/reference.ts";
import type { ProgressListener } from "./job.ts";

/** What can be said of a pool when it is made. */
export interface PoolOptions extends WorkerOptions {
  /** Called once in every worker, before its first task. */
  readonly initializer?: TaskFunction | undefined;
  /** Arguments of the initializer. */
  readonly initArgs?: readonly unknown[] | undefined;
  /** How many calls a worker runs before a fresh one replaces it. Python counts chunks; here each call counts. */
  readonly maxTasksPerChild?: number | undefined;
  /** Workers that are started at once and kept; more, up to `workers`, as there is work. The default is all of them. */
  readonly minWorkers?: number | undefined;
  /** After how many ms without work a worker above `minWorkers` is ended; without it, never. */
  readonly idleTimeout?: number | undefined;
  /** How long one call may run, in ms, counted from its start; then it rejects, and its worker is replaced. */
  readonly taskTimeout?: number | undefined;
  /** How often a call is run again when its worker died while it ran. The default is 0: it rejects. */
  readonly retries?: number | undefined;
  /** How many calls may be in flight in one worker: for functions that await, such as fetching pages. Default 1. */
  readonly concurrency?: number | undefined;
  /** The first part of the workers' names; the default is `PoolWorker`. */
  readonly name?: string | undefined;
}

/** What every method that gives work to a pool can be told. */
export interface CallOptions extends WaitOptions {
  /** Gives the work up when it is aborted, and rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Gives the work up after that many ms, and rejects with `TimeoutError`. */
  readonly timeout?: number | undefined;
  /** Buffers and ports in the arguments that move to the worker instead of being copied. Such work is not retried. */
  readonly transfer?: readonly unknown[] | undefined;
}

/** What the methods over many items can be told. */
export interface MapOptions extends CallOptions {
  /** Items that go to a worker together; the default adapts to measured time. */
  readonly chunkSize?: number | undefined;
  /** Called after each chunk with the number of items that are done, and of all, where that is known. */
  readonly onProgress?: ProgressListener | undefined;
  /** Draws a progress bar on standard error; needs the package `cli-progress`. A string stands before the bar. */
  readonly progress?: boolean | string | undefined;
}

/** @throws {TypeError | RangeError} unless it is an integer from `least` up. */
export function checkCount(value: unknown, least: number, what: string): void {
  if (typeof value !== "number") {
    const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
    throw new TypeError(`${what} must be a whole number, got ${shown}.`);
  }
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${what} must be a whole number of at least ${least}, got ${value}.`);
  }
}

function checkOptional(value: unknown, least: number, what: string): void {
  if (value !== undefined) checkCount(value, least, what);
}

function checkLimit(value: unknown, what: string): void {
  checkDuration(value, what);
  if (value === 0) throw new RangeError(`${what} must be more than 0 ms.`);
}

/** @throws {TypeError | RangeError} when the pool cannot be made so. */
export function checkPoolOptions(workers: unknown, options: PoolOptions): void {
  checkCount(workers, 1, "new Pool: workers");
  checkWorkerOptions(options, "new Pool");
  checkOptional(options.maxTasksPerChild, 1, "new Pool: maxTasksPerChild");
  checkOptional(options.minWorkers, 0, "new Pool: minWorkers");
  if (options.minWorkers !== undefined && options.minWorkers > (workers as number)) {
    throw new RangeError(`new Pool: minWorkers (${options.minWorkers}) must not be more than workers (${workers}).`);
  }
  checkOptional(options.retries, 0, "new Pool: retries");
  checkOptional(options.concurrency, 1, "new Pool: concurrency");
  checkDuration(options.idleTimeout, "new Pool: idleTimeout");
  checkLimit(options.taskTimeout, "new Pool: taskTimeout");
  if (options.name !== undefined && typeof options.name !== "string") {
    throw new TypeError(`new Pool: name must be a string, got ${String(options.name)}.`);
  }
  if (options.initArgs !== undefined && !Array.isArray(options.initArgs)) {
    throw new TypeError(`new Pool: initArgs must be an array, got ${String(options.initArgs)}.`);
  }
}

/** @throws {TypeError | RangeError} when a call cannot be made so. */
export function checkCallOptions(options: MapOptions, what: string): void {
  checkWaitOptions(options, what);
  if (options.chunkSize !== undefined) checkCount(options.chunkSize, 1, `${what}: chunkSize`);
  if (options.transfer !== undefined && !Array.isArray(options.transfer)) {
    throw new TypeError(`${what}: transfer must be an array of buffers or ports.`);
  }
  if (options.onProgress !== undefined && typeof options.onProgress !== "function") {
    throw new TypeError(`${what}: onProgress must be a function.`);
  }
  if (options.progress !== undefined && typeof options.progress !== "boolean" && typeof options.progress !== "string") {
    throw new TypeError(`${what}: progress must be true or a text, got ${String(options.progress)}.`);
  }
}
