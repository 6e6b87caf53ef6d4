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
import { pack, type Packed } from "../transport/handles.ts";
import type { WireResult } from "../transport/protocol.ts";
import { decodeError } from "../transport/remote_error.ts";
import { type Chunk, type ChunkData, Job, receivePayload, type Share } from "./job.ts";

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
  /** Whether the receivers share memory with us. */
  readonly sharing: boolean;
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

/** A job over an input that is pulled. */
export class StreamJob extends Job {
  readonly keepGoing: boolean;
  readonly #options: StreamOptions;
  readonly #source: Source;
  readonly #sink: Sink;
  readonly #data = new Map<number, Packed>();
  #waiting: { readonly index: number; readonly packed: Packed }[] = [];
  #pulled = 0;
  #pulling = false;
  #exhausted = false;
  #window: number;
  #open = false;

  /** @param iterable the input, @param sink where results go. */
  constructor(
    reference: TaskReference,
    iterable: Iterable<unknown> | AsyncIterable<unknown>,
    sink: Sink,
    options: StreamOptions,
  ) {
    super(reference, options.mode, options.retries);
    this.keepGoing = options.keepGoing;
    this.#options = options;
    this.#sink = sink;
    this.#window = options.window.least;
    // Asked of an object: a string has an iterator, but is none.
    this.#source = Symbol.asyncIterator in Object(iterable)
      ? { kind: "async", iterator: (iterable as AsyncIterable<unknown>)[Symbol.asyncIterator]() }
      : { kind: "sync", iterator: (iterable as Iterable<unknown>)[Symbol.iterator]() };
    if (this.#source.kind === "async") this.#pullAsync();
  }

  override get keepsAlive(): boolean {
    return !this.settled && (this.outstanding > 0 || this.#waiting.length > 0 || this.#sink.awaited || this.#open);
  }

  get queued(): number {
    if (this.settled) return 0;
    return this.#waiting.length + (this.#source.kind === "sync" && this.#hasRoom ? 1 : 0);
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
    if (this.#source.kind === "async") this.#pullAsync();
    this.#options.wake();
  }

  take(share: Share): Chunk | undefined {
    const { least, most } = this.#options.window;
    if (share.itemMs !== undefined) {
      const ahead = Math.ceil(AHEAD / Math.max(share.itemMs, 1e-3)) * share.parallel;
      this.#window = Math.min(most, Math.max(least, ahead));
    }
    const size = Math.min(this.#options.chunkSize, share.limit);
    if (this.#source.kind === "sync") this.#pullSync(this.#source.iterator, size);
    if (this.#waiting.length === 0 || this.settled) return undefined;
    // An async input gives what it has: the rest of a chunk may be long in coming.
    const items = this.#waiting.splice(0, size);
    const start = (items[0] as { index: number }).index;
    for (const { index, packed } of items) this.#data.set(index, packed);
    return { job: this, start, count: items.length, retries: this.retries };
  }

  data(chunk: Chunk): ChunkData {
    const values: unknown[] = [];
    let handles = false;
    for (let i = chunk.start; i < chunk.start + chunk.count; i++) {
      const packed = this.#data.get(i) as Packed;
      handles ||= packed.handles;
      values.push(packed.value);
    }
    return { items: { value: values, handles }, transfer: undefined };
  }

  canResend(): boolean {
    return true;
  }

  complete(chunk: Chunk, result: WireResult, processName: string): void {
    const errors = new Map(result.errors);
    let values: unknown[] = [];
    let unreadable: Outcome | undefined;
    try {
      values = receivePayload(result.result) as unknown[] ?? [];
    } catch (error) {
      unreadable = { error };
    }
    for (let i = 0; i < chunk.count; i++) {
      const failure = errors.get(i) ?? (result.result === undefined ? result.errors[0]?.[1] : undefined);
      const outcome = unreadable ??
        (failure === undefined ? { value: values[i] } : { error: decodeError(failure, processName) });
      this.#deliver(chunk.start + i, outcome);
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
    this.#waiting = [];
    this.#data.clear();
    this.#sink.abandon(error);
    this.settle();
  }

  #deliver(index: number, outcome: Outcome): void {
    this.#data.delete(index);
    if (!this.settled) this.#sink.deliver(index, outcome);
  }

  #check(): void {
    if (this.settled) return;
    if (this.#exhausted && this.#data.size === 0 && this.#waiting.length === 0) {
      this.#sink.end(this.#pulled);
      this.settle();
    } else if (this.#hasRoom) {
      if (this.#source.kind === "async") this.#pullAsync();
      this.#options.wake();
    }
  }

  get #hasRoom(): boolean {
    return !this.#exhausted && !this.settled && (this.#open || this.#pulled - this.#sink.released < this.#window);
  }

  #accept(value: unknown): void {
    const index = this.#pulled++;
    const { limit, mode, sharing } = this.#options;
    if (limit !== undefined && index >= limit.count) {
      this.#stopInput();
      return this.abandon(limit.error());
    }
    try {
      if (mode === "starmap" && !Array.isArray(value)) {
        throw new TypeError(`starmap: item ${index} must be an array of arguments.`);
      }
      this.#waiting.push({ index, packed: pack(value, `items[${index}]`, sharing) });
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
    while (this.#waiting.length < count && this.#hasRoom) {
      let step: IteratorResult<unknown>;
      try {
        step = iterator.next();
      } catch (error) {
        return this.#finish({ error });
      }
      if (step.done === true) return this.#finish();
      this.#accept(step.value);
    }
  }

  #pullAsync(): void {
    if (this.#pulling || !this.#hasRoom) return;
    this.#pulling = true;
    void (async () => {
      const { iterator } = this.#source as { iterator: AsyncIterator<unknown> };
      try {
        while (this.#hasRoom) {
          const step = await iterator.next();
          if (this.settled) break;
          if (step.done === true) return this.#finish();
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
