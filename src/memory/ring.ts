/**
 * A ring of records between one writer and one reader, in a part of a fixed `SharedArrayBuffer`.
 *
 * ```
 *   RingWriter                                                               RingReader
 *   reserve ─▶ encode in place ─▶ commit … publish ──TAIL──▶ peek ─▶ decode in place ─▶ advance … release ──HEAD──▶ reserve
 *
 *   header  HEAD, on a cache line of its own · TAIL, on another
 *   data    | length, tag | payload, filled up to 8 bytes | length, tag | payload … | SKIP |
 * ```
 *
 * A record lies in one piece, so that a codec can work on it where it is: what would not fit before the end of the data begins
 * at its start again, and a skip marker fills the rest. Neither side ever waits; who wants to, sleeps on a word of its own.
 *
 * WORD      HEAD, TAIL (i32): bytes read and bytes written since the beginning. WRAP: they go round at 2^32, harmless because
 *           only their difference and their lowest bits are used, and the size is a power of two below 2^31
 * OWNERSHIP data[TAIL … HEAD + size) is the writer's, data[HEAD … TAIL) the reader's. Both keep their own index to themselves
 *           until `publish` or `release`, and remember what they last saw of the other's: the hot path has one store, and
 *           loads only where the remembered index says that there is nothing
 * ORDER     plain writes of the record → store(TAIL) ⟶ load(TAIL) → plain reads; plain reads → store(HEAD) ⟶ load(HEAD) → writes
 * DEATH     what a writer committed and did not publish was never there. A reader that dies leaves HEAD before the records that
 *           it did not release: its successor would read them again, so who must not, looks at what the dead one had claimed
 * SOURCE    the single-producer ring of Lamport (1977), with the remembered indices of Lee, Bu and Chandranmenon's MCRingBuffer (2010)
 * @module
 */
import { load, type SharedWords, store } from "./atomics.ts";

/** The words HEAD and TAIL, 64 bytes apart, so that the two sides do not take a cache line from each other. */
const HEAD = 0;
const TAIL = 16;

/** The size of the header, in bytes. */
export const RING_HEADER_BYTES = 128;

/** What stands before a record: its length and its tag. */
const PREFIX = 8;

/** In place of a length: the rest of the data, up to its end, is empty. */
const SKIP = -1;

/** Where a ring lies in its memory. */
export interface RingPlace {
  /** The memory. */
  readonly buffer: SharedArrayBuffer;
  /** Where the ring begins: a multiple of 64. */
  readonly byteOffset: number;
  /** The size of its data, in bytes: a power of two from 64 to 2^30; {@linkcode RING_HEADER_BYTES} come on top. */
  readonly size: number;
}

/** How many bytes a ring with that much data takes. */
export function ringBytes(size: number): number {
  return RING_HEADER_BYTES + size;
}

function check({ byteOffset, size }: RingPlace): void {
  if (size < 64 || size > 2 ** 30 || (size & (size - 1)) !== 0 || byteOffset % 64 !== 0) {
    throw new RangeError(`Cannot lay a ring of ${size} bytes at ${byteOffset}: a power of two, at a multiple of 64.`);
  }
}

/** Bytes that a record with such a payload takes. */
function recordBytes(length: number): number {
  return (length + PREFIX + 7) & ~7;
}

/** The side that writes. */
export class RingWriter {
  /** The data of the ring: offsets are offsets in it. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The same data, as words. */
  readonly data: SharedWords;
  /** After {@linkcode reserve}: where the free piece ends. */
  end = 0;
  /** How often the writer has come to the end of the data: with an offset it says where a record stands for ever. */
  lap = 0;
  readonly #size: number;
  readonly #mask: number;
  readonly #words: SharedWords;
  #tail: number;
  #published: number;
  /** HEAD as it was last seen, plus the size: up to here may be written. */
  #limit: number;

  /** @param place the ring, zeroed when it is new. */
  constructor(place: RingPlace) {
    check(place);
    const { buffer, byteOffset, size } = place;
    this.#size = size;
    this.#mask = size - 1;
    this.#words = new Int32Array(buffer, byteOffset, RING_HEADER_BYTES / 4);
    this.bytes = new Uint8Array(buffer, byteOffset + RING_HEADER_BYTES, size);
    this.data = new Int32Array(buffer, byteOffset + RING_HEADER_BYTES, size / 4);
    this.#tail = this.#published = load(this.#words, TAIL);
    this.#limit = (load(this.#words, HEAD) + size) | 0;
  }

  /** The longest payload that fits when the ring is empty, wherever it stands. Longer ones up to `size - 8` may have to wait for a skip. */
  get longest(): number {
    return this.#size / 2 - PREFIX;
  }

  /**
   * Finds a free piece for a payload of `least` bytes or more: where it begins in {@linkcode bytes}; it ends at {@linkcode end}. −1: there is none
   * before the reader has read more. The piece stays free until {@linkcode commit}; a longer one can be asked for instead.
   */
  reserve(least: number): number {
    const need = recordBytes(least);
    const at = this.#tail & this.#mask;
    const toEnd = this.#size - at;
    let free = (this.#limit - this.#tail) | 0;
    if (free < need || (toEnd < need && free < toEnd + need)) {
      this.#limit = (load(this.#words, HEAD) + this.#size) | 0;
      free = (this.#limit - this.#tail) | 0;
    }
    if (toEnd >= need) {
      if (free < need) return -1;
      this.end = at + Math.min(free, toEnd);
      return at + PREFIX;
    }
    // The rest up to the end is too short. It is given up as soon as it is free, so that a reader that reads on makes room.
    if (need > this.#size || free < toEnd) return -1;
    this.data[at >> 2] = SKIP;
    this.#tail = (this.#tail + toEnd) | 0;
    this.lap++;
    free -= toEnd;
    if (free < need) return -1;
    this.end = Math.min(free, this.#size);
    return PREFIX;
  }

  /** The payload of `length` bytes that was written where {@linkcode reserve} said is a record, with a number beside it. */
  commit(length: number, tag: number): void {
    const at = (this.#tail & this.#mask) >> 2;
    this.data[at] = length;
    this.data[at + 1] = tag;
    this.#tail = (this.#tail + recordBytes(length)) | 0;
    if ((this.#tail & this.#mask) === 0) this.lap++;
  }

  /** After {@linkcode reserve}: where the next record will stand, as TAIL counts; with {@linkcode lap} it says so for ever. */
  get position(): number {
    return this.#tail;
  }

  /**
   * Whether the reader has released the record that was committed at `position` in `lap`. Before that its bytes are what writer and reader
   * made of them; afterwards they may be anything: {@linkcode reserve} gives them away.
   */
  isReleased(lap: number, position: number): boolean {
    return this.lap - lap > 1 || ((load(this.#words, HEAD) - position) | 0) > 0;
  }

  /** Where in {@linkcode data} the payload of that record begins. */
  wordOf(position: number): number {
    return ((position & this.#mask) + PREFIX) >> 2;
  }

  /** Shows the reader all that was committed; false when there was nothing. */
  publish(): boolean {
    if (this.#published === this.#tail) return false;
    this.#published = this.#tail;
    store(this.#words, TAIL, this.#tail);
    return true;
  }

  /** Whether something was committed and not published. */
  get isDirty(): boolean {
    return this.#published !== this.#tail;
  }

  /** Whether the reader has released everything that was published. */
  get isDrained(): boolean {
    return load(this.#words, HEAD) === this.#published;
  }

  /** Takes up the ring where another writer left it; for rings whose writers take turns under a lock. */
  resume(): void {
    this.#tail = this.#published = load(this.#words, TAIL);
    this.#limit = (load(this.#words, HEAD) + this.#size) | 0;
  }
}

/** The side that reads. */
export class RingReader {
  /** The data of the ring: offsets are offsets in it. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The same data, as words. */
  readonly data: SharedWords;
  /** After {@linkcode peek}: where the payload ends. */
  end = 0;
  /** After {@linkcode peek}: the number beside the payload. */
  tag = 0;
  readonly #size: number;
  readonly #mask: number;
  readonly #words: SharedWords;
  #head: number;
  #released: number;
  /** TAIL as it was last seen. */
  #limit: number;

  /** @param place the ring, zeroed when it is new. */
  constructor(place: RingPlace) {
    check(place);
    const { buffer, byteOffset, size } = place;
    this.#size = size;
    this.#mask = size - 1;
    this.#words = new Int32Array(buffer, byteOffset, RING_HEADER_BYTES / 4);
    this.bytes = new Uint8Array(buffer, byteOffset + RING_HEADER_BYTES, size);
    this.data = new Int32Array(buffer, byteOffset + RING_HEADER_BYTES, size / 4);
    this.#head = this.#released = load(this.#words, HEAD);
    this.#limit = load(this.#words, TAIL);
  }

  /** The oldest record: where its payload begins in {@linkcode bytes}; {@linkcode end} and {@linkcode tag} go with it. −1: there is none. */
  peek(): number {
    for (;;) {
      if (this.#head === this.#limit) {
        this.#limit = load(this.#words, TAIL);
        if (this.#head === this.#limit) return -1;
      }
      const at = this.#head & this.#mask;
      const length = this.data[at >> 2] as number;
      if (length === SKIP) {
        this.#head = (this.#head + this.#size - at) | 0;
        continue;
      }
      this.end = at + PREFIX + length;
      this.tag = this.data[(at >> 2) + 1] as number;
      return at + PREFIX;
    }
  }

  /** The record that {@linkcode peek} found is done with; its bytes stay as they are until {@linkcode release}. */
  advance(): void {
    const length = this.data[(this.#head & this.#mask) >> 2] as number;
    this.#head = (this.#head + recordBytes(length)) | 0;
  }

  /** Gives the writer the room of everything that is done with; false when there was nothing. */
  release(): boolean {
    if (this.#released === this.#head) return false;
    this.#released = this.#head;
    store(this.#words, HEAD, this.#head);
    return true;
  }

  /** The word that changes when records are published, for who wants to watch it, and its value when it was last looked at. */
  get watched(): { readonly words: SharedWords; readonly index: number } {
    return { words: this.#words, index: TAIL };
  }

  /** Whether records were published that {@linkcode peek} has not seen. */
  get hasNews(): boolean {
    return this.#head !== this.#limit || load(this.#words, TAIL) !== this.#limit;
  }

  /** Bytes that are done with and not released. */
  get unreleased(): number {
    return (this.#head - this.#released) | 0;
  }

  /** Whether there is no record; it looks at the shared word when none is known. */
  get isEmpty(): boolean {
    return this.peek() < 0;
  }

  /** Takes up the ring where another reader left it; for rings whose readers take turns under a lock. */
  resume(): void {
    this.#head = this.#released = load(this.#words, HEAD);
    this.#limit = load(this.#words, TAIL);
  }
}
