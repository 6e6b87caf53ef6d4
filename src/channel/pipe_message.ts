/**
 * A message of a pipe, as its two sides see it.
 *
 * WORD   the tag of a record: FIRST and LAST piece of its message · BYTES: from `sendBytes` · CARGO: with shared objects in it ·
 *        NUMBER: a float64 and nothing else, since going through the codec would take longer than all the rest. The first
 *        piece of several begins with the length of the message, as a float64
 * @module
 */
import { ConnectionClosedError } from "../errors.ts";
import { RING_HEADER_BYTES, type RingPlace } from "../memory/ring.ts";
import { Encoder } from "../transport/codec.ts";
import { courier } from "../transport/courier.ts";
import type { Cargo } from "../transport/parcel.ts";

/** Parts of a tag. */
export const FIRST = 1;
export const LAST = 2;
export const BYTES = 4;
export const CARGO = 8;
export const NUMBER = 16;

/** The longest message that is one record. */
export const SINGLE_BYTES = 32 * 1024;
/** The data of a ring as numbers: payloads begin at multiples of 8. */
export function floatsOf({ buffer, byteOffset, size }: RingPlace): Float64Array<SharedArrayBuffer> {
  return new Float64Array(buffer, byteOffset + RING_HEADER_BYTES, size / 8);
}

let encoder: Encoder | undefined;

/** The encoder of this agent's connections. */
export function pipeEncoder(): Encoder {
  return encoder ??= new Encoder(courier);
}

/** What is sent: bytes, from `start` on. */
export interface Outgoing {
  bytes: Uint8Array;
  start: number;
  readonly length: number;
  readonly tag: number;
  readonly cargo: Cargo | undefined;
  /** How much of it is in the ring. */
  done: number;
}

/** A message that is to be sent. */
export function outgoing(bytes: Uint8Array, start: number, length: number, tag: number, cargo?: Cargo): Outgoing {
  return { bytes, start, length, tag, cargo, done: 0 };
}

/** The error for a connection that was closed here. */
export function closedError(label: string, what: string): ConnectionClosedError {
  return new ConnectionClosedError(`Cannot ${what}: ${label} is closed in this process.`);
}

const lengths = new Float64Array(1);
const lengthBytes = new Uint8Array(lengths.buffer);

/** Writes the length of a message in front of its first piece: 8 bytes. */
export function writeLength(length: number, bytes: Uint8Array, at: number): void {
  lengths[0] = length;
  bytes.set(lengthBytes, at);
}

/** Reads it. */
export function lengthAt(bytes: Uint8Array, at: number): number {
  lengthBytes.set(bytes.subarray(at, at + 8));
  return lengths[0] as number;
}
