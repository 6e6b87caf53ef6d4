/**
 * Values as bytes: everything that structured clone carries, with cycles and shared references, and the objects that
 * may be passed anywhere (locks, values, queues …).
 *
 * ```
 *  sender                                     bytes (a ring, a queue's segment, anything)          receiver
 *  value ── Encoder.encodeInto ──▶ target[start..end) ──────────────────────────────▶ decode ──▶ value
 *            │ shared objects: kind + detach()                                          │ attach()
 *            │ shared memory: courier.export() ──▶ a number ──▶ courier.import() ◀───────┘
 *            ├──▶ NO_ROOM        the target is too small
 *            ├──▶ NEEDS_MESSAGE  without a courier, or with one that is partial, where the value has shared memory that it does not carry, or an
 *            │                object that only a message carries
 *            └──▶ EncodingError  it cannot cross at all, with the path of what cannot
 * ```
 *
 * `codec_tags.ts` has the format; `codec_output.ts` and `codec_writer.ts` write it, `codec_input.ts` and `codec_reader.ts` read it;
 * `codec_shapes.ts`, `codec_numbers.ts` and `codec_errors.ts` have both sides of what they are about.
 *
 * Where it goes less far: a `Buffer` that Node has cut from its pool arrives with its own bytes alone, and not with the pool, where others
 * have theirs.
 *
 * Where it goes further than structured clone: errors keep their class where the receiver knows it, their name, `errors` and
 * fields; a field that cannot be sent arrives as a sentence that says so.
 * @module
 */
import { EncodingError } from "../errors.ts";
import { damaged, NONE } from "./codec_input.ts";
import { Stop } from "./codec_output.ts";
import { HandlesNotLoadedError, MissingMemoryError, Reader } from "./codec_reader.ts";
import { SHORT, Tag } from "./codec_tags.ts";
import { type MemoryCourier, Writer } from "./codec_writer.ts";
import { refuseFirst } from "./handles.ts";
import { refusal } from "./refusal.ts";

export { HandlesNotLoadedError, type MemoryCourier, MissingMemoryError };

/** The value has something that bytes cannot carry: send it with `postMessage`. */
export const NEEDS_MESSAGE = -1;
/** The encoding is longer than the target. */
export const NO_ROOM = -2;

const FIRST_BYTES = 4096;
/** Scratch memory above that is given back when the encoding has been used. */
const KEPT_BYTES = 4 << 20;
/** Scratch memory above that is given back after a while, */
const KEPT_BYTES_LONG = 1 << 20;
/** after so many small values. */
const SMALL_ONES = 64;

/** How many bytes the encoding of a value has at the least, as far as that shows without looking into it; 0: it does not. */
export function leastBytes(value: unknown): number {
  if (typeof value === "string") return value.length;
  const bytes = ArrayBuffer.isView(value) ? value.buffer : value;
  return bytes instanceof ArrayBuffer ? (value as ArrayBuffer | ArrayBufferView).byteLength : 0;
}

/** Encodes values, one after another; not for use by two threads. Getters of a value may use it while it is at work. */
export class Encoder {
  /** Where {@linkcode encode} leaves its encoding, until the next call or, where it is large, the end of this turn. */
  bytes: Uint8Array;
  readonly #courier: MemoryCourier | undefined;
  readonly #scratch: Writer;
  readonly #direct: Writer;
  #busy = false;
  #small = 0;
  /** How long the last value was, if it was large. */
  #likely = 0;

  /** Makes an encoder. @param courier carries shared memory */
  constructor(courier?: MemoryCourier) {
    this.#courier = courier;
    this.#scratch = new Writer();
    this.#scratch.out = new Uint8Array(FIRST_BYTES);
    this.#direct = new Writer();
    this.bytes = this.#scratch.out;
  }

  /**
   * Encodes `value` into {@linkcode bytes}, from 0 on.
   *
   * @param value what is encoded
   * @param root how the value is called in an error, for example `item`
   * @returns the length, or NEEDS_MESSAGE
   * @throws {EncodingError} when something in it cannot cross
   */
  encode(value: unknown, root: string): number {
    const writer = this.#busy ? new Writer() : this.#scratch;
    if (writer.out.length > KEPT_BYTES_LONG && this.#small > SMALL_ONES) writer.out = new Uint8Array(KEPT_BYTES_LONG);
    writer.at = 0;
    writer.end = writer.out.length;
    writer.likely = this.#likely;
    let length: number;
    let { out } = writer;
    try {
      length = this.#run(writer, value, root);
    } finally {
      out = writer.out;
      if (out.length > KEPT_BYTES) writer.out = new Uint8Array(FIRST_BYTES);
    }
    this.#likely = out.length > KEPT_BYTES ? Math.max(0, length) : 0;
    this.#small = length > KEPT_BYTES_LONG >> 2 ? 0 : this.#small + 1;
    this.bytes = out;
    if (out.length > KEPT_BYTES) this.#dropLater(out);
    return length;
  }

  /** Lets go of an encoding that is large: it would stay until the next value, which may never come. */
  #dropLater(bytes: Uint8Array): void {
    queueMicrotask(() => {
      if (this.bytes === bytes) this.bytes = this.#scratch.out;
    });
  }

  /**
   * Encodes `value` into `target`, from `start` on.
   *
   * @returns the end of the encoding, or NEEDS_MESSAGE, or NO_ROOM when the end may be beyond `end` (it fits for sure where
   *   there is room for three times its length and 16 bytes). Then, and when this throws, `target` may have been
   *   written to between `start` and `end`. A value need not take as many bytes the next time
   * @throws {EncodingError} when something in it cannot cross
   */
  encodeInto(value: unknown, root: string, target: Uint8Array, start: number, end: number): number {
    const writer = this.#busy ? new Writer() : this.#direct;
    writer.owned = false;
    writer.out = target;
    writer.at = start;
    writer.end = Math.min(end, target.length);
    return this.#run(writer, value, root);
  }

  #run(writer: Writer, value: unknown, root: string): number {
    const before = this.#busy;
    try {
      if (typeof value !== "object" || value === null) writer.primitive(value);
      else {
        this.#busy = true;
        writer.courier = this.#courier;
        writer.graph(value);
      }
      return writer.at;
    } catch (failure) {
      if (!(failure instanceof Stop)) throw failure;
      if (failure.reason === "room") return NO_ROOM;
      const bytesOnly = this.#courier !== undefined && this.#courier.partial !== true;
      if (failure.reason === "message" && !bytesOnly) return NEEDS_MESSAGE;
      refuseFirst(value, root, bytesOnly);
      throw refusal(root, failure.what);
    } finally {
      this.#busy = before;
    }
  }
}

/** The reader that is used unless it is at work: attaching a shared object may decode something. */
const reader = new Reader();
let reading = false;

/**
 * Decodes the message in `bytes[start..end)`, which may be shared memory; everything is copied out of it.
 *
 * @throws {HandlesNotLoadedError} when it has an object of a class that is not loaded: load, and decode again
 * @throws {MissingMemoryError} when it has shared memory that the courier does not know (yet)
 * @throws {EncodingError} when the bytes are no message
 */
export function decode(bytes: Uint8Array, start: number, end: number, courier?: MemoryCourier): unknown {
  if (!(start >= 0 && start < end && end <= bytes.length)) {
    throw new EncodingError(`Cannot decode a message: ${start} to ${end} of ${bytes.length} bytes is none.`, "message");
  }
  const tag = bytes[start] as number;
  if (tag < SHORT && end - start === 1) return tag;
  const mine = reading ? new Reader() : reader;
  const before = reading;
  reading = true;
  mine.startText();
  try {
    if (tag >= Tag.GRAPH) return mine.graph(bytes, start, end, courier);
    mine.bytes = bytes;
    mine.at = start + 1;
    mine.end = end;
    const value = tag < SHORT ? tag : mine.primitive(tag);
    if (value === NONE) damaged("it begins with nothing that is known");
    if (mine.at !== end) damaged("it goes on after its end");
    return value;
  } catch (failure) {
    if (failure instanceof EncodingError) throw failure;
    throw new EncodingError(`Cannot decode a message: ${String(failure)}`, "message", { cause: failure });
  } finally {
    reading = before;
    if (tag >= Tag.GRAPH) mine.forget();
  }
}

/** How a receiver gets what a message needs. */
export interface Supplies {
  /** Loads the classes of all shared objects, once. */
  loadHandles(): Promise<unknown>;
  /** Carries shared memory. */
  readonly courier?: MemoryCourier | undefined;
  /** Has the memory of that number sent. */
  fetchMemory?(id: number): Promise<unknown>;
}

/**
 * Decodes like {@linkcode decode}; where a class or shared memory is missing, it gives a promise instead, and keeps a copy of the
 * bytes until that is there. No value is a promise, so `instanceof Promise` tells.
 * @throws {EncodingError} when the bytes are no message
 */
export function decodeWith(bytes: Uint8Array, start: number, end: number, supplies: Supplies): unknown {
  try {
    return decode(bytes, start, end, supplies.courier);
  } catch (failure) {
    if (supplyFor(failure, supplies) === undefined) throw failure;
    const copy = new Uint8Array(end - start);
    copy.set(bytes.subarray(start, end));
    return decodeLater(copy, failure, supplies);
  }
}

async function decodeLater(bytes: Uint8Array, missing: unknown, supplies: Supplies): Promise<unknown> {
  const had = new Set<string>();
  for (let failure = missing;;) {
    const supply = supplyFor(failure, supplies);
    // What is still missing after it was brought will never be there.
    if (supply === undefined || had.has(String(failure))) throw failure;
    had.add(String(failure));
    await supply();
    try {
      return decode(bytes, 0, bytes.length, supplies.courier);
    } catch (next) {
      failure = next;
    }
  }
}

function supplyFor(failure: unknown, supplies: Supplies): (() => Promise<unknown>) | undefined {
  if (failure instanceof HandlesNotLoadedError) return () => supplies.loadHandles();
  if (failure instanceof MissingMemoryError && supplies.fetchMemory !== undefined) {
    return () => supplies.fetchMemory?.(failure.id) as Promise<unknown>;
  }
  return undefined;
}
