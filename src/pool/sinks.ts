/**
 * Where the results of a stream go: an array for `map`, an iterator for `imap` and `imapUnordered`.
 * @module
 */
import { TimeoutError } from "../errors.ts";
import { nextTurn } from "../runtime/turn.ts";
import { TurnClock } from "../transport/turn_clock.ts";
import { checkWaitOptions, until, type WaitOptions } from "../process/waiting.ts";
import type { ProgressListener } from "./job.ts";
import { type AsyncResult, makeResult, reject, resolve } from "./result.ts";
import type { Outcome, Sink } from "./stream.ts";

/** Collects all results in order; the first error ends it. */
export class ArraySink implements Sink {
  readonly #values: unknown[] = [];
  /** What the caller gets. */
  readonly result: AsyncResult<unknown[]>;
  readonly #fail: (error: unknown) => void;
  readonly #onProgress: ProgressListener | undefined;
  released = 0;
  readonly awaited = true;

  /** @param cancel what `cancel()` of the result does, @param fail gives up the job. */
  constructor(cancel: () => boolean, fail: (error: unknown) => void, onProgress: ProgressListener | undefined) {
    this.result = makeResult<unknown[]>({ cancel, resolve: undefined, reject: undefined });
    this.#fail = fail;
    this.#onProgress = onProgress;
  }

  deliver(index: number, outcome: Outcome): void {
    this.released++;
    if ("error" in outcome) return this.#fail(outcome.error);
    this.#values[index] = outcome.value;
    this.#onProgress?.({ done: this.released, total: undefined });
  }

  end(): void {
    resolve(this.result, this.#values);
  }

  abandon(error: unknown): void {
    reject(this.result, error);
  }
}

/** What `imap` and `imapUnordered` return. */
export interface ResultIterator<R> extends AsyncIterableIterator<R, undefined> {
  /**
   * The next result. A task that failed rejects it, and the next call gives the result after that one, as in Python.
   *
   * @param options `timeout` in ms: after a `TimeoutError` it can be called again; `signal`
   */
  next(options?: WaitOptions): Promise<IteratorResult<R, undefined>>;
  /** Ends the iteration: what has not started is dropped, and the input is closed. */
  return(): Promise<IteratorResult<R, undefined>>;
  /** The iterator itself. */
  [Symbol.asyncIterator](): ResultIterator<R>;
}

interface Waiter {
  readonly resolve: (step: IteratorResult<unknown, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** Keeps results until the caller takes them. */
export class IteratorSink implements Sink {
  readonly #ordered: boolean;
  /** What can be taken, the next one at `head`. */
  #ready: (Outcome | undefined)[] = [];
  #head = 0;
  /** What came before its turn. */
  readonly #early = new Map<number, Outcome>();
  /** The index that becomes ready next. */
  #next = 0;
  readonly #waiters: Waiter[] = [];
  readonly #onProgress: ProgressListener | undefined;
  #finished = 0;
  #total = Infinity;
  #abandoned: { readonly error: unknown; told: boolean } | undefined;
  readonly #clock = new TurnClock();
  /** Results are there, but the event loop is to turn before the next one is taken. */
  #resting = false;
  released = 0;
  /** Called when a result was taken. */
  onReleased: () => void = () => {};
  /** Called when the caller ends the iteration early. */
  onReturn: () => void = () => {};

  /** @param ordered whether results come in the order of the input. */
  constructor(ordered: boolean, onProgress: ProgressListener | undefined) {
    this.#ordered = ordered;
    this.#onProgress = onProgress;
  }

  get awaited(): boolean {
    return this.#waiters.length > 0;
  }

  deliver(index: number, outcome: Outcome): void {
    this.#finished++;
    if (this.#ordered && index !== this.#next) {
      this.#early.set(index, outcome);
    } else {
      this.#ready.push(outcome);
      this.#next++;
      if (this.#early.size > 0) this.#takeEarly();
    }
    this.#onProgress?.({ done: this.#finished, total: undefined });
    if (this.#waiters.length > 0) this.#serve();
  }

  end(total: number): void {
    this.#total = total;
    this.#serve();
  }

  abandon(error: unknown): void {
    this.#abandoned ??= { error, told: false };
    this.#clear();
    this.#serve();
  }

  /** What the caller gets. */
  iterator<R>(): ResultIterator<R> {
    const iterator: ResultIterator<R> = {
      next: (options) => this.#step(options) as Promise<IteratorResult<R, undefined>>,
      return: () => {
        this.#abandoned ??= { error: undefined, told: true };
        this.#clear();
        this.onReturn();
        this.#serve();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    if (typeof Symbol.asyncDispose === "symbol") {
      Object.defineProperty(iterator, Symbol.asyncDispose, { value: () => iterator.return() });
    }
    return iterator;
  }

  #step(options: WaitOptions | undefined): Promise<IteratorResult<unknown, undefined>> {
    if (options !== undefined || this.#head === this.#ready.length || this.#waiters.length > 0) {
      return this.#take(options);
    }
    // What is ready comes in a microtask, and whoever deals with it for some ms would keep timers and sockets waiting until all is taken.
    if (this.#clock.isOver(false)) {
      this.#rest();
      return this.#take();
    }
    const outcome = this.#shift();
    this.onReleased();
    return "error" in outcome ? Promise.reject(outcome.error) : Promise.resolve({ done: false, value: outcome.value });
  }

  async #take(options?: WaitOptions): Promise<IteratorResult<unknown, undefined>> {
    checkWaitOptions(options, "next");
    options?.signal?.throwIfAborted();
    let waiter!: Waiter;
    const step = new Promise<IteratorResult<unknown, undefined>>((resolve, reject) => waiter = { resolve, reject });
    this.#waiters.push(waiter);
    // It may not be able to wait for the turn.
    if (options !== undefined) this.#resting = false;
    this.#serve();
    if (this.#waiters.length > 0) this.onReleased();
    if (options?.timeout === undefined && options?.signal === undefined) return await step;
    let failure: unknown;
    try {
      if (await until(step, options, "next")) return await step;
      failure = new TimeoutError(`No result came within ${options.timeout} ms; next() can be called again.`);
    } catch (error) {
      failure = error;
    }
    const at = this.#waiters.indexOf(waiter);
    // It was served in the meantime: a result that has left must arrive.
    if (at < 0) return await step;
    this.#waiters.splice(at, 1);
    throw failure;
  }

  #rest(): void {
    this.#resting = true;
    nextTurn(() => {
      this.#resting = false;
      this.#clock.begin();
      this.#serve();
    });
  }

  #shift(): Outcome {
    const outcome = this.#ready[this.#head] as Outcome;
    this.#ready[this.#head++] = undefined;
    if (this.#head === this.#ready.length) [this.#ready, this.#head] = [[], 0];
    this.released++;
    return outcome;
  }

  #takeEarly(): void {
    for (;;) {
      const outcome = this.#early.get(this.#next);
      if (outcome === undefined) return;
      this.#early.delete(this.#next++);
      this.#ready.push(outcome);
    }
  }

  #clear(): void {
    [this.#ready, this.#head] = [[], 0];
    this.#early.clear();
  }

  #serve(): void {
    let taken = false;
    while (this.#waiters.length > 0 && !this.#resting) {
      if (this.#head < this.#ready.length) {
        const outcome = this.#shift();
        taken = true;
        const waiter = this.#waiters.shift() as Waiter;
        if ("error" in outcome) waiter.reject(outcome.error);
        else waiter.resolve({ done: false, value: outcome.value });
      } else if (this.#abandoned !== undefined && !this.#abandoned.told) {
        this.#abandoned.told = true;
        (this.#waiters.shift() as Waiter).reject(this.#abandoned.error);
      } else if (this.#abandoned !== undefined || this.#next >= this.#total) {
        (this.#waiters.shift() as Waiter).resolve({ done: true, value: undefined });
      } else {
        break;
      }
    }
    if (taken) this.onReleased();
  }
}
