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
import { type Packed, unpack } from "../transport/handles.ts";
import type { ChunkMode, Payload, WireResult } from "../transport/protocol.ts";
import { decodeError } from "../transport/remote_error.ts";
import { CancelledError } from "../errors.ts";
import { nextChunkSize } from "./chunking.ts";
import { type AsyncResult, type ResultSource, resultSource } from "./result.ts";

/** What a job knows of its pool when it cuts a chunk. */
export interface Share {
  /** Tasks that run at a time: workers × concurrency. */
  readonly parallel: number;
  /** Measured time of one call of this function, in ms. */
  readonly itemMs: number | undefined;
  /** The most items that the worker may still get. */
  readonly limit: number;
}

/** Some calls that go to a worker together. */
export interface Chunk {
  readonly job: Job;
  /** The place of its first item in the input. */
  readonly start: number;
  /** How many calls. */
  readonly count: number;
  /** How often it may still be run again after its worker died. */
  retries: number;
}

/** What crosses for a chunk. */
export interface ChunkData {
  readonly items: Payload;
  readonly transfer: readonly unknown[] | undefined;
}

/** What every job has. */
export abstract class Job {
  readonly reference: TaskReference;
  readonly mode: ChunkMode;
  /** Whether items after one that fails are still run. */
  abstract readonly keepGoing: boolean;
  /** Whether nothing of it is awaited any more. */
  settled = false;
  /** Called once, when it settles. */
  readonly whenSettled: (() => void)[] = [];
  /** Chunks that are out. */
  outstanding = 0;
  protected readonly retries: number;

  /** @param reference the function, @param mode how items become arguments, @param retries for each chunk. */
  constructor(reference: TaskReference, mode: ChunkMode, retries: number) {
    this.reference = reference;
    this.mode = mode;
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
  /** What to send for a chunk. */
  abstract data(chunk: Chunk): ChunkData;
  /** Whether {@linkcode Job.data} can be called again for it: not after memory was transferred. */
  abstract canResend(chunk: Chunk): boolean;
  /** A chunk came back. */
  abstract complete(chunk: Chunk, result: WireResult, processName: string): void;
  /** A chunk will not come back. */
  abstract fail(chunk: Chunk, error: unknown): void;
  /** Gives up: nothing more of it is awaited. */
  abstract abandon(error: unknown): void;
  /** Drops what has not started, see `AsyncResult.cancel`; false when nothing was dropped. Set by the scheduler. */
  cancel: () => boolean = () => false;

  /** The same chunk in pieces of one call each, so that one that ends its worker does not take the others along. */
  split(chunk: Chunk): Chunk[] {
    return Array.from({ length: chunk.count }, (_, i) => ({ ...chunk, start: chunk.start + i, count: 1 }));
  }

  /** To be called once. */
  protected settle(): void {
    this.settled = true;
    for (const listener of this.whenSettled) listener();
  }
}

/** Called with the number of calls that are done, and of all, where that is known. */
export type ProgressListener = (progress: { readonly done: number; readonly total: number | undefined }) => void;

/** The error of `cancel()`. */
export function cancelled(name: string): CancelledError {
  return new CancelledError(`${name || "The task"} was cancelled before all of it had started.`);
}

/** Live values from a payload. */
export function receivePayload(payload: Payload | undefined): unknown {
  if (payload === undefined) return undefined;
  return payload.handles ? unpack(payload.value) : payload.value;
}

/** One call: `pool.apply`. */
export class ApplyJob extends Job {
  readonly keepGoing = false;
  readonly #args: Packed;
  readonly #transfer: readonly unknown[] | undefined;
  readonly #source: ResultSource<unknown>;
  #taken = false;

  /** @param args the arguments, ready to be sent. */
  constructor(reference: TaskReference, args: Packed, transfer: readonly unknown[] | undefined, retries: number) {
    super(reference, "apply", retries);
    this.#args = args;
    this.#transfer = transfer;
    this.#source = resultSource<unknown>(() => this.cancel());
  }

  /** What the caller gets. */
  get result(): AsyncResult<unknown> {
    return this.#source.result;
  }

  get queued(): number {
    return this.#taken || this.settled ? 0 : 1;
  }

  take(share: Share): Chunk | undefined {
    if (this.#taken || share.limit < 1) return undefined;
    this.#taken = true;
    return { job: this, start: 0, count: 1, retries: this.retries };
  }

  data(): ChunkData {
    return { items: this.#args, transfer: this.#transfer };
  }

  canResend(): boolean {
    return this.#transfer === undefined || this.#transfer.length === 0;
  }

  complete(_chunk: Chunk, result: WireResult, processName: string): void {
    const failure = result.errors[0];
    try {
      if (failure === undefined) this.#source.resolve(receivePayload(result.result));
      else this.#source.reject(decodeError(failure[1], processName));
    } catch (error) {
      this.#source.reject(error);
    }
    this.settle();
  }

  fail(_chunk: Chunk, error: unknown): void {
    this.abandon(error);
  }

  abandon(error: unknown): void {
    this.#source.reject(error);
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
  readonly keepGoing = false;
  readonly #items: Items;
  readonly #handles: boolean;
  readonly #chunkSize: number | undefined;
  readonly #transfer: readonly unknown[] | undefined;
  readonly #sharing: boolean;
  readonly #onProgress: ProgressListener | undefined;
  readonly #source: ResultSource<unknown[]>;
  readonly #results: unknown[];
  #sent = 0;
  #done = 0;

  /** @param items what to map, ready to be sent. */
  constructor(
    reference: TaskReference,
    mode: "map" | "starmap",
    items: { readonly value: Items; readonly handles: boolean },
    options: {
      readonly chunkSize: number | undefined;
      readonly transfer: readonly unknown[] | undefined;
      /** Whether memory can move to the workers, or be shared with them. */
      readonly sharing: boolean;
      readonly retries: number;
      readonly onProgress: ProgressListener | undefined;
    },
  ) {
    super(reference, mode, options.retries);
    this.#items = items.value;
    this.#handles = items.handles;
    this.#chunkSize = options.chunkSize;
    this.#transfer = options.transfer;
    this.#sharing = options.sharing;
    this.#onProgress = options.onProgress;
    this.#results = new Array(items.value.length);
    this.#source = resultSource<unknown[]>(() => this.cancel());
    if (items.value.length === 0) {
      this.settled = true;
      this.#source.resolve([]);
    }
  }

  /** What the caller gets. */
  get result(): AsyncResult<unknown[]> {
    return this.#source.result;
  }

  get queued(): number {
    return this.settled ? 0 : this.#items.length - this.#sent;
  }

  take(share: Share): Chunk | undefined {
    const total = this.#items.length;
    const remaining = total - this.#sent;
    if (remaining === 0 || share.limit < 1) return undefined;
    const size = this.#chunkSize ?? nextChunkSize(remaining, total, share.parallel, share.itemMs);
    const count = Math.min(size, remaining, share.limit);
    const chunk: Chunk = { job: this, start: this.#sent, count, retries: this.retries };
    this.#sent += count;
    return chunk;
  }

  data(chunk: Chunk): ChunkData {
    const { start, count } = chunk;
    const items = this.#items;
    if (!ArrayBuffer.isView(items)) {
      const transfer = this.#transfer === undefined ? undefined : transferOf(items, start, count, this.#transfer);
      return { items: { value: items.slice(start, start + count), handles: this.#handles }, transfer };
    }
    // Shared memory is given as it is. Other memory is copied once, and the copy moves.
    if (items.buffer instanceof SharedArrayBuffer) {
      return { items: { value: items.subarray(start, start + count), handles: false }, transfer: undefined };
    }
    const copy = copyOf(items, start, count);
    return { items: { value: copy, handles: false }, transfer: this.#sharing ? [copy.buffer] : undefined };
  }

  canResend(): boolean {
    return this.#transfer === undefined || this.#transfer.length === 0;
  }

  complete(chunk: Chunk, result: WireResult, processName: string): void {
    const failure = result.errors[0];
    if (failure !== undefined) return this.abandon(decodeError(failure[1], processName));
    try {
      const values = receivePayload(result.result) as unknown[];
      for (let i = 0; i < values.length; i++) this.#results[chunk.start + i] = values[i];
    } catch (error) {
      return this.abandon(error);
    }
    this.#done += chunk.count;
    this.#onProgress?.({ done: this.#done, total: this.#items.length });
    if (this.settled || this.#done < this.#items.length) return;
    this.#source.resolve(this.#results);
    this.settle();
  }

  fail(_chunk: Chunk, error: unknown): void {
    this.abandon(error);
  }

  abandon(error: unknown): void {
    if (this.settled) return;
    this.#source.reject(error);
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
