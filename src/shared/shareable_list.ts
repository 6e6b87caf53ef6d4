/**
 * `ShareableList`: a list of fixed length, of numbers, strings and the like, in named shared memory.
 *
 * ```
 *  words of a lock │ COUNT │ START[0 … COUNT] (i32, in bytes) │ TAG[0 … COUNT−1] (i32) │ USED[…] (i32) │ items, each 8-aligned
 * ```
 *
 * OWNERSHIP  TAG, USED and an item's bytes belong to the holder of the lock; COUNT and START never change
 * @module
 */
import type { WaitOptions } from "../memory/park.ts";
import { LockCore } from "../sync/lock_core.ts";
import { CORE_WORDS } from "../sync/lock_words.ts";
import { registerHandle } from "../transport/handles.ts";
import { enter, leave } from "./cell_lock.ts";
import { SharedMemory } from "./shared_memory.ts";

/** What a {@linkcode ShareableList} holds. */
export type ShareableItem = number | bigint | boolean | string | Uint8Array | null;

const COUNT = CORE_WORDS;
const TABLE = CORE_WORDS + 1;

const NULL = 0;
const FLOAT = 1;
const INTEGER = 2;
const BOOL = 3;
const STRING = 4;
const BYTES = 5;
const FORMATS: readonly string[] = ["x", "d", "q", "?", "s", "s"];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface ListWire {
  readonly shm: SharedMemory;
}

/**
 * A list of fixed length in shared memory. Its items are numbers, bigints (64 bits), booleans, strings, bytes and `null`; an
 * item can be replaced by one of another type, if it fits: strings and bytes have as much room as at first, in steps of
 * 8 bytes. It may be passed to any process, or found by its name.
 *
 * Python: `multiprocessing.shared_memory.ShareableList`; reading and writing an item is atomic here, and trailing zero bytes
 * are kept.
 *
 * @example
 * ```ts
 * import { ShareableList } from "@manycore/multiprocessing";
 *
 * const list = new ShareableList(["howdy", 100, true, null]);
 * list.set(0, "hello");
 * console.log([...list]); // ["hello", 100, true, null]
 * list.shm.unlink();
 * ```
 */
export class ShareableList {
  readonly #shm: SharedMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #data: DataView<SharedArrayBuffer>;
  readonly #core: LockCore;

  static {
    registerHandle<ShareableList, ListWire>("ShareableList", ShareableList, {
      detach: (list) => ({ shm: list.#shm }),
      attach: ({ shm }) => new ShareableList(undefined, { shm }),
    });
  }

  /**
   * Makes a list of the items given.
   * @param items the items
   * @param options a name for its memory; `shm` is for this library's own use
   * @throws {TypeError} when an item is of none of the types
   * @throws {SharedMemoryError} when the name is taken
   */
  constructor(
    items: Iterable<ShareableItem> | undefined,
    options: { readonly name?: string | undefined; readonly shm?: SharedMemory | undefined } = {},
  ) {
    const list = options.shm === undefined ? [...items ?? []] : [];
    this.#shm = options.shm ?? new SharedMemory({ name: options.name, size: sizeOf(list) });
    const { buffer } = this.#shm;
    this.#words = new Int32Array(buffer, 0, buffer.byteLength >> 2);
    this.#bytes = new Uint8Array(buffer);
    this.#data = new DataView(buffer);
    if (options.shm === undefined) {
      this.#words[COUNT] = list.length;
      let start = tableEnd(list.length);
      list.forEach((item, i) => {
        this.#words[TABLE + i] = start;
        start += roomOf(item);
      });
      this.#words[TABLE + list.length] = start;
    }
    this.#core = new LockCore(this.#words, "ShareableList", "");
    list.forEach((item, i) => this.set(i, item));
  }

  /** Attaches a list by the name of its memory. See `SharedMemory.attach`. */
  static async attach(name: string, options?: WaitOptions): Promise<ShareableList> {
    return new ShareableList(undefined, { shm: await SharedMemory.attach(name, options) });
  }

  /** Its memory, to close or unlink it. */
  get shm(): SharedMemory {
    return this.#shm;
  }

  /** The number of items. */
  get length(): number {
    return this.#words[COUNT] as number;
  }

  /** The types and sizes of the items, as in Python's `struct`: `5s` is a string or bytes, `d` a number, `x` null. */
  get format(): string {
    let format = "";
    for (let i = 0; i < this.length; i++) {
      const tag = this.#words[this.#tag(i)] as number;
      format += tag >= STRING ? `${this.#room(i)}s` : FORMATS[tag];
    }
    return format;
  }

  /** The item at an index; a negative one counts from the end. @throws {RangeError} when there is none */
  get(index: number): ShareableItem {
    const at = this.#at(index);
    const core = this.#core;
    const nested = enter(core);
    try {
      return this.#read(at);
    } finally {
      leave(core, nested);
    }
  }

  /**
   * Replaces the item at an index.
   * @throws {RangeError} when there is none, or the new item needs more room than the first one had
   * @throws {TypeError} when the new item is of none of the types
   */
  set(index: number, item: ShareableItem): void {
    const at = this.#at(index);
    const start = this.#words[TABLE + at] as number;
    const bytes = typeof item === "string" ? encoder.encode(item) : item instanceof Uint8Array ? item : undefined;
    const tag = tagOf(item);
    if (bytes !== undefined && bytes.length > this.#room(at)) {
      throw new RangeError(
        `Cannot store ${bytes.length} bytes in item ${at}: it exceeds the available storage of ${
          this.#room(at)
        } bytes.`,
      );
    }
    const core = this.#core;
    const nested = enter(core);
    if (bytes !== undefined) this.#bytes.set(bytes, start);
    else if (tag === FLOAT) this.#data.setFloat64(start, item as number, true);
    else if (tag === INTEGER) this.#data.setBigInt64(start, item as bigint, true);
    else if (tag === BOOL) this.#bytes[start] = item ? 1 : 0;
    this.#words[this.#tag(at)] = tag;
    this.#words[this.#tag(at) + this.length] = bytes?.length ?? 0;
    leave(core, nested);
  }

  /** How many items are equal to a value. */
  count(value: ShareableItem): number {
    let count = 0;
    for (const item of this) if (equal(item, value)) count++;
    return count;
  }

  /** The index of the first item that is equal to a value. @throws {RangeError} when there is none */
  index(value: ShareableItem): number {
    for (let i = 0; i < this.length; i++) if (equal(this.get(i), value)) return i;
    throw new RangeError(`Cannot find ${String(value)} in the ShareableList: none of its items is equal.`);
  }

  /** The items in order. */
  *[Symbol.iterator](): IterableIterator<ShareableItem> {
    for (let i = 0; i < this.length; i++) yield this.get(i);
  }

  #tag(at: number): number {
    return TABLE + this.length + 1 + at;
  }

  #room(at: number): number {
    return (this.#words[TABLE + at + 1] as number) - (this.#words[TABLE + at] as number);
  }

  #read(at: number): ShareableItem {
    const start = this.#words[TABLE + at] as number;
    const used = this.#words[this.#tag(at) + this.length] as number;
    switch (this.#words[this.#tag(at)]) {
      case FLOAT:
        return this.#data.getFloat64(start, true);
      case INTEGER:
        return this.#data.getBigInt64(start, true);
      case BOOL:
        return this.#bytes[start] !== 0;
      case STRING:
        return decoder.decode(new Uint8Array(this.#bytes.subarray(start, start + used)));
      case BYTES:
        return new Uint8Array(this.#bytes.subarray(start, start + used));
      default:
        return null;
    }
  }

  #at(index: number): number {
    const { length } = this;
    const at = index < 0 ? index + length : index;
    if (Number.isInteger(at) && at >= 0 && at < length) return at;
    throw new RangeError(`Cannot use item ${String(index)}: the ShareableList has ${length} items.`);
  }
}

function tagOf(item: ShareableItem): number {
  if (item === null) return NULL;
  if (typeof item === "number") return FLOAT;
  if (typeof item === "boolean") return BOOL;
  if (typeof item === "string") return STRING;
  if (item instanceof Uint8Array) return BYTES;
  if (typeof item !== "bigint") {
    throw new TypeError(
      `Cannot store ${typeof item} in a ShareableList: there are numbers, bigints, booleans, strings, Uint8Arrays and null.`,
    );
  }
  if (BigInt.asIntN(64, item) === item) return INTEGER;
  throw new RangeError(`Cannot store ${item} in a ShareableList: integers have 64 bits.`);
}

function roomOf(item: ShareableItem): number {
  const length = typeof item === "string"
    ? encoder.encode(item).length
    : tagOf(item) === BYTES
    ? (item as Uint8Array).length
    : 0;
  return Math.max(8, (length + 7) & ~7);
}

function tableEnd(count: number): number {
  return ((TABLE + 3 * count + 1) * 4 + 7) & ~7;
}

function sizeOf(items: readonly ShareableItem[]): number {
  return items.reduce<number>((size, item) => size + roomOf(item), tableEnd(items.length));
}

function equal(a: ShareableItem, b: ShareableItem): boolean {
  if (!(a instanceof Uint8Array) || !(b instanceof Uint8Array)) return a === b;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
