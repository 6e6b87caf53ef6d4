/**
 * Jobs whose input is pulled while they run: `imap`, `imapUnordered`, and `map` over an input of unknown length.
 *
 * ```
 *   input ──pull, at most `window` ahead──▶ waiting ──take──▶ chunks ──▶ workers ──▶ outcomes ──▶ Sink ──▶ caller
 *                          ▲                                                                │
 *                          └────────────────────── taken by the caller ─────────────────────┘
 * ```
 *
 * `window` counts inputs that were pulled and whose results the sink has not let go of. An async input is asked for one
 * value at a time.
 * @module
 */
import type { TaskReference } from "../tasks/reference.ts";
import type { Errors, Lane, Outgoing } from "../transport/lane.ts";
import type { Pace } from "./chunking.ts";
import { type Chunk, errorFrom, Job, type Sendable, type Share } from "./job.ts";

/** What became of one input. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** Where results go. */
export interface Sink {
  /** The result of the input at `index`; each index comes once, in any order. */
  deliver(index: number, outcome: Outcome): void;
  /** No result with an index from `total` on will come. */
  end(total: number): void;
  /** No result at all will come any more. */
  abandon(error: unknown): void;
  /** How many results were let go of. */
  readonly released: number;
  /** Whether somebody waits for a result. */
  readonly awaited: boolean;
}

/** How a stream is run. */
export interface StreamOptions {
  readonly mode: "map" | "starmap";
  readonly keepGoing: boolean;
  readonly chunkSize: number;
  readonly retries: number;
  /** Makes an item ready to be sent. */
  readonly prepare: (value: unknown, index: number) => Sendable;
  /** The fewest and the most inputs ahead. */
  readonly window: { readonly least: number; readonly most: number };
  /** Tells the scheduler that there is something to take, or to wait for. */
  readonly wake: () => void;
  /** Where the input may not be longer than this, the limit and the error. */
  readonly limit?: { readonly count: number; readonly error: () => Error } | undefined;
}

/** How much work to keep pulled, in ms: short tasks get a longer window, up to its bound. */
const AHEAD = 4;

type Source =
  | { readonly kind: "sync"; readonly iterator: Iterator<unknown> }
  | { readonly kind: "async"; readonly iterator: AsyncIterator<unknown> };

/** A window of so many items is large. */
const LARGE = 64;

/** Some items of a stream. They stay with their chunk, in case that it has to be sent again. */
class StreamChunk implements Chunk {
  readonly job: StreamJob;
  readonly start: number;
  readonly items: readonly Sendable[];
  retries: number;
  holder: object | undefined = undefined;
  slot = 0;

  constructor(job: StreamJob, start: number, items: readonly Sendable[], retries: number) {
    this.job = job;
    this.start = start;
    this.items = items;
    this.retries = retries;
  }

  get count(): number {
    return this.items.length;
  }
}

/** A job over an input that is pulled. */
export class StreamJob extends Job {
  readonly mode: "map" | "starmap";
  readonly keepGoing: boolean;
  readonly #options: StreamOptions;
  readonly #source: Source;
  readonly #sink: Sink;
  /** How a chunk of one item is sent: as a call. */
  readonly #single: Outgoing<TaskReference>;
  /** Items that were pulled and not taken, and their places in the input. */
  #waiting: Sendable[] = [];
  #places: number[] = [];
  #head = 0;
  /** Items that were taken and not delivered. */
  #unfinished = 0;
  #pulled = 0;
  #pulling = false;
  #exhausted = false;
  #window: number;
  #open = false;

  /** @param iterable the input, @param sink where results go. */
  constructor(
    reference: TaskReference,
    pace: Pace,
    iterable: Iterable<unknown> | AsyncIterable<unknown>,
    sink: Sink,
    options: StreamOptions,
  ) {
    super(reference, pace, options.retries);
    this.mode = options.mode;
    this.keepGoing = options.keepGoing;
    this.#options = options;
    this.#sink = sink;
    this.#single = { reference, mode: "apply", keepGoing: false };
    this.#window = options.window.least;
    // Asked of an object: a string has an iterator, but is none.
    this.#source = Symbol.asyncIterator in Object(iterable)
      ? { kind: "async", iterator: (iterable as AsyncIterable<unknown>)[Symbol.asyncIterator]() }
      : { kind: "sync", iterator: (iterable as Iterable<unknown>)[Symbol.iterator]() };
    // Not now: an input that throws at once would end a job that its pool does not have yet.
    if (this.#source.kind === "async") queueMicrotask(() => this.#pullAsync());
  }

  override get keepsAlive(): boolean {
    return !this.settled && (this.outstanding > 0 || this.#inStock > 0 || this.#sink.awaited || this.#open);
  }

  get queued(): number {
    if (this.settled) return 0;
    return this.#inStock + (this.#source.kind === "sync" && this.#hasRoom ? 1 : 0);
  }

  get #inStock(): number {
    return this.#waiting.length - this.#head;
  }

  /** Pulls the input to its end, however slowly results are taken: the pool is joined. */
  drain(): void {
    this.#open = true;
    this.released();
  }

  /** Whether the length of the input is unknown and nobody waits for its results: it may never end by itself. */
  get isIdle(): boolean {
    return !this.settled && !this.#exhausted && !this.#sink.awaited;
  }

  /** The sink let go of results, so that there may be room. */
  released(): void {
    if (this.settled) return;
    // Not for each single one: a quarter of the window is pulled and sent together, of a large one half, or wakes cost more than work.
    const ahead = this.#pulled - this.#sink.released;
    const part = this.#window >> (this.#window < LARGE ? 2 : 1);
    if (this.#unfinished > 0 && !this.#open && ahead > this.#window - part) return;
    if (this.#source.kind === "async") this.#pullAsync();
    this.#options.wake();
  }

  take(share: Share): Chunk | undefined {
    const { least, most } = this.#options.window;
    const { itemMs } = this.pace;
    if (itemMs !== undefined) {
      const ahead = Math.ceil(AHEAD / Math.max(itemMs, 1e-3)) * share.parallel;
      this.#window = Math.min(most, Math.max(least, ahead));
    }
    const size = Math.min(this.#options.chunkSize, share.limit);
    if (this.#source.kind === "sync") this.#pullSync(this.#source.iterator, size);
    if (this.#inStock === 0 || this.settled) return undefined;
    // An async input gives what it has: the rest of a chunk may be long in coming. Items that were refused leave gaps.
    const first = this.#places[this.#head] as number;
    let count = 1;
    while (count < size && this.#places[this.#head + count] === first + count) count++;
    const items = this.#waiting.slice(this.#head, this.#head + count);
    this.#head += count;
    if (this.#head === this.#waiting.length) [this.#waiting, this.#places, this.#head] = [[], [], 0];
    this.#unfinished += count;
    return new StreamChunk(this, first, items, this.retries);
  }

  send(lane: Lane<TaskReference>, chunk: Chunk): number {
    const { items } = chunk as StreamChunk;
    if (items.length === 1) {
      const { value, handles } = items[0] as Sendable;
      return lane.send(this.#single, this.mode === "map" ? [value] : value, handles, undefined);
    }
    return lane.send(this, items.map((item) => item.value), items.some((item) => item.handles), undefined);
  }

  override split(chunk: Chunk): Chunk[] {
    const { start, items, retries } = chunk as StreamChunk;
    return items.map((item, i) => new StreamChunk(this, start + i, [item], retries));
  }

  canResend(): boolean {
    return true;
  }

  complete(chunk: Chunk, value: unknown, errors: Errors | undefined, processName: string): void {
    const { start, count } = chunk;
    if (errors === undefined) {
      if (count === 1) this.#deliver(start, { value });
      else for (let i = 0; i < count; i++) this.#deliver(start + i, { value: (value as unknown[])[i] });
    } else {
      const values = value as unknown[] | undefined;
      const failures = new Map(errors);
      const whole = values === undefined ? errors[0]?.[1] : undefined;
      for (let i = 0; i < count; i++) {
        const failure = failures.get(i) ?? whole;
        this.#deliver(
          start + i,
          failure === undefined ? { value: values?.[i] } : { error: errorFrom(failure, processName) },
        );
      }
    }
    this.#check();
  }

  fail(chunk: Chunk, error: unknown): void {
    for (let i = 0; i < chunk.count; i++) this.#deliver(chunk.start + i, { error });
    this.#check();
  }

  abandon(error: unknown): void {
    if (this.settled) return;
    this.#stopInput();
    [this.#waiting, this.#places, this.#head] = [[], [], 0];
    this.#sink.abandon(error);
    this.settle();
  }

  #deliver(index: number, outcome: Outcome): void {
    this.#unfinished--;
    if (!this.settled) this.#sink.deliver(index, outcome);
  }

  #check(): void {
    if (this.settled) return;
    if (this.#exhausted && this.#unfinished === 0 && this.#inStock === 0) {
      this.#sink.end(this.#pulled);
      this.settle();
    } else if (this.#hasRoom && this.#unfinished === 0) {
      this.released();
    }
  }

  get #hasRoom(): boolean {
    return !this.#exhausted && !this.settled && (this.#open || this.#pulled - this.#sink.released < this.#window);
  }

  #accept(value: unknown): void {
    const index = this.#pulled++;
    const { limit, mode, prepare } = this.#options;
    if (limit !== undefined && index >= limit.count) {
      this.#stopInput();
      return this.abandon(limit.error());
    }
    try {
      if (mode === "starmap" && !Array.isArray(value)) {
        throw new TypeError(`starmap: item ${index} must be an array of arguments.`);
      }
      this.#waiting.push(prepare(value, index));
      this.#places.push(index);
    } catch (error) {
      this.#sink.deliver(index, { error });
    }
  }

  /** The input has no more, or failed: that comes after the results of what it gave. */
  #finish(failure?: Outcome): void {
    if (this.#exhausted) return;
    this.#exhausted = true;
    if (failure !== undefined) this.#sink.deliver(this.#pulled++, failure);
    // Not now: the scheduler may be in the middle of take().
    queueMicrotask(() => this.#check());
  }

  #pullSync(iterator: Iterator<unknown>, count: number): void {
    while (this.#inStock < count && this.#hasRoom) {
      let value: unknown;
      try {
        // All three are the user's code: a step may have getters, and need not be one.
        const step = checkStep(iterator.next());
        if (step.done) return this.#finish();
        value = step.value;
      } catch (error) {
        return this.#finish({ error });
      }
      this.#accept(value);
    }
  }

  #pullAsync(): void {
    if (this.#pulling || !this.#hasRoom) return;
    this.#pulling = true;
    void (async () => {
      const { iterator } = this.#source as { iterator: AsyncIterator<unknown> };
      try {
        while (this.#hasRoom) {
          const step = checkStep(await iterator.next());
          if (this.settled) break;
          if (step.done) return this.#finish();
          this.#accept(step.value);
          this.#options.wake();
        }
      } catch (error) {
        this.#finish({ error });
      } finally {
        this.#pulling = false;
      }
    })();
  }

  /** Tells the input that it is not asked any more, as a loop does on `break`. Its answer is not waited for. */
  #stopInput(): void {
    if (this.#exhausted) return;
    this.#exhausted = true;
    try {
      const answer: unknown = this.#source.iterator.return?.();
      if (answer instanceof Promise) answer.catch(() => {});
    } catch {
      // The work is being given up: an error of the clean-up of its input has nobody to go to.
    }
  }
}

/** @throws {TypeError} when what an iterator gave is no step, as a loop does */
function checkStep(step: IteratorResult<unknown>): IteratorResult<unknown> {
  if (typeof step === "object" && step !== null || typeof step === "function") return step;
  throw new TypeError(`The input is no iterator: its next() gave ${String(step)}, which is no object.`);
}
