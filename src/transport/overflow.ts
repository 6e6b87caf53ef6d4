/**
 * Room for values that are too large for a ring: growable shared memory beside it, one for each direction. The record in the
 * ring says where a value lies, and who releases the record gives the room back.
 *
 * ```
 *   writer ─▶ [ value ][  free  ][ value ][ value ]  free … grows
 *   ring   ─▶ | record: at, length | …                    reader decodes in place, and releases the record
 * ```
 *
 * OWNERSHIP a piece is the writer's until its record is published, then the reader's until that is released
 * ORDER     as the ring's: plain writes → publish ⟶ peek → plain reads → release ⟶ the writer's look at HEAD → writes
 * @module
 */
import type { RingWriter } from "../memory/ring.ts";
import { WasmMemory } from "../memory/wasm_memory.ts";
import { type Encoder, leastBytes, NO_ROOM } from "./codec.ts";

const PAGE = 64 * 1024;

/** The most that lies there at one time; what finds no room goes by message. */
const MOST_BYTES = 2 ** 30;

/** Room that is looked for at first. */
const FIRST_BYTES = 256 * 1024;

/** What a string or bytes may take beside their own length while they are written. */
const HEAD_BYTES = 20;
/** And so much of that they do not take in the end: it is left free behind a value, so that the next one of that length has room there. */
const SLACK_BYTES = 8;

/** A value in the memory. */
interface Piece {
  readonly start: number;
  readonly end: number;
  /** The record that says so. */
  readonly lap: number;
  readonly position: number;
}

/** The writer's side. */
export class OverflowWriter {
  /** After {@linkcode write}: where the value begins, in units of 8 bytes. */
  at = 0;
  readonly #ring: RingWriter;
  readonly #onMade: (memory: WasmMemory) => void;
  /** In their order in the memory. */
  #pieces: Piece[] = [];
  #memory: WasmMemory | undefined;
  #bytes: Uint8Array | undefined;
  #typical = FIRST_BYTES;
  readonly #most: number;
  /** How long the last value was. */
  #last = 0;

  /**
   * @param ring where the records are, @param onMade told of the memory when it is made: the reader has to get it,
   * @param most the most bytes that lie there at one time
   */
  constructor(ring: RingWriter, onMade: (memory: WasmMemory) => void, most: number = MOST_BYTES) {
    this.#ring = ring;
    this.#onMade = onMade;
    this.#most = most;
  }

  /**
   * Whether a value is to be written here at once, where its record has so much room: it is longer for sure, or the last one that came
   * here was. Of a large object up to a ring's length would be encoded in vain. One that comes here and is small sends the next one to
   * the ring.
   */
  isFor(value: unknown, room: number): boolean {
    if (this.#last > room) return typeof value === "object" && value !== null || leastBytes(value) > room;
    return leastBytes(value) > room;
  }

  /** Encodes a value, for the record that is about to be committed; its length, or what the encoder says, or NO_ROOM. */
  write(encoder: Encoder, value: unknown, root: string): number {
    const { lap, position } = this.#ring;
    this.#pieces = this.#pieces.filter((piece) => !this.#ring.isReleased(piece.lap, piece.position));
    const most = this.#most;
    let size = Math.max(this.#typical, leastBytes(value) + HEAD_BYTES);
    for (;;) {
      const index = this.#find(size);
      if (index < 0) return NO_ROOM;
      const bytes = this.#bytes as Uint8Array;
      const start = this.#pieces[index - 1]?.end ?? 0;
      const limit = this.#pieces[index]?.start ?? bytes.length;
      const end = encoder.encodeInto(value, root, bytes, start, limit);
      if (end >= 0) {
        this.#last = end - start;
        this.#typical = Math.max(FIRST_BYTES, Math.min(end - start, most));
        this.#pieces.splice(index, 0, { start, end: (end + SLACK_BYTES + 7) & ~7, lap, position });
        this.at = start / 8;
        return end - start;
      }
      // The gap may have been larger than what was asked for.
      const tried = Math.max(size, limit - start);
      if (end !== NO_ROOM || tried >= most) return end;
      size = Math.min(tried * 4, most);
    }
  }

  /** The place among the pieces before which there is so much room; −1: nowhere. */
  #find(size: number): number {
    let free = 0;
    for (let i = 0; i < this.#pieces.length; i++) {
      const { start, end } = this.#pieces[i] as Piece;
      if (start - free >= size) return i;
      free = end;
    }
    const length = this.#bytes?.length ?? 0;
    if (length - free < size) {
      if (free + size > this.#most) return -1;
      try {
        if (this.#memory === undefined) {
          this.#memory = new WasmMemory({ initial: 1, maximum: Math.ceil(this.#most / PAGE), shared: true });
          this.#onMade(this.#memory);
        }
        const wanted = Math.max(free + size, Math.min(length * 2, this.#most));
        this.#memory.grow(Math.ceil((wanted - this.#memory.buffer.byteLength) / PAGE));
        this.#bytes = new Uint8Array(this.#memory.buffer);
      } catch {
        // No memory: by message, then.
        return -1;
      }
    }
    return this.#pieces.length;
  }
}

/** The reader's side. */
export class OverflowReader {
  readonly #memory: WasmMemory;
  #bytes: Uint8Array;

  /** @param memory from the writer */
  constructor(memory: WasmMemory) {
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** The memory, so that there is something up to `end`. */
  bytesTo(end: number): Uint8Array {
    if (this.#bytes.length < end) {
      this.#memory.grow(0);
      this.#bytes = new Uint8Array(this.#memory.buffer);
    }
    return this.#bytes;
  }
}
