/**
 * A value as bytes, with everything that travels beside them: what queues and pipes send.
 *
 * ```
 *  encodeParcel ─▶ bytes, and takeCargo() ──┬─ sent ──▶ sentCargo(cargo)                 openParcel(bytes) ─▶ value
 *                                           └─ not ───▶ undoCargo(cargo)                  └─ MissingMemoryError: the memory has to
 *                                                                                            be fetched: openParcelSync, …Later
 * ```
 * @module
 */
import { EncodingError } from "../errors.ts";
import { type Cargo, keepBooks, whileDropping } from "./cargo.ts";
import { decode, type Encoder, MissingMemoryError } from "./codec.ts";
import { courier, fetchMemory, fetchMemorySync, onDiscard, release } from "./courier.ts";

export type { Cargo };

let lastCargo: Cargo | undefined;

/**
 * Encodes a value with `encoder`, which has the courier, into its own `bytes`; the result is the length. What it took along
 * is then given by {@linkcode takeCargo}.
 * @throws {EncodingError} when the value cannot be sent
 */
export function encodeParcel(encoder: Encoder, value: unknown, root: string): number {
  lastCargo = undefined;
  return keepBooks(encodeNow, encoder, value, root, closeEncoding);
}

function encodeNow(encoder: Encoder, value: unknown, root: string): number {
  return encoder.encode(value, root);
}

function closeEncoding(cargo: Cargo | undefined, _taken: unknown, failure: unknown): void {
  if (failure === undefined) lastCargo = cargo;
  else undoCargo(cargo);
}

/** What the last {@linkcode encodeParcel} set aside for its message; undefined, as for nearly all: nothing. */
export function takeCargo(): Cargo | undefined {
  const cargo = lastCargo;
  lastCargo = undefined;
  return cargo;
}

/** The message has been published. */
export function sentCargo(cargo: Cargo | undefined): void {
  if (cargo === undefined) return;
  for (const item of cargo) if (typeof item !== "number") item.sent();
}

/** The message is not going to be published. */
export function undoCargo(cargo: Cargo | undefined): void {
  if (cargo === undefined) return;
  for (const item of cargo) {
    if (typeof item === "number") release(item);
    else item.undo();
  }
}

/**
 * Decodes a message.
 * @throws {MissingMemoryError} when there is memory in it that is not here yet: copy the bytes, and use one of the others
 * @throws {EncodingError} when it is damaged
 */
export function openParcel(bytes: Uint8Array, start: number, end: number): unknown {
  return keepBooks(decodeNow, bytes, start, end, closeDecoding);
}

function decodeNow(bytes: Uint8Array, start: number, end: number): unknown {
  return decode(bytes, start, end, courier);
}

function closeDecoding(_cargo: unknown, taken: readonly number[] | undefined, failure: unknown): void {
  // It will be decoded again, and its memory found again.
  if (taken === undefined || failure instanceof MissingMemoryError) return;
  for (const id of taken) release(id);
}

/** Decodes a message; blocks the thread for what is not here yet. */
export function openParcelSync(bytes: Uint8Array, start: number, end: number): unknown {
  for (let last = -1;;) {
    try {
      return openParcel(bytes, start, end);
    } catch (failure) {
      if (!(failure instanceof MissingMemoryError) || failure.id === last) throw failure;
      fetchMemorySync(last = failure.id);
    }
  }
}

/** Decodes a message, waiting for what is not here yet without blocking the thread. The bytes must stay as they are. */
export async function openParcelLater(bytes: Uint8Array, start: number, end: number): Promise<unknown> {
  for (let last = -1;;) {
    try {
      return openParcel(bytes, start, end);
    } catch (failure) {
      if (!(failure instanceof MissingMemoryError) || failure.id === last) throw failure;
      await fetchMemory(last = failure.id);
    }
  }
}

/** Lets go of what is in a message that nobody will read: it is decoded, and its shared objects are collected. */
export function dropParcel(bytes: Uint8Array): void {
  try {
    whileDropping(() => void openParcel(bytes, 0, bytes.length));
  } catch (failure) {
    // Memory whose sender died before it was exported, or a class that is not loaded here.
    if (!(failure instanceof EncodingError)) throw failure;
  }
}

onDiscard(dropParcel);
