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
import type { ChunkMode, WireError } from "../transport/protocol.ts";
import { decodeError } from "../transport/remote_error.ts";
import type { Pace } from "./chunking.ts";
import { type AsyncResult, makeResult, reject, resolve, type ResultOwner } from "./result.ts";

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
  /** The worker that has it, and its slot there. */
  holder: object | undefined;
  slot: number;
}

/** A chunk that nobody has. */
export function chunkOf(job: Job, start: number, count: number, retries: number): Chunk {
  return { job, start, count, retries, holder: undefined, slot: 0 };
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
export abstract class Job implements Outgoing<TaskReference>, ResultOwner {
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
  /** What settles its result. */
  resolve: ResultOwner["resolve"] = undefined;
  reject: ResultOwner["reject"] = undefined;
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

/** The error that a worker told of, or why that cannot be read: what is thrown here would hit whoever drains the lane. */
export function errorFrom(wire: WireError, processName: string): unknown {
  try {
    return decodeError(wire, processName);
  } catch (error) {
    return error;
  }
}

/** One call: `pool.apply`. It is its own and only chunk, and as small as can be: there may be 100,000 of them. */
export class ApplyJob extends Job implements Chunk {
  override retries: number;
  holder: object | undefined = undefined;
  slot = 0;
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
      reject(this.result, errorFrom((errors[0] as Errors[number])[1], processName));
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
