/**
 * What `apply` and `map` return: a promise that can also be asked and cancelled.
 * @module
 */
import { InvalidStateError, TimeoutError } from "../errors.ts";
import { until, type WaitOptions } from "../process/waiting.ts";

/** Who can drop work. */
export interface Cancellable {
  /** Drops what has not started; false when nothing was dropped. */
  cancel(): boolean;
}

let make: (owner: Cancellable) => AsyncResult<unknown>;
let resolveResult: (result: AsyncResult<unknown>, value: unknown) => void;
let rejectResult: (result: AsyncResult<unknown>, error: unknown) => void;

/** Makes a result; `owner` is asked to drop what has not started. */
export function makeResult<T>(owner: Cancellable): AsyncResult<T> {
  return make(owner) as AsyncResult<T>;
}

/** Settles a result; the first time counts. */
export function resolve<T>(result: AsyncResult<T>, value: T): void {
  resolveResult(result as AsyncResult<unknown>, value);
}

/** Settles a result; the first time counts. */
export function reject<T>(result: AsyncResult<T>, error: unknown): void {
  rejectResult(result as AsyncResult<unknown>, error);
}

const PENDING = 0;
const RESOLVED = 1;
const REJECTED = 2;

type Resolve = (value: unknown) => void;

// What the last executor was given: a closure for each result would cost more than all the rest of it.
let lastResolve: Resolve;
let lastReject: Resolve;
function capture(resolve: Resolve, reject: Resolve): void {
  lastResolve = resolve;
  lastReject = reject;
}

/**
 * The result of work that was given to a pool: a `Promise` with the methods of Python's `AsyncResult`.
 *
 * Differences from Python: `await` it, where Python calls `get()`; a result that nobody reads and that fails is reported
 * by the runtime as an unhandled rejection, where Python says nothing.
 *
 * @example
 * ```ts
 * import { isMain, Pool } from "@manycore/multiprocessing";
 *
 * if (isMain(import.meta)) {
 *   const pool = new Pool(1);
 *   const result = pool.apply((a, b) => a + b, [2, 3]);
 *   console.log(result.ready()); // false
 *   console.log(await result.get({ timeout: 10_000 })); // 5
 *   pool.close();
 *   await pool.join();
 * }
 * ```
 */
export class AsyncResult<T> extends Promise<T> {
  /** What `then` makes: a plain promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  #state: typeof PENDING | typeof RESOLVED | typeof REJECTED = PENDING;
  #owner: Cancellable | undefined;
  #resolve: Resolve | undefined;
  #reject: Resolve | undefined;

  static {
    // `await` and Promise.all() take a promise as it is when its constructor is Promise, and make another one around it
    // otherwise: 100 ns a call instead of 260 on V8.
    Object.defineProperty(this.prototype, "constructor", { value: Promise, configurable: true, writable: true });
    make = (owner) => {
      const result = new AsyncResult<unknown>(capture as never);
      result.#owner = owner;
      result.#resolve = lastResolve;
      result.#reject = lastReject;
      return result;
    };
    resolveResult = (result, value) => {
      if (result.#state !== PENDING) return;
      result.#state = RESOLVED;
      const settle = result.#resolve as Resolve;
      result.#owner = result.#resolve = result.#reject = undefined;
      settle(value);
    };
    rejectResult = (result, error) => {
      if (result.#state !== PENDING) return;
      result.#state = REJECTED;
      const settle = result.#reject as Resolve;
      result.#owner = result.#resolve = result.#reject = undefined;
      settle(error);
    };
  }

  /** Whether it is settled. It never blocks. */
  ready(): boolean {
    return this.#state !== PENDING;
  }

  /**
   * Whether it is settled without an error. It never blocks.
   * @throws {InvalidStateError} when it is not settled
   */
  successful(): boolean {
    if (this.#state === PENDING) {
      throw new InvalidStateError("The result is not ready: await it, or ask ready() first.");
    }
    return this.#state === RESOLVED;
  }

  /**
   * Waits until it is settled: true, or false when the timeout passed first. It does not block, and does not throw the
   * error of the work.
   *
   * @param options `timeout` in ms, `signal`
   * @throws the signal's reason
   */
  async wait(options?: WaitOptions): Promise<boolean> {
    return await until(this, options, "AsyncResult.wait");
  }

  /**
   * The value, as by `await`, with a time limit. It does not block. After a timeout it can be called again: the work goes on.
   *
   * @param options `timeout` in ms, `signal`
   * @throws {TimeoutError} when the timeout passed first
   * @throws the error of the work, or the signal's reason
   */
  async get(options?: WaitOptions): Promise<T> {
    if (!await until(this, options, "AsyncResult.get")) {
      throw new TimeoutError(`The result was not ready after ${options?.timeout} ms.`);
    }
    return await this;
  }

  /**
   * Drops what has not started. True: something was dropped, and the result rejects with `CancelledError`; false: all of
   * it runs or is done, and the result comes. It never blocks.
   */
  cancel(): boolean {
    return this.#owner?.cancel() ?? false;
  }
}
