/**
 * Items as records in the segments of an arena: how they are written, and read.
 *
 * ```
 *   INTEGER   | kind          | integer       |
 *   CONSTANT  | kind          | which         |
 *   DOUBLE    | kind          | –             | double                        |
 *   BYTES, PARCEL  like this:
 *             | length, kind  | bytes 0 … 3   | bytes 4 … 11                  | …
 *             | length, kind  | –             | bytes 0 … 7                   | …      when they are more than a few
 *               one cell of 8 bytes             the next, here or at the beginning of the next segment
 * ```
 *
 * Many bytes begin with a cell: V8 copies from and to shared memory byte by byte where the two places differ modulo 8, which took
 * ten times as long.
 *
 * Numbers and constants do without the codec: they are what queues of many items mostly carry, and each is one or two stores.
 *
 * OWNERSHIP cells from the tail on are the writer's (who holds the writers' lock) until it has published the record, then
 *           the readers'. A reader has copied everything before it lets go of a record
 * DEATH     of a writer: the cells are written again by the next one; segments that it has linked are used by the next one
 * @module
 */
import { type Arena, firstCell, SEGMENT_CELLS, segmentOf } from "../memory/arena.ts";
import { copyBytes } from "./bytes.ts";

/** A small integer, in the header's second word. */
export const INTEGER = 0;
/** A double, in a cell of its own. */
export const DOUBLE = 1;
/** undefined, null, false or true: the second word says which. */
export const CONSTANT = 2;
/** The codec's bytes. */
export const BYTES = 3;
/** The same, with something beside them: shared memory, connections. */
export const PARCEL = 4;
const KIND_BITS = 3;
const KIND_MASK = 7;

/** The values of kind {@linkcode CONSTANT}. */
export const CONSTANTS: readonly unknown[] = [undefined, null, false, true];

/** The most bytes of one item. */
export const MOST_ITEM_BYTES: number = 2 ** 29 - 1;

/** What a record of bytes reads as: its bytes are in the {@linkcode inbox}. */
export const ENCODED: unique symbol = Symbol("the item is in the inbox");

const IN_SEGMENT = SEGMENT_CELLS - 1;
/** Up to this many bytes are copied word by word: `set` needs a view, which costs more. */
const FEW_BYTES = 256;
/** A larger inbox is given back after so many items that did not need it. */
const INBOX_BYTES = 64 * 1024;
const INBOX_PATIENCE = 64;
/** One that is larger than this is given back at once: it is new memory for each item, which costs less than the item itself. */
const INBOX_KEPT = 4 * 1024 * 1024;

/** How many bytes of so many are in the cell of the header. */
function headBytes(length: number): number {
  return length > FEW_BYTES ? 0 : 4;
}

/** How many cells a record of so many bytes has. */
function cellsOf(length: number): number {
  return (length + 15 - headBytes(length)) >>> 3;
}

/** Where the encoding of the item goes that this agent takes; it is decoded before the next one is taken. */
export class Inbox {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(INBOX_BYTES);
  words: Int32Array<ArrayBuffer> = new Int32Array(this.bytes.buffer);
  /** How many bytes it holds. */
  length = 0;
  /** Of which kind: BYTES or PARCEL. */
  kind: number = BYTES;
  #idle = 0;

  /** Makes room. */
  reserve(length: number): void {
    this.length = length;
    let size = this.bytes.length;
    if (length > INBOX_KEPT) size = (length + 7) & ~7;
    else if (length > size) { while (size < length) size *= 2; }
    else if (size > INBOX_BYTES && length <= INBOX_BYTES && ++this.#idle > INBOX_PATIENCE) size = INBOX_BYTES;
    else return;
    this.#resize(size);
  }

  /** The item was decoded: gives back what is too much to be kept. */
  done(): void {
    if (this.bytes.length > INBOX_KEPT) this.#resize(INBOX_BYTES);
  }

  #resize(size: number): void {
    this.#idle = 0;
    this.bytes = new Uint8Array(size);
    this.words = new Int32Array(this.bytes.buffer);
  }
}

/** This agent's. */
export const inbox: Inbox = new Inbox();

/** A view on the records of a queue, for one agent. */
export class Records {
  readonly arena: Arena;
  /** What {@linkcode Records.read} has read. */
  value: unknown;
  #source: ArrayBufferLike | undefined;
  #sourceWords: Int32Array = inbox.words;

  constructor(arena: Arena) {
    this.arena = arena;
  }

  /**
   * Writes a record from a cell on.
   * @param value the integer, the double, or the index of the constant, @param bytes the bytes, @param length their number
   * @returns where it ends; 0 when the memory cannot grow
   */
  write(tail: number, kind: number, value: number, bytes: Uint8Array | undefined, length: number): number {
    const { arena } = this;
    const cells = kind >= BYTES ? cellsOf(length) : 2;
    const place = tail & IN_SEGMENT;
    if (place === 0 || place + cells > SEGMENT_CELLS) return this.#writeOn(tail, kind, value, bytes, length);
    if (tail + cells > arena.cells) arena.cover(tail);
    const { words } = arena;
    const at = tail << 1;
    if (kind >= BYTES) {
      words[at] = (length << KIND_BITS) | kind;
      this.#fill(at, bytes as Uint8Array, length);
      return tail + cells;
    }
    words[at] = kind;
    if (kind === DOUBLE) {
      arena.doubles[tail + 1] = value;
      return tail + 2;
    }
    words[at + 1] = value;
    return tail + 1;
  }

  /** Reads the record at a cell into {@linkcode Records.value}; returns where it ends. */
  read(cell: number): number {
    const { arena } = this;
    const head = this.#following(cell);
    if (head >= arena.cells) arena.cover(head);
    const { words } = arena;
    const header = words[head << 1] as number;
    switch (header & KIND_MASK) {
      case INTEGER:
        this.value = words[(head << 1) + 1] as number;
        return head + 1;
      case CONSTANT:
        this.value = CONSTANTS[words[(head << 1) + 1] as number];
        return head + 1;
      case DOUBLE: {
        const at = this.#following(head + 1);
        this.value = arena.doubles[at] as number;
        return at + 1;
      }
      default:
        this.value = ENCODED;
        inbox.kind = header & KIND_MASK;
        return this.#copy(head, header >>> KIND_BITS);
    }
  }

  /** Writes bytes that lie within one segment, for the header at word `at`. */
  #fill(at: number, bytes: Uint8Array, length: number): void {
    const { arena } = this;
    if (length > FEW_BYTES) {
      copyBytes(bytes, 0, length, arena.bytes, (at + 2) * 4);
      return;
    }
    if (this.#source !== bytes.buffer) {
      this.#source = bytes.buffer;
      this.#sourceWords = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
    }
    const { words } = arena;
    const source = this.#sourceWords;
    const count = (length + 3) >> 2;
    for (let i = 0; i < count; i++) words[at + 1 + i] = source[i] as number;
  }

  /** Writes a record that may begin, or go on, in the next segment. */
  #writeOn(tail: number, kind: number, value: number, bytes: Uint8Array | undefined, length: number): number {
    const { arena } = this;
    try {
      const head = this.#room(tail);
      arena.words[head << 1] = (length << KIND_BITS) | kind;
      arena.words[(head << 1) + 1] = value;
      let at = head + 1;
      if (kind === DOUBLE) {
        at = this.#room(at);
        arena.doubles[at++] = value;
      } else if (kind >= BYTES) {
        const source = bytes as Uint8Array;
        let done = Math.min(headBytes(length), length);
        if (done !== 0) arena.bytes.set(source.subarray(0, done), head * 8 + 4);
        while (done < length) {
          at = this.#room(at);
          const count = Math.min((SEGMENT_CELLS - (at & IN_SEGMENT)) * 8, length - done);
          copyBytes(source, done, count, arena.bytes, at * 8);
          done += count;
          at += (count + 7) >>> 3;
        }
      }
      return at;
    } catch (error) {
      // What has grown is linked, and is used by the next record.
      if (error instanceof RangeError) return 0;
      throw error;
    }
  }

  /** A writer's cell; for the end of a segment, the first one of the next. */
  #room(cell: number): number {
    const at = (cell & IN_SEGMENT) === 0 ? firstCell(this.arena.extend(segmentOf(cell))) : cell;
    if (at >= this.arena.cells) this.arena.cover(at);
    return at;
  }

  /** A reader's cell; for the end of a segment, the first one of the next. */
  #following(cell: number): number {
    return (cell & IN_SEGMENT) === 0 ? firstCell(this.arena.next(segmentOf(cell))) : cell;
  }

  /** Copies the bytes of a record into the inbox; returns where it ends. */
  #copy(head: number, length: number): number {
    inbox.reserve(length);
    const { arena } = this;
    const cells = cellsOf(length);
    const from = (head << 1) + 1;
    if ((head & IN_SEGMENT) + cells <= SEGMENT_CELLS) {
      if (length <= FEW_BYTES) {
        const { words } = arena;
        const target = inbox.words;
        const count = (length + 3) >> 2;
        for (let i = 0; i < count; i++) target[i] = words[from + i] as number;
      } else copyBytes(arena.bytes, (from + 1) * 4, length, inbox.bytes, 0);
      return head + cells;
    }
    inbox.words[0] = arena.words[from] as number;
    let at = head + 1;
    for (let done = headBytes(length); done < length;) {
      at = this.#following(at);
      const count = Math.min((SEGMENT_CELLS - (at & IN_SEGMENT)) * 8, length - done);
      copyBytes(arena.bytes, at * 8, count, inbox.bytes, done);
      done += count;
      at += (count + 7) >>> 3;
    }
    return at;
  }
}
