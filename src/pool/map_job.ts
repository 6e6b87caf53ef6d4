/**
 * One function over an array whose length is known: `pool.map` and `pool.starmap`. It is cut into chunks as workers have room for
 * them.
 * @module
 */
import type { TaskReference } from "../tasks/reference.ts";
import type { Errors, Lane } from "../transport/lane.ts";
import type { NumberView } from "../transport/scalar.ts";
import { nextChunkSize, type Pace } from "./chunking.ts";
import { type Chunk, chunkOf, errorFrom, Job, type ProgressListener, type Share } from "./job.ts";
import { type AsyncResult, makeResult, reject, resolve } from "./result.ts";

/** What `map` is given, when its length is known. */
export type Items = readonly unknown[] | TypedArray;

/** Any typed array. */
export type TypedArray = NumberView | BigInt64Array | BigUint64Array;

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
      return this.abandon(errorFrom((errors[0] as Errors[number])[1], processName));
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
