/**
 * `SharedArray` and `RawArray`: a typed array in shared memory.
 * @module
 */
import type { SharedWords } from "../memory/atomics.ts";
import { LockCore } from "../sync/lock_core.ts";
import { RLock } from "../sync/rlock.ts";
import { registerHandle } from "../transport/handles.ts";
import { type CellLockOption, cellWords, coreOf, enter, leave, PAYLOAD } from "./cell_lock.ts";
import { detector, makePlace, type RacePlace } from "./races.ts";
import {
  type AnyView,
  type Element,
  type ElementType,
  elementType,
  type Typecode,
  type ValueOf,
  type ViewOf,
} from "./typecodes.ts";
import { type SharedOptions, wrap } from "./value.ts";

/** A length, or the first values: an array, a typed array, any iterable; for `char` also a string. */
export type ArraySource<T extends Typecode> = number | Iterable<ValueOf<T>> | ArrayLike<ValueOf<T>>;

interface ArrayWire {
  readonly type: Typecode;
  readonly buffer: SharedArrayBuffer;
  readonly length: number;
  readonly lock: CellLockOption | undefined;
  readonly place: SharedArrayBuffer | undefined;
}

interface ArrayState {
  readonly words: SharedWords;
  readonly lock: CellLockOption | undefined;
  readonly place: SharedArrayBuffer | undefined;
}

/**
 * An array in shared memory, without a lock for others to take. It may be passed to any process; nothing is copied.
 *
 * Python: `multiprocessing.sharedctypes.RawArray`. Here, too, `add` and the like are atomic.
 *
 * @example
 * ```ts
 * import { RawArray } from "@manycore/multiprocessing";
 *
 * const squares = new RawArray("float64", 1000);
 * for (let i = 0; i < squares.length; i++) squares.view[i] = i * i;
 * ```
 */
export class RawArray<T extends Typecode> {
  readonly #type: ElementType;
  readonly #words: SharedWords;
  readonly #view: AnyView;
  readonly #core: LockCore;
  readonly #place: RacePlace | undefined;

  static {
    registerHandle<RawArray<Typecode>, ArrayWire>("RawArray", RawArray, {
      detach: (array) => RawArray.detach(array, undefined),
      attach: ({ type, length, buffer, lock, place }) => {
        return new RawArray(type, length, { words: new Int32Array(buffer), lock, place });
      },
    });
  }

  /** For the library's own use. */
  static detach(array: RawArray<Typecode>, lock: CellLockOption | undefined): ArrayWire {
    const buffer = array.#words.buffer;
    return { type: array.#type.name, buffer, length: array.length, lock, place: array.#place?.buffer };
  }

  /**
   * Makes a new array in shared memory.
   *
   * @param type the name of the type, or Python's typecode
   * @param source the length, or the first values
   * @param state for this library's own use
   * @throws {TypeError} when there is no such type, or a value is none of it
   * @throws {RangeError} when the length is negative, no integer, or too large
   */
  constructor(type: T, source: ArraySource<T>, state?: ArrayState) {
    this.#type = elementType(type);
    const values = typeof source === "number" ? undefined : listOf<T>(source);
    const length = values?.length ?? source as number;
    this.#words = state?.words ?? cellWords(byteLength(this.#type, length));
    this.#view = this.#type.make(this.#words.buffer, PAYLOAD, length);
    this.#core = state?.lock === undefined ? new LockCore(this.#words, "SharedArray", "") : coreOf(state.lock);
    this.#place = state?.words === undefined || state.place !== undefined ? makePlace(state?.place) : undefined;
    if (values !== undefined) this.#write(0, values);
  }

  /** The name of the type, for example `float64`. */
  get type(): string {
    return this.#type.name;
  }

  /** The number of elements. */
  get length(): number {
    return this.#view.length;
  }

  /**
   * The typed array itself, on the shared memory: no copy, and as fast as any typed array. Nothing locks, and what other
   * processes write may be seen late without a lock, event or the like in between.
   */
  get view(): ViewOf<T> {
    return this.#view as ViewOf<T>;
  }

  /** The element at an index; a negative one counts from the end. @throws {RangeError} when there is none */
  get(index: number): ValueOf<T> {
    const at = this.#at(index, "get");
    if (detector !== undefined) detector.read(this.#place, this.#core, at);
    return this.#type.decode(this.#type.read(this.#view, at, this.#words)) as ValueOf<T>;
  }

  /**
   * Sets the element at an index, or several from there on. Integers wrap around.
   * @throws {RangeError} when there is no such element, {TypeError} when the value is none of the type
   */
  set(index: number, value: ValueOf<T> | Iterable<ValueOf<T>>): void {
    const at = this.#at(index, "set");
    if (typeof value === "object" && value !== null) {
      const values = listOf<T>(value);
      if (at + values.length > this.length) {
        throw new RangeError(
          `Cannot set ${values.length} elements from index ${at} on: the array has ${this.length} elements.`,
        );
      }
      return this.#write(at, values);
    }
    if (detector !== undefined) detector.write(this.#place, this.#core, at);
    this.#type.write(this.#view, at, this.#type.encode(value));
  }

  /** Sets all elements, or those from `start` to before `end`, to one value. */
  fill(value: ValueOf<T>, start?: number, end?: number): this {
    (this.#view as Float64Array).fill(this.#type.encode(value) as number, start, end);
    return this;
  }

  /** A copy, in ordinary memory, of the elements from `start` to before `end`, as `Array.slice`. */
  slice(start: number = 0, end: number = this.length): ValueOf<T>[] {
    const result: ValueOf<T>[] = [];
    const clamp = (i: number): number => i < 0 ? Math.max(this.length + i, 0) : Math.min(i, this.length);
    const [from, to] = [clamp(start), clamp(end)];
    if (detector !== undefined) {
      for (let i = from; i < to; i++) result.push(this.get(i));
      return result;
    }
    const view = this.#view;
    const { decode } = this.#type;
    for (let i = from; i < to; i++) result.push(decode(view[i] as Element) as ValueOf<T>);
    return result;
  }

  /** The elements in order. */
  *[Symbol.iterator](): IterableIterator<ValueOf<T>> {
    for (let i = 0; i < this.length; i++) yield this.get(i);
  }

  /** Adds to the element at an index, atomically. Blocks the thread while another process holds the lock. @returns the value from before */
  add(index: number, amount: ValueOf<T>): ValueOf<T> {
    return this.#calculate(index, amount, (before, element) => (before as number) + (element as number));
  }

  /** Subtracts from the element at an index, atomically. @returns the value from before */
  sub(index: number, amount: ValueOf<T>): ValueOf<T> {
    return this.#calculate(index, amount, (before, element) => (before as number) - (element as number));
  }

  /** Lowers the element at an index to `limit` if it is greater, atomically. @returns the value from before */
  min(index: number, limit: ValueOf<T>): ValueOf<T> {
    return this.#calculate(index, limit, (before, element) => element < before ? element : before);
  }

  /** Raises the element at an index to `limit` if it is less, atomically. @returns the value from before */
  max(index: number, limit: ValueOf<T>): ValueOf<T> {
    return this.#calculate(index, limit, (before, element) => element > before ? element : before);
  }

  /**
   * Stores `replacement` at an index if the element is `expected` (NaN is equal to NaN here), atomically.
   * @returns the value from before
   */
  compareExchange(index: number, expected: ValueOf<T>, replacement: ValueOf<T>): ValueOf<T> {
    const type = this.#type;
    const wanted = wrap(type, type.encode(expected));
    return this.#exchange(this.#at(index, "change"), type.encode(replacement), (before, element) => {
      return before === wanted || (before !== before && wanted !== wanted) ? element : before;
    });
  }

  /** Replaces the element at an index by what the function makes of it, with the lock held. @returns the new value */
  update(index: number, fn: (value: ValueOf<T>) => ValueOf<T>): ValueOf<T> {
    const at = this.#at(index, "update");
    const type = this.#type;
    const view = this.#view;
    const core = this.#core;
    const nested = enter(core);
    try {
      type.write(view, at, type.encode(fn(type.decode(type.read(view, at, this.#words)) as ValueOf<T>)));
      return type.decode(type.read(view, at, this.#words)) as ValueOf<T>;
    } finally {
      leave(core, nested);
    }
  }

  /** A new `RawArray` of the same type and elements. */
  copy(): RawArray<T> {
    const copy = new RawArray(this.#type.name as T, this.length);
    (copy.#view as Float64Array).set(this.#view as Float64Array);
    return copy;
  }

  /** Of a `char` array: the text before the first U+0000. Setting it writes the text, and U+0000 behind it. Python: `value` */
  get value(): string {
    const bytes = this.#text();
    const end = bytes.indexOf(0);
    let text = "";
    for (let i = 0; i < (end < 0 ? bytes.length : end); i++) text += String.fromCharCode(bytes[i] as number);
    return text;
  }

  set value(text: string) {
    const bytes = this.#text();
    if (typeof text !== "string") throw new TypeError(`Cannot set the text of a char array to ${String(text)}.`);
    if (text.length > bytes.length) {
      throw new RangeError(`Cannot store ${text.length} characters: the array has ${bytes.length}.`);
    }
    const codes = Array.from({ length: text.length }, (_, i) => this.#type.encode(text.charAt(i)) as number);
    bytes.set(codes);
    if (text.length < bytes.length) bytes[text.length] = 0;
  }

  #text(): Uint8Array<SharedArrayBuffer> {
    if (this.#type.name === "char") return this.#view as Uint8Array<SharedArrayBuffer>;
    throw new TypeError(`An array of ${this.#type.name} has no value; only one of char has. Use view, get or set.`);
  }

  #at(index: number, what: string): number {
    const { length } = this.#view;
    const at = index < 0 ? index + length : index;
    if (at >= 0 && at < length && Number.isInteger(at)) return at;
    throw new RangeError(`Cannot ${what} element ${String(index)}: the array has ${length} elements.`);
  }

  #write(at: number, values: ArrayLike<ValueOf<T>>): void {
    const type = this.#type;
    const view = this.#view as Float64Array;
    // Numbers are stored as they are. Of a typed array of the same type not even that has to be checked.
    const same = type.arithmetic && values.constructor === view.constructor;
    if (!same && (!type.arithmetic || type.name.endsWith("int64"))) {
      view.set(Array.from(values, (value) => type.encode(value)) as number[], at);
      return;
    }
    if (!same) { for (let i = 0; i < values.length; i++) type.encode(values[i]); }
    view.set(values as unknown as ArrayLike<number>, at);
  }

  #calculate(
    index: number,
    operand: unknown,
    fn: (before: Element, element: Element) => Element,
  ): ValueOf<T> {
    const type = this.#type;
    const at = this.#at(index, "change");
    if (!type.arithmetic) throw new TypeError(`Cannot calculate with a shared ${type.name}; use update().`);
    return this.#exchange(at, type.encode(operand), fn);
  }

  #exchange(at: number, element: Element, fn: (before: Element, element: Element) => Element): ValueOf<T> {
    const view = this.#view as Float64Array;
    const core = this.#core;
    const nested = enter(core);
    const before = view[at] as Element;
    view[at] = fn(before, element) as number;
    leave(core, nested);
    return this.#type.decode(before) as ValueOf<T>;
  }
}

function listOf<T extends Typecode>(source: Iterable<ValueOf<T>> | ArrayLike<ValueOf<T>>): ArrayLike<ValueOf<T>> {
  if (Array.isArray(source) || ArrayBuffer.isView(source)) return source as unknown as ArrayLike<ValueOf<T>>;
  if (source === null || source === undefined || typeof source === "boolean" || typeof source === "bigint") {
    throw new TypeError(`Cannot make a shared array of ${String(source)}: give a length or the values.`);
  }
  return Array.from(source);
}

function byteLength(type: ElementType, length: number): number {
  if (Number.isInteger(length) && length >= 0) return type.bytes * length;
  throw new RangeError(`Cannot make a shared array of ${length} elements: give an integer from 0 on.`);
}

/**
 * An array in shared memory, with a lock. It may be passed to any process; nothing is copied, and its lock goes with it.
 *
 * Python: `multiprocessing.Array`, with atomic operations on its elements as well, and the typed array itself as `view`. The
 * lock is an `RLock` unless another is given; `get`, `set` and `view` do not take it, the atomic operations respect it.
 *
 * @example
 * ```ts
 * import { SharedArray } from "@manycore/multiprocessing";
 *
 * const counts = new SharedArray("int32", 26);
 * counts.add(4, 1);
 * counts.lock.runSync(() => counts.view.reverse());
 * ```
 */
export class SharedArray<T extends Typecode> extends RawArray<T> {
  readonly #lock: CellLockOption | undefined;

  static {
    registerHandle<SharedArray<Typecode>, ArrayWire>("SharedArray", SharedArray, {
      detach: (array) => RawArray.detach(array, array.#lock),
      attach: ({ type, length, buffer, lock, place }) => {
        return new SharedArray(type, length, { lock: lock ?? false }, { words: new Int32Array(buffer), lock, place });
      },
    });
  }

  /**
   * Makes a new array in shared memory.
   *
   * @param type the name of the type, or Python's typecode
   * @param source the length, or the first values
   * @param options the lock
   * @param state for this library's own use
   * @throws {TypeError} when there is no such type, a value is none of it, or the lock is none
   * @throws {RangeError} when the length is negative, no integer, or too large
   */
  constructor(type: T, source: ArraySource<T>, options: SharedOptions = {}, state?: ArrayState) {
    const { lock: choice = true } = options;
    const lock = choice === true ? new RLock() : choice === false ? undefined : choice;
    if (lock !== undefined) coreOf(lock);
    const values = typeof source === "number" ? source : listOf<T>(source);
    const words = state?.words ??
      cellWords(byteLength(elementType(type), typeof values === "number" ? values : values.length));
    super(type, values, state ?? { words, lock, place: makePlace()?.buffer });
    this.#lock = lock;
  }

  /** The lock. Python: `get_lock()`. @throws {TypeError} when the array was made with `lock: false` */
  get lock(): CellLockOption {
    if (this.#lock === undefined) throw new TypeError("This SharedArray has no lock: it was made with lock: false.");
    return this.#lock;
  }

  /** A new `SharedArray` of the same type and elements, with a lock of its own. */
  override copy(): SharedArray<T> {
    const copy = new SharedArray(this.type as T, this.length);
    (copy.view as unknown as Float64Array).set(this.view as unknown as Float64Array);
    return copy;
  }
}
