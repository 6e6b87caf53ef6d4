/**
 * What the calls of a connection are given, looked at.
 * @module
 */
import type { WaitOptions } from "../memory/park.ts";
import { encodeParcel, takeCargo } from "../transport/parcel.ts";
import { CARGO, type Outgoing, outgoing, pipeEncoder } from "./pipe_message.ts";
import { ANY_BYTES, type Want } from "./pipe_reader.ts";

/** Bytes that can be sent: a typed array, a `DataView` or a buffer, shared or not. */
export type BytesLike = ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

/** Options of {@linkcode Connection.sendBytes}. */
export interface SendBytesOptions extends WaitOptions {
  /** The first byte that is sent; the default is 0. */
  readonly offset?: number | undefined;
  /** How many bytes are sent; the default is all from `offset` on. */
  readonly size?: number | undefined;
}

/** Options of {@linkcode Connection.recvBytes}. */
export interface RecvBytesOptions extends WaitOptions {
  /** The longest message, in bytes; a longer one is an error, and stays where it is. */
  readonly maxLength?: number | undefined;
}

/** Options of {@linkcode Connection.recvBytesInto}. */
export interface RecvBytesIntoOptions extends WaitOptions {
  /** Where the message begins in the buffer, in bytes; the default is 0. */
  readonly offset?: number | undefined;
}

/** A value, encoded. The bytes are good until the next one is encoded. */
export function encoded(value: unknown): Outgoing {
  const encoder = pipeEncoder();
  const length = encodeParcel(encoder, value, "value");
  const cargo = takeCargo();
  return outgoing(encoder.bytes, 0, length, cargo === undefined ? 0 : CARGO, cargo);
}

/** What `recvBytes` is asked for. @throws {TypeError} {RangeError} */
export function wantOf(options: RecvBytesOptions | undefined): Want {
  const most = options?.maxLength;
  if (most === undefined) return ANY_BYTES;
  if (typeof most !== "number") throw new TypeError(`Cannot receive: maxLength is ${String(most)}, not a number.`);
  if (!(most >= 0)) throw new RangeError(`Cannot receive: negative maxLength ${most}; give a number of bytes.`);
  return { bytes: true, most };
}

function viewOf(bytes: unknown, what: string): Uint8Array {
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes instanceof ArrayBuffer || bytes instanceof SharedArrayBuffer) return new Uint8Array(bytes);
  throw new TypeError(`Cannot ${what} ${String(bytes)}: give a typed array, a DataView, or a buffer.`);
}

function checkIndex(value: unknown, what: string): number {
  if (!Number.isInteger(value)) throw new TypeError(`${what} is ${String(value)}, not an integer.`);
  if ((value as number) < 0) throw new RangeError(`${what} is negative: ${String(value)}.`);
  return value as number;
}

/** What `sendBytes` is given: the bytes, where to begin, how many. @throws {TypeError} {RangeError} */
export function piece(bytes: BytesLike, options: SendBytesOptions | undefined): [Uint8Array, number, number] {
  const view = viewOf(bytes, "send");
  const offset = options?.offset === undefined ? 0 : checkIndex(options.offset, "sendBytes: offset");
  if (offset > view.length) {
    throw new RangeError(`sendBytes: offset is ${offset}, and the buffer has ${view.length} bytes.`);
  }
  const size = options?.size === undefined ? view.length - offset : checkIndex(options.size, "sendBytes: size");
  if (offset + size > view.length) {
    throw new RangeError(`sendBytes: offset + size is ${offset + size}, and the buffer has ${view.length} bytes.`);
  }
  return [view, offset, size];
}

/** What `recvBytesInto` is given. @throws {TypeError} {RangeError} */
export function into(buffer: BytesLike, options: RecvBytesIntoOptions | undefined): Want {
  const view = viewOf(buffer, "receive into");
  const offset = options?.offset === undefined ? 0 : checkIndex(options.offset, "recvBytesInto: offset");
  if (offset > view.length) {
    throw new RangeError(`recvBytesInto: offset is ${offset}, and the buffer has ${view.length} bytes.`);
  }
  return { bytes: true, into: offset === 0 ? view : view.subarray(offset) };
}
