/**
 * The way from a host to one pool worker, as a scheduler sees it. There are two: rings in shared memory (`ring_lane.ts`), for threads,
 * and messages (`message_lane.ts`), for workers of type `"process"`.
 *
 * ```
 *  scheduler ── send ──▶ slot ── flush ──▶ worker: claims each chunk, runs it, replies with the slot
 *           ◀── onRefused (cannot be cloned)            revoke ──▶ takes a chunk back that has not started
 * ```
 *
 * A slot is a small number that a chunk has from `send` until `settle` or a successful `revoke`.
 * @module
 */
import type { EncodingError } from "../errors.ts";
import type { ChunkMode, WireError } from "./protocol.ts";

/** The number of a chunk that was not sent, because the lane is full. */
export const FULL = -1;

/** What a lane reads of a chunk. */
export interface Outgoing<R> {
  /** The function. */
  readonly reference: R;
  readonly mode: ChunkMode;
  readonly keepGoing: boolean;
}

/** What a scheduler needs of the way to one worker. */
export interface Lane<R extends { readonly id: number }> {
  /** Whether there may be room for another chunk. */
  readonly hasRoom: boolean;
  /**
   * Puts a chunk into the next batch; returns its slot, or {@linkcode FULL}.
   * @param value `apply`: the arguments; else the items
   * @param handles whether shared objects in it have been replaced by descriptions
   * @param transfer buffers and ports that move instead of being copied
   * @throws {EncodingError} when the value cannot be sent, and whatever its getters throw
   */
  send(
    chunk: Outgoing<R>,
    value: unknown,
    handles: boolean,
    transfer: readonly unknown[] | undefined,
  ): number;
  /** Sends the batch. True: its worker slept, and was woken. */
  flush(): boolean;
  /** Takes back a chunk: true, and it will never run; false, it has started. */
  revoke(slot: number): boolean;
  /** Whether a chunk has started, as far as that can be known. */
  hasStarted(slot: number): boolean;
  /** The result of a chunk has come, or was refused: its slot is free. */
  settle(slot: number): void;
}

/** What a lane tells: a chunk that could not be sent after all, or what came back. */
export interface LaneEvents {
  onRefused(slot: number, error: EncodingError): void;
  /**
   * A chunk came back. `elapsed`: how long `count` calls like it took, in ms; 0 when that was not measured.
   * @param value `apply`: the result; else an array of results, of which those that failed are undefined; undefined when all failed
   * @param errors what failed: the place in the chunk, and the error
   */
  onResult(slot: number, value: unknown, errors: Errors | undefined, elapsed: number, count: number): void;
  /** A chunk came back, and cannot be read. */
  onUnreadable(slot: number, error: unknown): void;
}

/** What failed in a chunk: the place, and the error. */
export type Errors = readonly (readonly [number, WireError])[];
