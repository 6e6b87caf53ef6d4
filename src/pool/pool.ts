/**
 * `Pool`: the methods. They check what they are given, make it ready to be sent, and leave the rest to the scheduler.
 * @module
 */
import { InvalidStateError, PoolClosedError, ProcessError, TimeoutError } from "../errors.ts";
import { backgroundTimer } from "../runtime/host.ts";
import { cpuCount, currentProcess, nextIdentity } from "../process/current.ts";
import { until, type WaitOptions } from "../process/waiting.ts";
import { assertBootstrapped } from "../tasks/bootstrap.ts";
import { referenceOf, type TaskReference } from "../tasks/reference.ts";
import { checkSendable, dropPacked, pack } from "../transport/handles.ts";
import { runtime } from "../runtime/current.ts";
import type { Pace } from "./chunking.ts";
import { checkRows, isPlain, isPrimitive, itemsOf } from "./input.ts";
import { ApplyJob, type Job, type Sendable } from "./job.ts";
import { type Items, MapJob } from "./map_job.ts";
import { type CallOptions, checkCallOptions, checkPoolOptions, type MapOptions, type PoolOptions } from "./options.ts";
import { barOf } from "./progress.ts";
import type { AsyncResult } from "./result.ts";
import { Scheduler } from "./scheduler.ts";
import { Signals } from "./signals.ts";
import type { PoolStats } from "./stats.ts";
import { ArraySink, IteratorSink, type ResultIterator } from "./sinks.ts";
import { type Sink, StreamJob } from "./stream.ts";

/** What `map` and `imap` go over. */
export type Input<T> = Iterable<T> | AsyncIterable<T>;

/** The last parameters of `apply`: arguments may be left out when the function needs none. */
export type ApplyRest<A extends readonly unknown[]> = [] extends A ? [args?: A, options?: CallOptions]
  : [args: A, options?: CallOptions];

const NO_ARGUMENTS: readonly unknown[] = [];
const NO_OPTIONS: CallOptions = {};

/** Inputs that `imap` pulls ahead of what was taken: for each call that can run at a time, at least and at most. */
const LEAST_AHEAD = 2;
const MOST_AHEAD = 512;

/** `map` keeps all results, so that an input that never ends has to be noticed at some point. */
const MAP_LIMIT = 2 ** 24;

/**
 * Workers that run tasks. Python: `multiprocessing.Pool`.
 *
 * Differences from Python: every method returns at once, `map` and `apply` with a promise ({@linkcode AsyncResult});
 * `map` stops at the first error and drops what has not started; a task whose worker died rejects, where Python's never
 * comes; leaving the block (`await using`) finishes the work, where Python terminates it; `imap` pulls its input only
 * as fast as its results are taken.
 *
 * Idle workers do not keep the program alive.
 *
 * @example
 * ```ts
 * import { isMain, Pool } from "@manycore/multiprocessing";
 *
 * export function square(n: number): number {
 *   return n * n;
 * }
 *
 * if (isMain(import.meta)) {
 *   const pool = new Pool(5);
 *   console.log(await pool.map(square, [1, 2, 3, 4, 5])); // [ 1, 4, 9, 16, 25 ]
 *   pool.close();
 *   await pool.join();
 * }
 * ```
 */
export class Pool {
  readonly #scheduler: Scheduler;
  readonly #signals = new Signals((job, reason) => this.#scheduler.abort(job, reason));
  readonly #parallel: number;
  readonly #retries: number;
  readonly #sharing: boolean;
  readonly #rings: boolean;
  /** What `apply` was called with last: most programs call one function many times. */
  #lastFunction: unknown;
  #lastReference: TaskReference | undefined;
  #lastPace: Pace | undefined;
  #closing = false;

  /**
   * Makes a pool and starts its workers. It does not block, except on Deno, whose workers take 10 to 25 ms each to make,
   * one in a turn of the event loop.
   *
   * @param workers how many; the default is {@linkcode cpuCount}
   * @param options how they are made and how long they live
   * @throws {TypeError | RangeError} when an option is not usable
   * @throws {BootstrapError} when a worker imports the calling module, which lacks a main guard
   * @throws {ProcessError} in a daemon, for example in a task of another pool
   */
  constructor(workers: number = cpuCount(), options: PoolOptions = {}) {
    assertBootstrapped("a Pool");
    checkPoolOptions(workers, options);
    if (currentProcess().daemon) {
      throw new ProcessError(
        `Cannot make a Pool in ${currentProcess().name}: daemonic processes are not allowed to have children. ` +
          `Use new Process(fn, args, { daemon: false }) for what needs a pool of its own.`,
      );
    }
    const { initializer, initArgs = [], type = "thread", concurrency = 1 } = options;
    this.#sharing = type === "thread";
    this.#rings = this.#sharing && runtime.environment("MANYCORE_TRANSPORT") !== "messages";
    this.#parallel = workers * concurrency;
    this.#retries = options.retries ?? 0;
    this.#scheduler = new Scheduler({
      workers,
      minWorkers: options.minWorkers ?? workers,
      idleTimeout: options.idleTimeout,
      maxTasksPerChild: options.maxTasksPerChild ?? Infinity,
      taskTimeout: options.taskTimeout,
      concurrency,
      rings: this.#rings,
      first: {
        kind: "initialize",
        initializer: initializer === undefined ? undefined : {
          reference: referenceOf(initializer, "new Pool: initializer"),
          args: pack(initArgs, "initArgs", this.#sharing),
        },
        concurrency,
        taskTimeout: options.taskTimeout,
      },
      nextChild: () => {
        const identity = nextIdentity();
        return {
          role: "pool",
          name: `${options.name ?? "PoolWorker"}-${identity.join(":")}`,
          identity,
          daemon: true,
          type,
          oneTask: concurrency === 1,
          env: options.env,
          resourceLimits: options.resourceLimits,
          permissions: options.permissions,
        };
      },
    });
  }

  /**
   * Calls a function once, in a worker. It does not block. Python: `apply` and `apply_async`.
   *
   * @param fn the function, see {@linkcode task} for how it gets there
   * @param rest `args`, its arguments: they are sent as by structured clone, and must not be changed before the result is
   *   there; `options`
   * @returns the result of the call
   * @throws {TypeError} when `fn` cannot be a task, {EncodingError} when an argument cannot be sent,
   *   {PoolClosedError} after `close()`, {BrokenPoolError} when no worker can be started
   */
  apply<A extends readonly unknown[], R>(fn: (...args: A) => R, ...rest: ApplyRest<A>): AsyncResult<Awaited<R>>;
  apply(fn: unknown, args: unknown = NO_ARGUMENTS, options: CallOptions = NO_OPTIONS): AsyncResult<never> {
    if (fn !== this.#lastFunction || fn === undefined || this.#scheduler.refusal !== undefined) {
      this.#lastReference = this.#begin(fn, options, "Pool.apply");
      this.#lastPace = this.#scheduler.paceOf(this.#lastReference);
      this.#lastFunction = fn;
    } else if (options !== NO_OPTIONS) {
      checkCallOptions(options, "Pool.apply");
    }
    if (!Array.isArray(args)) {
      throw new TypeError(`Pool.apply(fn, args): args must be an array such as [1, 2], got ${typeof args}.`);
    }
    // A getter of an argument may call us before we are done.
    const reference = this.#lastReference as TaskReference;
    const pace = this.#lastPace as Pace;
    let value: unknown = args;
    let handles = false;
    if (!this.#rings || !isPlain(args)) ({ value, handles } = pack(args, "args", this.#sharing));
    const { transfer, signal, timeout } = options;
    const retries = transfer === undefined ? this.#retries : this.#retriesFor(options);
    const job = new ApplyJob(reference, pace, value, handles, transfer, retries);
    if (handles) job.whenSettled(() => dropPacked({ value, handles }));
    if (signal?.aborted) job.abandon(signal.reason);
    else this.#scheduler.submitCall(job);
    if (signal !== undefined || timeout !== undefined) this.#limit(job, options);
    return job.result as AsyncResult<never>;
  }

  /**
   * Calls a function for every item, and collects the results in order. It does not block. The first error rejects it, and
   * what has not started is dropped. Python: `map` and `map_async`.
   *
   * An array or typed array is cut into chunks, of a typed array in shared memory nothing is copied. Anything else is
   * pulled while the work goes on, and may have 2^24 items.
   *
   * @param fn called with one item
   * @param items what to go over; arrays must not be changed before the result is there
   * @param options `chunkSize`, `signal`, `timeout` in ms, `onProgress` …
   * @returns the results, as many as items
   * @throws as {@linkcode Pool.apply}
   */
  map<T, R>(fn: (item: T) => R, items: Input<T>, options: MapOptions = {}): AsyncResult<Awaited<R>[]> {
    return this.#map("map", fn, items, options, "Pool.map") as AsyncResult<Awaited<R>[]>;
  }

  /**
   * As {@linkcode Pool.map}, for a function of several arguments: every item is an array of them. Python: `starmap`.
   *
   * @param fn called with the arguments of one item
   * @param items arrays of arguments
   * @param options as of `map`
   * @returns the results, as many as items
   * @throws as {@linkcode Pool.apply}
   */
  starmap<A extends readonly unknown[], R>(
    fn: (...args: A) => R,
    items: Input<Readonly<A>>,
    options: MapOptions = {},
  ): AsyncResult<Awaited<R>[]> {
    return this.#map("starmap", fn, items, options, "Pool.starmap") as AsyncResult<Awaited<R>[]>;
  }

  /**
   * Calls a function for every item, and gives the results one by one, in the order of the items. It does not block. The input
   * is pulled only as fast as results are taken, so it may be endless. Python: `imap`.
   *
   * A task that fails rejects its `next()`; the one after it goes on with the next result.
   *
   * @param fn called with one item
   * @param items what to go over
   * @param options as of `map`; `chunkSize` is 1 by default
   * @returns an iterator for `for await`
   * @throws as {@linkcode Pool.apply}
   */
  imap<T, R>(fn: (item: T) => R, items: Input<T>, options: MapOptions = {}): ResultIterator<Awaited<R>> {
    return this.#imap(true, fn, items, options, "Pool.imap") as ResultIterator<Awaited<R>>;
  }

  /**
   * As {@linkcode Pool.imap}, but results come as they are done. Python: `imap_unordered`.
   *
   * @param fn called with one item
   * @param items what to go over
   * @param options as of `imap`
   * @returns an iterator for `for await`
   * @throws as {@linkcode Pool.apply}
   */
  imapUnordered<T, R>(fn: (item: T) => R, items: Input<T>, options: MapOptions = {}): ResultIterator<Awaited<R>> {
    return this.#imap(false, fn, items, options, "Pool.imapUnordered") as ResultIterator<Awaited<R>>;
  }

  /** Takes no more work; the workers end when what there is is done. It never blocks, and can be called again. */
  close(): void {
    this.#closing = true;
    this.#scheduler.close();
  }

  /**
   * Waits until all work is done and the workers have ended. It does not block. Results of `imap` that were not taken yet are
   * computed and kept.
   *
   * @param options `timeout` in ms, `signal`
   * @returns true; false when the timeout passed first
   * @throws {InvalidStateError} before `close()` or `terminate()`
   * @throws the signal's reason
   */
  async join(options?: WaitOptions): Promise<boolean> {
    if (!this.#closing) {
      throw new InvalidStateError("The pool is still running: call close() or terminate() before join().");
    }
    for (const job of [...this.#scheduler.jobs]) if (job instanceof StreamJob) job.drain();
    return await until(this.#scheduler.stopped, options, "Pool.join");
  }

  /** Ends the workers at once; work that is not done rejects with `CancelledError`. It never blocks, and can be called again. */
  terminate(): void {
    this.#closing = true;
    this.#scheduler.terminate();
  }

  /** Numbers: workers, calls that wait, run, succeeded and failed, deaths. It never blocks. */
  stats(): PoolStats {
    return this.#scheduler.stats();
  }

  /** Its name for `Object.prototype.toString`. */
  get [Symbol.toStringTag](): string {
    return "Pool";
  }

  /**
   * Calls a function with the pool, and closes and joins the pool when its promise is settled: `await using` for
   * runtimes that cannot parse it.
   *
   * @param fn called with the pool
   * @returns what `fn` returns
   */
  async run<R>(fn: (pool: this) => R): Promise<Awaited<R>> {
    try {
      return await fn(this);
    } finally {
      await this.#dispose();
    }
  }

  /** Closes and joins, at the end of an `await using` block; an `imap` that was left in the middle is ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispose();
  }

  async #dispose(): Promise<void> {
    this.close();
    const closed = new PoolClosedError("The pool was closed before all of this was done.");
    for (const job of [...this.#scheduler.jobs]) {
      if (job instanceof StreamJob && job.isIdle) this.#scheduler.abandon(job, closed);
    }
    await this.join();
  }

  #begin(fn: unknown, options: MapOptions, what: string): TaskReference {
    const refusal = this.#scheduler.refusal;
    if (refusal === "closed") throw new PoolClosedError(`${what}: the pool takes no more work, it was closed.`);
    if (refusal !== undefined) throw refusal;
    checkCallOptions(options, what);
    return referenceOf(fn, what);
  }

  #retriesFor(options: CallOptions): number {
    return options.transfer === undefined || options.transfer.length === 0 ? this.#retries : 0;
  }

  #map(
    mode: "map" | "starmap",
    fn: unknown,
    items: unknown,
    options: MapOptions,
    what: string,
  ): AsyncResult<unknown[]> {
    const reference = this.#begin(fn, options, what);
    const known = itemsOf(items, what);
    const bar = barOf(options, (error) => this.#scheduler.abandon(job, error));
    let job: Job;
    let result: AsyncResult<unknown[]>;
    if (known !== undefined) {
      if (mode === "starmap") checkRows(known, what);
      const ready = this.#prepare(known, "items") as { readonly value: Items; readonly handles: boolean };
      const mapped = new MapJob(reference, this.#scheduler.paceOf(reference), mode, ready, {
        copied: this.#rings,
        chunkSize: options.chunkSize,
        transfer: options.transfer,
        sharing: this.#sharing,
        retries: this.#retriesFor(options),
        onProgress: bar.listener,
      });
      if (ready.handles) mapped.whenSettled(() => dropPacked(ready));
      result = mapped.result;
      this.#submit(job = mapped, options);
    } else {
      const sink = new ArraySink(() => job.cancel(), (error) => this.#scheduler.abandon(job, error), bar.listener);
      job = this.#stream(reference, items as Input<unknown>, sink, {
        mode,
        keepGoing: false,
        chunkSize: options.chunkSize ?? 1,
        limit: {
          count: MAP_LIMIT,
          error: () =>
            new RangeError(
              `${what}: the input has not ended after ${MAP_LIMIT} items, and all results are kept. ` +
                `Use imap(), which gives them one by one, or give an array.`,
            ),
        },
      });
      result = sink.result;
      this.#submit(job, options);
    }
    // Not by then(): that would hide a rejection that nobody reads.
    if (job.settled) bar.end?.();
    else if (bar.end !== undefined) job.whenSettled(bar.end);
    return result;
  }

  #imap(ordered: boolean, fn: unknown, items: unknown, options: MapOptions, what: string): ResultIterator<unknown> {
    const reference = this.#begin(fn, options, what);
    if (options.transfer !== undefined) {
      throw new TypeError(`${what}: transfer is not possible with an input that is pulled.`);
    }
    itemsOf(items, what);
    const bar = barOf(options, (error) => this.#scheduler.abandon(job, error));
    const sink = new IteratorSink(ordered, bar.listener);
    const job: StreamJob = this.#stream(reference, items as Input<unknown>, sink, {
      mode: "map",
      keepGoing: true,
      chunkSize: options.chunkSize ?? 1,
      limit: undefined,
    });
    sink.onReleased = () => job.released();
    sink.onReturn = () => this.#scheduler.abandon(job, new PoolClosedError("The iteration was ended."));
    this.#submit(job, options);
    if (bar.end !== undefined) job.whenSettled(bar.end);
    return sink.iterator();
  }

  #stream(
    reference: TaskReference,
    items: Input<unknown>,
    sink: Sink,
    options: Pick<ConstructorParameters<typeof StreamJob>[4], "mode" | "keepGoing" | "chunkSize" | "limit">,
  ): StreamJob {
    const ahead = this.#parallel * options.chunkSize;
    const job: StreamJob = new StreamJob(reference, this.#scheduler.paceOf(reference), items, sink, {
      ...options,
      retries: this.#retries,
      prepare: this.#rings
        ? (value, index) => isPrimitive(value) ? { value, handles: false } : this.#check(value, `items[${index}]`)
        : (value, index) => this.#prepare(value, `items[${index}]`),
      window: { least: LEAST_AHEAD * ahead, most: MOST_AHEAD * ahead },
      wake: () => this.#scheduler.wake(job),
    });
    return job;
  }

  /**
   * Makes a value ready to be sent, or refuses it. What a ring takes is encoded as it is, when it is its turn; shared objects in
   * it are taken hold of at once, since a connection may be closed here as soon as it has been passed on.
   */
  #prepare(value: unknown, root: string): Sendable {
    return this.#rings && isPlain(value) ? { value, handles: false } : pack(value, root, this.#sharing);
  }

  /** The same for one of many items: all of it when it is its turn. */
  #check(value: unknown, root: string): Sendable {
    checkSendable(value, root);
    return { value, handles: false };
  }

  /** Hands a job over, with its signal and time limit. */
  #submit(job: Job, options: CallOptions): void {
    const { signal } = options;
    if (signal?.aborted) return job.settled ? undefined : job.abandon(signal.reason);
    this.#scheduler.submit(job);
    this.#limit(job, options);
  }

  #limit(job: Job, { signal, timeout }: CallOptions): void {
    if (job.settled || (signal === undefined && timeout === undefined)) return;
    const timer = timeout === undefined || timeout === Infinity ? undefined : backgroundTimer(
      () =>
        this.#scheduler.abort(
          job,
          new TimeoutError(`${job.reference.name || "The task"} was not done after ${timeout} ms.`),
        ),
      timeout,
    );
    if (signal !== undefined) this.#signals.watch(signal, job);
    if (timer !== undefined) job.whenSettled(() => timer.clear());
  }
}
