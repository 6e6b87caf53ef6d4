/**
 * The work of one call: what is left to send, and what to do with what comes back.
 *
 * ```
 *   call ──▶ Job ──take──▶ Chunk ──▶ worker
 *             ▲  ◀─ complete / fail ─┘
 *             └─ settled: its chunks that have not started are dropped
 * ```
 *
 * A job stays at the host until its last chunk has come back, so that it can be cancelled, retried and given to another
 * worker. `stream.ts` has the jobs whose input is pulled while they run.
 * @module
 */
import type { TaskReference } from "../tasks/reference.ts";
import type { Errors, Lane, Outgoing } from "../transport/lane.ts";
import { CancelledError } from "../errors.ts";
import type { ChunkMode } from "../transport/protocol.ts";
import { decodeError } from "../transport/remote_error.ts";
import { nextChunkSize, type Pace } from "./chunking.ts";
import { type AsyncResult, type Cancellable, makeResult, reject, resolve } from "./result.ts";

/** What a job knows of its pool when it cuts a chunk. */
export interface Share {
  /** Tasks that run at a time: workers × concurrency. */
  readonly parallel: number;
  /** The most items that the worker may still get. */
  readonly limit: number;
}

/** Some calls that go to a worker together. The scheduler keeps its books in it. */
export interface Chunk {
  readonly job: Job;
  /** The place of its first item in the input. */
  readonly start: number;
  /** How many calls. */
  readonly count: number;
  /** How often it may still be run again after its worker died. */
  retries: number;
  /** The worker that has it, its slot there, and its place in the order in which that worker was given its chunks. */
  holder: object | undefined;
  slot: number;
  order: number;
  /** How long it will take, in ms, as far as that was known when it was sent. */
  cost: number;
}

/** A chunk that nobody has. */
export function chunkOf(job: Job, start: number, count: number, retries: number): Chunk {
  return { job, start, count, retries, holder: undefined, slot: 0, order: 0, cost: 0 };
}

/** A value that is ready to be sent: as it is, or with descriptions of its shared objects. */
export interface Sendable {
  readonly value: unknown;
  readonly handles: boolean;
}

/** Who has a job: its scheduler. */
export interface JobOwner {
  /** Drops what of it has not started; false when nothing was dropped. */
  cancel(job: Job): boolean;
  /** Told once, when it is settled. */
  onSettled(job: Job): void;
}

/** What every job has. */
export abstract class Job implements Outgoing<TaskReference>, Cancellable {
  readonly reference: TaskReference;
  abstract readonly mode: ChunkMode;
  /** Whether items after one that fails are still run. */
  abstract readonly keepGoing: boolean;
  /** Whether nothing of it is awaited any more. */
  settled = false;
  /** Chunks that are out. */
  outstanding = 0;
  /** Whether it stands in the scheduler's queue. */
  queuing = false;
  /** How long its calls take. */
  readonly pace: Pace;
  /** Who has it. */
  owner: JobOwner | undefined = undefined;
  protected readonly retries: number;
  #listeners: (() => void)[] | undefined = undefined;

  /** @param reference the function, @param pace its pace, @param retries for each chunk. */
  constructor(reference: TaskReference, pace: Pace, retries: number) {
    this.reference = reference;
    this.pace = pace;
    this.retries = retries;
  }

  /** Whether the program has to stay alive for it: somebody awaits what comes of it. */
  get keepsAlive(): boolean {
    return !this.settled;
  }

  /** Calls that have not been taken. */
  abstract get queued(): number;
  /** The next chunk; undefined when there is none now. */
  abstract take(share: Share): Chunk | undefined;
  /** Sends a chunk: its slot, or FULL. */
  abstract send(lane: Lane<TaskReference>, chunk: Chunk): number;
  /** Whether a chunk can be sent again: not after memory was transferred. */
  abstract canResend(chunk: Chunk): boolean;
  /** A chunk came back, see `LaneEvents.onResult`. */
  abstract complete(chunk: Chunk, value: unknown, errors: Errors | undefined, processName: string): void;
  /** A chunk will not come back. */
  abstract fail(chunk: Chunk, error: unknown): void;
  /** Gives up: nothing more of it is awaited. */
  abstract abandon(error: unknown): void;

  /** Drops what has not started, see `AsyncResult.cancel`; false when nothing was dropped. */
  cancel(): boolean {
    return this.owner?.cancel(this) ?? false;
  }

  /** Calls `listener` once, when it settles. */
  whenSettled(listener: () => void): void {
    (this.#listeners ??= []).push(listener);
  }

  /** The same chunk in pieces of one call each, so that one that ends its worker does not take the others along. */
  split(chunk: Chunk): Chunk[] {
    return Array.from({ length: chunk.count }, (_, i) => chunkOf(this, chunk.start + i, 1, chunk.retries));
  }

  /** To be called once. */
  protected settle(): void {
    this.settled = true;
    this.owner?.onSettled(this);
    if (this.#listeners === undefined) return;
    for (const listener of this.#listeners) listener();
  }
}

/** Called with the number of calls that are done, and of all, where that is known. */
export type ProgressListener = (progress: { readonly done: number; readonly total: number | undefined }) => void;

/** The error of `cancel()`. */
export function cancelled(name: string): CancelledError {
  return new CancelledError(`${name || "The task"} was cancelled before all of it had started.`);
}

/** One call: `pool.apply`. It is its own and only chunk, and as small as can be: there may be 100,000 of them. */
export class ApplyJob extends Job implements Chunk {
  override retries: number;
  holder: object | undefined = undefined;
  slot = 0;
  order = 0;
  cost = 0;
  /** What the caller gets. */
  readonly result: AsyncResult<unknown>;
  readonly #args: unknown;
  readonly #handles: boolean;
  readonly #transfer: readonly unknown[] | undefined;
  #taken = false;

  /** @param args the arguments, ready to be sent. */
  constructor(
    reference: TaskReference,
    pace: Pace,
    args: unknown,
    handles: boolean,
    transfer: readonly unknown[] | undefined,
    retries: number,
  ) {
    super(reference, pace, retries);
    this.retries = retries;
    this.#args = args;
    this.#handles = handles;
    this.#transfer = transfer;
    this.result = makeResult(this);
  }

  get mode(): "apply" {
    return "apply";
  }

  get keepGoing(): false {
    return false;
  }

  get start(): 0 {
    return 0;
  }

  get count(): 1 {
    return 1;
  }

  get job(): this {
    return this;
  }

  get queued(): number {
    return this.#taken || this.settled ? 0 : 1;
  }

  take(share: Share): Chunk | undefined {
    if (this.#taken || share.limit < 1) return undefined;
    this.#taken = true;
    return this;
  }

  /** It is sent without having been queued. */
  takeNow(): void {
    this.#taken = true;
  }

  send(lane: Lane<TaskReference>): number {
    return lane.send(this, this.#args, this.#handles, this.#transfer);
  }

  canResend(): boolean {
    return this.#transfer === undefined || this.#transfer.length === 0;
  }

  complete(_chunk: Chunk, value: unknown, errors: Errors | undefined, processName: string): void {
    if (errors === undefined) {
      resolve(this.result, value);
    } else {
      try {
        reject(this.result, decodeError((errors[0] as Errors[number])[1], processName));
      } catch (error) {
        reject(this.result, error);
      }
    }
    this.settle();
  }

  fail(_chunk: Chunk, error: unknown): void {
    this.abandon(error);
  }

  abandon(error: unknown): void {
    if (this.settled) return;
    reject(this.result, error);
    this.settle();
  }
}

/** What `map` is given, when its length is known. */
export type Items = readonly unknown[] | TypedArray;

/** Any typed array. */
export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** One function over an array: `pool.map` and `pool.starmap`. */
export class MapJob extends Job {
  readonly mode: "map" | "starmap";
  readonly keepGoing = false;
  readonly #items: Items;
  readonly #handles: boolean;
  readonly #chunkSize: number | undefined;
  readonly #transfer: readonly unknown[] | undefined;
  readonly #sharing: boolean;
  readonly #copied: boolean;
  readonly #onProgress: ProgressListener | undefined;
  /** What the caller gets. */
  readonly result: AsyncResult<unknown[]>;
  readonly #results: unknown[];
  #sent = 0;
  #done = 0;

  /** @param items what to map, ready to be sent. */
  constructor(
    reference: TaskReference,
    pace: Pace,
    mode: "map" | "starmap",
    items: { readonly value: Items; readonly handles: boolean },
    options: {
      readonly chunkSize: number | undefined;
      readonly transfer: readonly unknown[] | undefined;
      /** Whether memory can move to the workers, or be shared with them. */
      readonly sharing: boolean;
      readonly retries: number;
      readonly onProgress: ProgressListener | undefined;
      /** Whether a lane copies what it sends at once, so that no copy has to be made before. */
      readonly copied: boolean;
    },
  ) {
    super(reference, pace, options.retries);
    this.mode = mode;
    this.#items = items.value;
    this.#handles = items.handles;
    this.#chunkSize = options.chunkSize;
    this.#transfer = options.transfer;
    this.#sharing = options.sharing;
    this.#copied = options.copied;
    this.#onProgress = options.onProgress;
    this.#results = new Array(items.value.length);
    this.result = makeResult<unknown[]>(this);
    if (items.value.length === 0) {
      this.settled = true;
      resolve(this.result, []);
    }
  }

  get queued(): number {
    return this.settled ? 0 : this.#items.length - this.#sent;
  }

  take(share: Share): Chunk | undefined {
    const total = this.#items.length;
    const remaining = total - this.#sent;
    if (remaining === 0 || share.limit < 1) return undefined;
    const size = this.#chunkSize ?? nextChunkSize(remaining, total, share.parallel, this.pace.itemMs);
    const count = Math.min(size, remaining, share.limit);
    const chunk = chunkOf(this, this.#sent, count, this.retries);
    this.#sent += count;
    return chunk;
  }

  send(lane: Lane<TaskReference>, chunk: Chunk): number {
    const { start, count } = chunk;
    const items = this.#items;
    if (!ArrayBuffer.isView(items)) {
      const transfer = this.#transfer === undefined ? undefined : transferOf(items, start, count, this.#transfer);
      return lane.send(this, items.slice(start, start + count), this.#handles, transfer);
    }
    // Shared memory is given as it is. Other memory is copied once, and what message takes the copy moves it.
    const view = items.subarray(start, start + count);
    if (this.#copied || items.buffer instanceof SharedArrayBuffer) return lane.send(this, view, false, undefined);
    const copy = copyOf(items, start, count);
    return lane.send(this, copy, false, this.#sharing ? [copy.buffer] : undefined);
  }

  canResend(): boolean {
    return this.#transfer === undefined || this.#transfer.length === 0;
  }

  complete(chunk: Chunk, value: unknown, errors: Errors | undefined, processName: string): void {
    if (errors !== undefined) {
      let error: unknown;
      try {
        error = decodeError((errors[0] as Errors[number])[1], processName);
      } catch (unreadable) {
        error = unreadable;
      }
      return this.abandon(error);
    }
    const values = value as unknown[];
    const results = this.#results;
    for (let i = 0, at = chunk.start; i < values.length; i++, at++) results[at] = values[i];
    this.#done += chunk.count;
    this.#onProgress?.({ done: this.#done, total: this.#items.length });
    if (this.settled || this.#done < this.#items.length) return;
    resolve(this.result, this.#results);
    this.settle();
  }

  fail(_chunk: Chunk, error: unknown): void {
    this.abandon(error);
  }

  abandon(error: unknown): void {
    if (this.settled) return;
    reject(this.result, error);
    this.settle();
  }
}

/** A copy of its own, as a plain typed array: what `slice` of a Buffer gives is a view of the same memory. */
function copyOf(items: TypedArray, start: number, count: number): TypedArray {
  const kinds = globalThis as unknown as Record<string, new (length: number) => TypedArray>;
  const copy = new (kinds[items[Symbol.toStringTag]] as new (length: number) => TypedArray)(count);
  copy.set(items.subarray(start, start + count) as never);
  return copy;
}

/** Those of `transfer` that items of this chunk are, or hold directly; a buffer moves with the chunk that has it. */
function transferOf(items: readonly unknown[], start: number, count: number, transfer: readonly unknown[]): unknown[] {
  const wanted = new Set(transfer);
  const found = new Set<unknown>();
  const look = (value: unknown): void => {
    const candidate = ArrayBuffer.isView(value) ? value.buffer : value;
    if (wanted.has(candidate)) found.add(candidate);
  };
  for (let i = start; i < start + count; i++) {
    const item = items[i];
    look(item);
    if (typeof item === "object" && item !== null && !ArrayBuffer.isView(item)) Object.values(item).forEach(look);
  }
  return [...found];
}
