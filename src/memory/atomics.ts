/**
 * The only file that says `Atomics`. Everything that several agents share is read and written through these functions,
 * so that a reader can find every one of those places, and a test can step agents through them one at a time.
 *
 * ORDER  JavaScript's atomics are sequentially consistent: all agents see all of these operations in one order, and a
 *        plain write before a `store` is visible after the `load` that sees that store (ECMA-262, memory model).
 *
 * The {@linkcode Gate} is the seam for that test. Without one it costs a comparison of a variable that never changes,
 * which the engines fold away.
 * @module
 */

/** The words that agents share: views on a `SharedArrayBuffer`. */
export type SharedWords = Int32Array<SharedArrayBuffer>;

/** Where one cache line ends and the next begins, at the least, in bytes. */
const LINE = 64;

/**
 * New words, all 0. They take a whole cache line at least, so that two objects that were made one after the other are
 * not in each other's way: agents that write neighbouring words take the line away from each other every time.
 */
export function newWords(bytes: number): SharedWords {
  return new Int32Array(new SharedArrayBuffer(Math.max(bytes, LINE)));
}

/** How a blocking wait ended. */
export type WaitResult = "ok" | "not-equal" | "timed-out";

/** What an asynchronous wait gives: the answer at once, or a promise of it. */
export type AsyncWait =
  | { readonly async: false; readonly value: "not-equal" | "timed-out" }
  | { readonly async: true; readonly value: Promise<"ok" | "timed-out"> };

/** A test's controller: it is asked before every operation, and simulates sleeping and waking. */
export interface Gate {
  /** Called before an operation; returns when this agent may go on. */
  step(operation: string, words: SharedWords, index: number): void;
  /** Stands in for {@linkcode wait}. */
  wait(words: SharedWords, index: number, expected: number, timeout: number): WaitResult;
  /** Stands in for {@linkcode notify}. */
  notify(words: SharedWords, index: number, count: number): number;
}

let gate: Gate | undefined;

/** Puts a controller in front of every operation of this agent; for tests only. */
export function setGate(next: Gate | undefined): void {
  gate = next;
}

/** Reads word `index`. */
export function load(words: SharedWords, index: number): number {
  if (gate !== undefined) gate.step("load", words, index);
  return Atomics.load(words, index);
}

/** Writes word `index`. */
export function store(words: SharedWords, index: number, value: number): void {
  if (gate !== undefined) gate.step("store", words, index);
  Atomics.store(words, index, value);
}

/** Adds `value` to word `index`, wrapping at 32 bits; returns what stood there before. */
export function fetchAdd(words: SharedWords, index: number, value: number): number {
  if (gate !== undefined) gate.step("fetchAdd", words, index);
  return Atomics.add(words, index, value);
}

/** Writes word `index`; returns what stood there before. */
export function exchange(words: SharedWords, index: number, value: number): number {
  if (gate !== undefined) gate.step("exchange", words, index);
  return Atomics.exchange(words, index, value);
}

/** Writes `value` if word `index` is `expected`; returns what stood there before, so `=== expected` means it wrote. */
export function compareExchange(words: SharedWords, index: number, expected: number, value: number): number {
  if (gate !== undefined) gate.step("compareExchange", words, index);
  return Atomics.compareExchange(words, index, expected, value);
}

/** Wakes up to `count` agents (default: all) that sleep on word `index`; returns how many it woke. */
export function notify(words: SharedWords, index: number, count: number = Infinity): number {
  if (gate !== undefined) return gate.notify(words, index, count);
  return Atomics.notify(words, index, count);
}

/** Blocks the thread while word `index` is `expected`, until a {@linkcode notify} or for `timeout` milliseconds. */
export function wait(words: SharedWords, index: number, expected: number, timeout: number = Infinity): WaitResult {
  if (gate !== undefined) return gate.wait(words, index, expected, timeout);
  return Atomics.wait(words, index, expected, timeout);
}

/** Like {@linkcode wait}, without blocking the thread. It keeps no runtime alive: see `async_park.ts`. */
export function waitAsync(words: SharedWords, index: number, expected: number, timeout: number = Infinity): AsyncWait {
  return Atomics.waitAsync(words, index, expected, timeout) as AsyncWait;
}

/** The typed arrays of integers that `Atomics` takes, beside {@linkcode SharedWords}. */
export type IntegerView =
  | Int8Array<SharedArrayBuffer>
  | Uint8Array<SharedArrayBuffer>
  | Int16Array<SharedArrayBuffer>
  | Uint16Array<SharedArrayBuffer>
  | Int32Array<SharedArrayBuffer>
  | Uint32Array<SharedArrayBuffer>;

/** The typed arrays of 64-bit integers. */
export type BigIntegerView = BigInt64Array<SharedArrayBuffer> | BigUint64Array<SharedArrayBuffer>;

/** Reads an integer of any size in one piece. */
export function loadElement(view: IntegerView, index: number): number {
  return Atomics.load(view, index);
}

/** Writes an integer of any size in one piece, wrapping. */
export function storeElement(view: IntegerView, index: number, value: number): void {
  Atomics.store(view, index, value);
}

/** Reads a 64-bit integer in one piece. */
export function load64(view: BigIntegerView, index: number): bigint {
  return Atomics.load(view, index);
}

/** Writes a 64-bit integer in one piece, wrapping. */
export function store64(view: BigIntegerView, index: number, value: bigint): void {
  Atomics.store(view, index, value);
}
