/**
 * What `apply` and `map` return: a promise that can also be asked and cancelled.
 * @module
 */
import { InvalidStateError, TimeoutError } from "../errors.ts";
import { until, type WaitOptions } from "../process/waiting.ts";

/** The other end of an {@linkcode AsyncResult}. */
export interface ResultSource<T> {
  /** The result. */
  readonly result: AsyncResult<T>;
  /** Settles it. */
  resolve(value: T): void;
  /** Settles it. */
  reject(error: unknown): void;
}

let makeSource: (cancel: () => boolean) => ResultSource<unknown>;

/** Makes a result and its other end. `cancel` is asked to drop what has not started. */
export function resultSource<T>(cancel: () => boolean): ResultSource<T> {
  return makeSource(cancel) as ResultSource<T>;
}

type Executor<T> = (resolve: (value: T | PromiseLike<T>) => void, reject: (reason: unknown) => void) => void;

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

  #state: "pending" | "resolved" | "rejected" = "pending";
  #cancel: () => boolean = () => false;

  /** Only a pool makes results; this is the constructor of `Promise`. */
  constructor(executor: Executor<T>) {
    super(executor);
  }

  static {
    makeSource = (cancel) => {
      let settle: { resolve: (value: never) => void; reject: (error: unknown) => void } | undefined;
      const result = new AsyncResult<never>((resolve, reject) => settle = { resolve, reject });
      const { resolve, reject } = settle as unknown as NonNullable<typeof settle>;
      result.#cancel = cancel;
      return {
        result,
        resolve(value) {
          if (result.#state !== "pending") return;
          result.#state = "resolved";
          resolve(value as never);
        },
        reject(error) {
          if (result.#state !== "pending") return;
          result.#state = "rejected";
          reject(error);
        },
      };
    };
  }

  /** Whether it is settled. It never blocks. */
  ready(): boolean {
    return this.#state !== "pending";
  }

  /**
   * Whether it is settled without an error. It never blocks.
   * @throws {InvalidStateError} when it is not settled
   */
  successful(): boolean {
    if (this.#state === "pending") {
      throw new InvalidStateError("The result is not ready: await it, or ask ready() first.");
    }
    return this.#state === "resolved";
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
    return this.#state === "pending" && this.#cancel();
  }
}
