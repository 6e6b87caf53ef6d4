/**
 * Growable shared memory, cut into segments that are chained, drained, and used again.
 *
 * ```
 *   FREE ─▶ s ─▶ s                                        the writers' stack of segments
 *   FIRST ─▶ s ─▶ s ─▶ [where readers are] ─▶ s ─▶ s ─▶ [where writers are]
 *            drained      DRAINED              data
 *   END: the first segment that was never used; the memory grows when END reaches its end
 * ```
 *
 * The memory is a shared `WebAssembly.Memory`: it grows under the hands of all threads, and an access to it costs the same as
 * one to a `SharedArrayBuffer` of fixed size, where a growable one costs 30 ns on V8. Its size is only a promise of the
 * operating system until pages are touched. It never shrinks: what was needed once stays with the arena, until the runtime's
 * garbage collector takes both.
 *
 * One side only writes and links (under a lock of its own), the other only reads and drains (under another lock). What they
 * share is the one word DRAINED: the readers store it, the writers take back what lies before it. So no segment is ever given
 * back by two.
 *
 * WORD      FIRST (i32): the oldest segment of the chain · FREE (i32): the top of the stack, 0 none · END (i32)
 * WORD      HAND (i32): the segment that a writer is moving, 0 none · DRAINED (i32): the segment that the readers are in
 * WORD      a segment begins with NEXT (i32): the segment behind it in the chain or the stack, 0 none. Segments are numbered from 1
 * OWNERSHIP FIRST, FREE, END, HAND, NEXT: the writers'. A reader reads NEXT of a segment when it has read all of it: it was
 *           linked before the record was published that lies behind it
 * ORDER     reads of a segment → store(DRAINED) ⟶ load(DRAINED) → writes to it
 * DEATH     a writer that dies while it moves a segment leaves it in HAND, and either in one of the three places or in none:
 *           the next writer looks, and puts it on the stack in that case ({@linkcode Arena.repair}). A reader that dies before it
 *           stores DRAINED leaves that to the reader who leaves the next segment
 * SOURCE    the node cache of Vyukov's unbounded single-producer queue; ours is a stack, so that what was used last, and is in
 *           the caches still, is used next
 * @module
 */
import { load, type SharedWords, store } from "./atomics.ts";
import { WasmMemory } from "./wasm_memory.ts";

/** The size of a cell: records begin at multiples of it. */
export const CELL_BYTES = 8;
/** The size of a segment, in bytes: one page of WebAssembly's. */
export const SEGMENT_BYTES: number = 64 * 1024;
/** The binary logarithm of a segment's size in cells. */
export const SEGMENT_SHIFT = 13;
/** The size of a segment in cells, its header among them. */
export const SEGMENT_CELLS: number = 1 << SEGMENT_SHIFT;

/** The writers' words, from {@linkcode ArenaPlace.writers} on. */
export const ARENA_WRITER_WORDS = 4;
const FIRST = 0;
const FREE = 1;
const END = 2;
const HAND = 3;

/** The most pages of a memory: 4 GB, which is all that WebAssembly can address. Only addresses are reserved. */
const MOST_PAGES = 65536;

/** Where an arena keeps its words. */
export interface ArenaPlace {
  /** The control words, in memory of fixed size. */
  readonly control: SharedWords;
  /** The index of the writers' words. */
  readonly writers: number;
  /** The index of the readers' word, DRAINED. */
  readonly drained: number;
}

/** Shared memory that grows. @throws {RangeError} when the addresses of this program are used up */
export function growableMemory(): WasmMemory {
  return new WasmMemory({ initial: 1, maximum: MOST_PAGES, shared: true });
}

/** The segment of a cell; the end of a segment counts as part of it. */
export function segmentOf(cell: number): number {
  return ((cell - 1) >>> SEGMENT_SHIFT) + 1;
}

/** The first cell of a segment that holds data. */
export function firstCell(segment: number): number {
  return ((segment - 1) << SEGMENT_SHIFT) + 1;
}

/** A view on an arena, for one agent. */
export class Arena {
  /** The memory, to be given to other threads. */
  readonly memory: WasmMemory;
  /** All of it that this agent has seen, in bytes; it is replaced by {@linkcode Arena.cover}. */
  bytes!: Uint8Array<SharedArrayBuffer>;
  /** The same, in words. */
  words!: SharedWords;
  /** The same, in cells. */
  doubles!: Float64Array<SharedArrayBuffer>;
  /** How many cells the views have. */
  cells = 0;
  readonly #control: SharedWords;
  readonly #writers: number;
  readonly #drained: number;

  /** @param memory the memory of an existing arena; without it, the arena begins, with one segment in its chain */
  constructor({ control, writers, drained }: ArenaPlace, memory?: WasmMemory) {
    this.#control = control;
    this.#writers = writers;
    this.#drained = drained;
    this.memory = memory ?? growableMemory();
    if (memory === undefined) {
      store(control, writers + FIRST, 1);
      store(control, writers + END, 2);
      store(control, drained, 1);
    }
    this.#view();
  }

  #view(): void {
    const buffer = this.memory.buffer as SharedArrayBuffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
    this.cells = this.doubles.length;
  }

  /** Makes sure that the views reach a cell that another agent has written to. */
  cover(cell: number): void {
    if (cell < this.cells) return;
    this.memory.grow(0);
    this.#view();
  }

  /** Readers: the segment behind one that has been read. */
  next(segment: number): number {
    const next = this.#next(segment);
    this.cover(firstCell(next));
    return next;
  }

  /** Readers: nobody is going to read what lies before this segment. */
  drain(segment: number): void {
    store(this.#control, this.#drained, segment);
  }

  /**
   * Writers: the segment behind the last one, made or used again, and linked.
   * @throws {RangeError} when the memory cannot grow; nothing has changed then
   */
  extend(last: number): number {
    // A writer that died may have linked one already.
    const linked = this.#next(last);
    if (linked !== 0) {
      this.cover(firstCell(linked));
      return linked;
    }
    const control = this.#control;
    const at = this.#writers;
    this.#collect();
    let segment = load(control, at + FREE);
    if (segment === 0) segment = this.#grow();
    store(control, at + HAND, segment);
    store(control, at + FREE, this.#next(segment));
    this.#link(segment, 0);
    this.#link(last, segment);
    store(control, at + HAND, 0);
    return segment;
  }

  /** Writers: ends what a writer that died had begun. `last`: the segment in which the data ends. */
  repair(last: number): void {
    const control = this.#control;
    const at = this.#writers;
    const hand = load(control, at + HAND);
    if (hand === 0) return;
    let end = last;
    for (let next = this.#next(last); next !== 0; next = this.#next(next)) end = next;
    const inPlace = hand === load(control, at + FIRST) || hand === load(control, at + FREE) ||
      hand === load(control, at + END) || hand === end;
    if (inPlace) store(control, at + HAND, 0);
    else this.#push(hand);
  }

  /** How many segments the memory has; some of them may be free. */
  get segments(): number {
    return load(this.#control, this.#writers + END) - 1;
  }

  /** Takes the drained segments out of the chain. */
  #collect(): void {
    const control = this.#control;
    const at = this.#writers;
    const drained = load(control, this.#drained);
    for (let first = load(control, at + FIRST); first !== drained; first = load(control, at + FIRST)) {
      store(control, at + HAND, first);
      store(control, at + FIRST, this.#next(first));
      this.#push(first);
    }
  }

  /** Makes a segment that was never used, and puts it on the stack. */
  #grow(): number {
    const control = this.#control;
    const at = this.#writers;
    const segment = load(control, at + END);
    if (firstCell(segment) >= this.cells) {
      const pages = this.memory.grow(0);
      // By a quarter at a time: to grow takes up to 50 µs, however much it is, and untouched pages cost nothing.
      if (pages < segment) this.memory.grow(Math.min(Math.max(pages >> 2, 1), MOST_PAGES - pages) || 1);
      this.#view();
    }
    store(control, at + HAND, segment);
    store(control, at + END, segment + 1);
    this.#push(segment);
    return segment;
  }

  /** Puts the segment in HAND on the stack. */
  #push(segment: number): void {
    const control = this.#control;
    const at = this.#writers;
    this.#link(segment, load(control, at + FREE));
    store(control, at + FREE, segment);
    store(control, at + HAND, 0);
  }

  /** Reads NEXT of a segment, which another agent may have made. */
  #next(segment: number): number {
    this.cover(firstCell(segment));
    return load(this.words, (segment - 1) << (SEGMENT_SHIFT + 1));
  }

  #link(segment: number, next: number): void {
    this.cover(firstCell(segment));
    store(this.words, (segment - 1) << (SEGMENT_SHIFT + 1), next);
  }
}
