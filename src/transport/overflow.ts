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
import { type Encoder, NO_ROOM } from "./codec.ts";

const PAGE = 64 * 1024;

/** The most that lies there at one time; what finds no room goes by message. */
const MOST_BYTES = 2 ** 30;

/** Room that is looked for at first. */
const FIRST_BYTES = 256 * 1024;

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

  /** @param ring where the records are, @param onMade told of the memory when it is made: the reader has to get it */
  constructor(ring: RingWriter, onMade: (memory: WasmMemory) => void) {
    this.#ring = ring;
    this.#onMade = onMade;
  }

  /** Encodes a value, for the record that is about to be committed; its length, or what the encoder says, or NO_ROOM. */
  write(encoder: Encoder, value: unknown, root: string): number {
    const { lap, position } = this.#ring;
    this.#pieces = this.#pieces.filter((piece) => !this.#ring.isReleased(piece.lap, piece.position));
    for (let size = this.#typical; size <= MOST_BYTES; size *= 4) {
      const index = this.#find(size);
      if (index < 0) return NO_ROOM;
      const bytes = this.#bytes as Uint8Array;
      const start = this.#pieces[index - 1]?.end ?? 0;
      const end = encoder.encodeInto(value, root, bytes, start, this.#pieces[index]?.start ?? bytes.length);
      if (end === NO_ROOM) {
        // The gap may have been larger than what was asked for.
        size = Math.max(size, (this.#pieces[index]?.start ?? bytes.length) - start);
        continue;
      }
      if (end < 0) return end;
      this.#typical = Math.max(FIRST_BYTES, Math.min(end - start, MOST_BYTES));
      this.#pieces.splice(index, 0, { start, end: (end + 7) & ~7, lap, position });
      this.at = start / 8;
      return end - start;
    }
    return NO_ROOM;
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
      if (free + size > MOST_BYTES) return -1;
      try {
        if (this.#memory === undefined) {
          this.#memory = new WasmMemory({ initial: 1, maximum: MOST_BYTES / PAGE, shared: true });
          this.#onMade(this.#memory);
        }
        const wanted = Math.max(free + size, Math.min(length * 2, MOST_BYTES));
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
