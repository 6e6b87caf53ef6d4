/**
 * What `apply` and `map` return: a promise that can also be asked and cancelled.
 * @module
 */
import { InvalidStateError, TimeoutError } from "../errors.ts";
import { until, type WaitOptions } from "../process/waiting.ts";

type Settle = (outcome: unknown) => void;

/** What is behind a result. */
export interface ResultOwner {
  /** Drops what has not started; false when nothing was dropped. */
  cancel(): boolean;
  /** What settles the promise: {@linkcode makeResult} keeps it here. */
  resolve: Settle | undefined;
  reject: Settle | undefined;
}

const RESOLVED = 1;
const REJECTED = 2;

// What the last executor was given: a closure for each result would cost more than all the rest of it.
let lastResolve: Settle;
let lastReject: Settle;
function capture(resolve: Settle, reject: Settle): void {
  lastResolve = resolve;
  lastReject = reject;
}

let ownerOf: (result: object) => ResultOwner | typeof RESOLVED | typeof REJECTED;
let setState: (result: object, state: typeof RESOLVED | typeof REJECTED) => void;
let isResult: (value: object) => boolean;

/** Its constructor gives back what it is given, so that the fields of a class that extends it come to stand there. */
class Given {
  constructor(promise: object) {
    return promise;
  }
}

/** What a promise needs to be a result, as a private field of it: who is behind it, or, when it is settled, how. */
class Books extends Given {
  #owner: ResultOwner | typeof RESOLVED | typeof REJECTED;

  constructor(promise: object, owner: ResultOwner) {
    super(promise);
    this.#owner = owner;
  }

  static {
    ownerOf = (result) => (result as Books).#owner;
    setState = (result, state) => void ((result as Books).#owner = state);
    isResult = (value) => #owner in value;
  }
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
  /** Whether a value is one. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && isResult(value);
  }

  /** @throws {TypeError} always: a pool makes them. */
  private constructor() {
    super(capture as never);
    throw new TypeError("An AsyncResult cannot be made by itself: a pool's apply() and map() return them.");
  }

  /** Whether it is settled. It never blocks. */
  ready(): boolean {
    return typeof ownerOf(this) === "number";
  }

  /**
   * Whether it is settled without an error. It never blocks.
   * @throws {InvalidStateError} when it is not settled
   */
  successful(): boolean {
    if (!this.ready()) {
      throw new InvalidStateError("The result is not ready: await it, or ask ready() first.");
    }
    return ownerOf(this) === RESOLVED;
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
    const owner = ownerOf(this);
    return typeof owner === "number" ? false : owner.cancel();
  }
}

const { ready, successful, wait, get, cancel } = AsyncResult.prototype;

/** How the console of Node, Deno and Bun shows it. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

function inspect(this: object): string {
  const owner = ownerOf(this);
  return `AsyncResult { <${owner === RESOLVED ? "resolved" : owner === REJECTED ? "rejected" : "pending"}> }`;
}

/**
 * Makes a result; `owner` is asked to drop what has not started.
 *
 * It is a promise as the runtime makes them, with the methods as its own properties: `Promise.all` and `await` have a fast way for what
 * has nothing but `Promise.prototype` behind it, 60 ns a call instead of 200 on Bun, 100 on V8, for an instance of a class of our own.
 */
export function makeResult<T>(owner: ResultOwner): AsyncResult<T> {
  const result = new Promise<T>(capture as never) as AsyncResult<T> & { [INSPECT]: unknown };
  owner.resolve = lastResolve;
  owner.reject = lastReject;
  new Books(result, owner);
  result.ready = ready;
  result.successful = successful;
  result.wait = wait;
  result.get = get as AsyncResult<T>["get"];
  result.cancel = cancel;
  result[INSPECT] = inspect;
  return result;
}

/** Settles a result; the first time counts. */
export function resolve<T>(result: AsyncResult<T>, value: T): void {
  const owner = ownerOf(result);
  if (typeof owner === "number") return;
  setState(result, RESOLVED);
  (owner.resolve as Settle)(value);
}

/** Settles a result; the first time counts. */
export function reject<T>(result: AsyncResult<T>, error: unknown): void {
  const owner = ownerOf(result);
  if (typeof owner === "number") return;
  setState(result, REJECTED);
  (owner.reject as Settle)(error);
}
