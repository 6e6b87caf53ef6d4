/**
 * `Value` and `RawValue`: one number, or boolean, or character, in shared memory.
 * @module
 */
import type { SharedWords } from "../memory/atomics.ts";
import type { LockCore } from "../sync/lock_core.ts";
import { LockCore as Core } from "../sync/lock_core.ts";
import { RLock } from "../sync/rlock.ts";
import { registerHandle } from "../transport/handles.ts";
import { type CellLockOption, cellWords, coreOf, enter, leave, PAYLOAD } from "./cell_lock.ts";
import { detector, makePlace, type RacePlace } from "./races.ts";
import { type AnyView, type Element, type ElementType, elementType, type Typecode, type ValueOf } from "./typecodes.ts";

/** Options of {@linkcode Value} and `SharedArray`. */
export interface SharedOptions {
  /** The lock: a `Lock` or `RLock`, `true` (default) for a new `RLock`, `false` for none. */
  readonly lock?: CellLockOption | boolean | undefined;
}

interface ValueWire {
  readonly type: Typecode;
  readonly buffer: SharedArrayBuffer;
  readonly lock: CellLockOption | undefined;
  readonly place: SharedArrayBuffer | undefined;
}

interface ValueState {
  readonly words: SharedWords;
  readonly lock: CellLockOption | undefined;
  readonly place: SharedArrayBuffer | undefined;
}

/**
 * One value in shared memory, without a lock for others to take. It may be passed to any process.
 *
 * Python: `multiprocessing.sharedctypes.RawValue`. Here, too, `add` and the like are atomic; what is missing is the lock
 * for operations of several steps.
 *
 * @example
 * ```ts
 * import { RawValue } from "@manycore/multiprocessing";
 *
 * const flag = new RawValue("bool", false);
 * flag.value = true;
 * ```
 */
export class RawValue<T extends Typecode> {
  readonly #type: ElementType;
  readonly #words: SharedWords;
  readonly #view: AnyView;
  /** The view again if it is of the most common type: an access through it is one load for the engine. */
  readonly #float64: Float64Array<SharedArrayBuffer> | undefined;
  readonly #core: LockCore;
  readonly #place: RacePlace | undefined;

  static {
    registerHandle<RawValue<Typecode>, ValueWire>("RawValue", RawValue, {
      detach: (value) => RawValue.detach(value, undefined),
      attach: ({ type, buffer, lock, place }) => {
        return new RawValue(type, undefined, { words: new Int32Array(buffer), lock, place });
      },
    });
  }

  /** For the library's own use. */
  static detach(value: RawValue<Typecode>, lock: CellLockOption | undefined): ValueWire {
    return { type: value.#type.name, buffer: value.#words.buffer, lock, place: value.#place?.buffer };
  }

  /**
   * Makes a new value in shared memory.
   *
   * @param type the name of the type, or Python's typecode
   * @param value the first value; 0, false or U+0000 by default
   * @param state for this library's own use
   * @throws {TypeError} when there is no such type, or the value is none of it
   */
  constructor(type: T, value?: ValueOf<T>, state?: ValueState) {
    this.#type = elementType(type);
    this.#words = state?.words ?? cellWords(this.#type.bytes);
    this.#view = this.#type.make(this.#words.buffer, PAYLOAD, 1);
    this.#float64 = this.#view instanceof Float64Array ? this.#view : undefined;
    this.#core = state?.lock === undefined ? new Core(this.#words, "Value", "") : coreOf(state.lock);
    this.#place = state?.words === undefined || state.place !== undefined ? makePlace(state?.place) : undefined;
    if (value !== undefined) this.#type.write(this.#view, 0, this.#type.encode(value));
  }

  /** The name of the type, for example `float64`. */
  get type(): string {
    return this.#type.name;
  }

  /**
   * The value. Reading it and writing it are indivisible, each by itself: `v.value += 1` is a read and then a write, so that
   * increments by others can get lost between them, as in Python. Use {@linkcode add}, or the lock. Integers wrap around.
   * Unlike Python's, neither waits for a process that holds the lock.
   * @throws {TypeError} when it is set to something that is not of the type
   */
  get value(): ValueOf<T> {
    if (detector !== undefined) detector.read(this.#place, this.#core, 0);
    return this.#type.decode(this.#type.read(this.#view, 0, this.#words)) as ValueOf<T>;
  }

  set value(value: ValueOf<T>) {
    if (detector !== undefined) detector.write(this.#place, this.#core, 0);
    this.#type.write(this.#view, 0, this.#type.encode(value));
  }

  /**
   * Adds, atomically. Blocks the thread while another process holds the lock.
   * @returns the value from before, as `Atomics.add` does
   */
  add(amount: ValueOf<T>): ValueOf<T> {
    const float64 = this.#float64;
    if (float64 !== undefined && typeof amount === "number") {
      const core = this.#core;
      const nested = enter(core);
      const before = float64[0] as number;
      float64[0] = before + amount;
      if (!nested) core.releaseRaw();
      return before as ValueOf<T>;
    }
    const element = this.#number(amount);
    const core = this.#core;
    const nested = enter(core);
    const view = this.#view as Float64Array;
    const before = view[0] as number;
    view[0] = before + (element as number);
    leave(core, nested);
    return before as ValueOf<T>;
  }

  /** Subtracts, atomically. See {@linkcode add}. @returns the value from before */
  sub(amount: ValueOf<T>): ValueOf<T> {
    const element = this.#number(amount);
    const core = this.#core;
    const nested = enter(core);
    const view = this.#view as Float64Array;
    const before = view[0] as number;
    view[0] = before - (element as number);
    leave(core, nested);
    return before as ValueOf<T>;
  }

  /** Lowers the value to `limit` if it is greater, atomically. @returns the value from before */
  min(limit: ValueOf<T>): ValueOf<T> {
    return this.#replace(this.#number(limit), (before, element) => element < before);
  }

  /** Raises the value to `limit` if it is less, atomically. @returns the value from before */
  max(limit: ValueOf<T>): ValueOf<T> {
    return this.#replace(this.#number(limit), (before, element) => element > before);
  }

  /** Stores a value and returns the one from before, atomically. */
  exchange(value: ValueOf<T>): ValueOf<T> {
    return this.#replace(this.#type.encode(value), () => true);
  }

  /**
   * Stores `replacement` if the value is `expected` (NaN is equal to NaN here), atomically.
   * @returns the value from before; it was stored if and only if that is `expected`
   */
  compareExchange(expected: ValueOf<T>, replacement: ValueOf<T>): ValueOf<T> {
    const wanted = wrap(this.#type, this.#type.encode(expected));
    return this.#replace(this.#type.encode(replacement), (before) => {
      return before === wanted || (before !== before && wanted !== wanted);
    });
  }

  /**
   * Replaces the value by what the function makes of it, with the lock held. Blocks the thread while another process
   * holds the lock. If the function throws, the value stays.
   * @returns the new value
   */
  update(fn: (value: ValueOf<T>) => ValueOf<T>): ValueOf<T> {
    const core = this.#core;
    const nested = enter(core);
    try {
      this.#type.write(this.#view, 0, this.#type.encode(fn(this.#decode())));
      return this.#decode();
    } finally {
      leave(core, nested);
    }
  }

  /** A new `RawValue` of the same type and value. */
  copy(): RawValue<T> {
    return new RawValue(this.#type.name as T, this.#decode());
  }

  #decode(): ValueOf<T> {
    return this.#type.decode(this.#type.read(this.#view, 0, this.#words)) as ValueOf<T>;
  }

  #number(value: unknown): Element {
    if (!this.#type.arithmetic) throw new TypeError(`Cannot calculate with a shared ${this.#type.name}; use update().`);
    return this.#type.encode(value);
  }

  #replace(element: Element, test: (before: Element, element: Element) => boolean): ValueOf<T> {
    const core = this.#core;
    const nested = enter(core);
    const before = this.#type.read(this.#view, 0, this.#words);
    if (test(before, element)) this.#type.write(this.#view, 0, element);
    leave(core, nested);
    return this.#type.decode(before) as ValueOf<T>;
  }
}

/** An element of each type, to store something in: to make one takes up to a microsecond. */
const scratches: Map<ElementType, AnyView> = new Map();

/** What an element becomes by being stored. */
export function wrap(type: ElementType, element: Element): Element {
  let scratch = scratches.get(type);
  if (scratch === undefined) scratches.set(type, scratch = type.make(new SharedArrayBuffer(8), 0, 1));
  (scratch as Float64Array)[0] = element as number;
  return scratch[0] as Element;
}

/**
 * One value in shared memory, with a lock. It may be passed to any process; its lock goes with it.
 *
 * Python: `multiprocessing.Value`, with atomic operations as well. `v.value += 1` loses increments, in both; `v.add(1)` does
 * not. The lock is an `RLock` unless another is given, and is respected by the atomic operations: they wait while
 * another process holds it, so that a block of code that holds it is indivisible for them too.
 *
 * @example
 * ```ts
 * import { Value } from "@manycore/multiprocessing";
 *
 * const total = new Value("float64", 0);
 * total.add(1.5);
 * total.update((x) => x * 2);
 * total.lock.runSync(() => total.value = Math.sqrt(total.value));
 * ```
 */
export class Value<T extends Typecode> extends RawValue<T> {
  readonly #lock: CellLockOption | undefined;

  static {
    registerHandle<Value<Typecode>, ValueWire>("Value", Value, {
      detach: (value) => RawValue.detach(value, value.#lock),
      attach: ({ type, buffer, lock, place }) => {
        return new Value(type, undefined, { lock: lock ?? false }, { words: new Int32Array(buffer), lock, place });
      },
    });
  }

  /**
   * Makes a new value in shared memory.
   *
   * @param type the name of the type, or Python's typecode
   * @param value the first value; 0, false or U+0000 by default
   * @param options the lock
   * @param state for this library's own use
   * @throws {TypeError} when there is no such type, the value is none of it, or the lock is none
   */
  constructor(type: T, value?: ValueOf<T>, options: SharedOptions = {}, state?: ValueState) {
    const { lock: choice = true } = options;
    const lock = choice === true ? new RLock() : choice === false ? undefined : choice;
    if (lock !== undefined) coreOf(lock);
    super(type, value, state ?? { words: cellWords(elementType(type).bytes), lock, place: makePlace()?.buffer });
    this.#lock = lock;
  }

  /** The lock. Python: `get_lock()`. @throws {TypeError} when the value was made with `lock: false` */
  get lock(): CellLockOption {
    if (this.#lock === undefined) throw new TypeError("This Value has no lock: it was made with lock: false.");
    return this.#lock;
  }

  /** A new `Value` of the same type and value, with a lock of its own. */
  override copy(): Value<T> {
    return new Value(this.type as T, this.value);
  }
}
