/**
 * Writes one value and all that hangs on it.
 *
 * All or nothing: nothing is visible to anybody before the caller says so, and whatever stops the writing (no room,
 * something that cannot cross, an exception of a getter of the user's) leaves no trace. Getters run while the value is
 * written, and may change it: what is counted first is written that many times, whatever became of it.
 * @module
 */
import type { WasmMemory } from "../memory/wasm_memory.ts";
import { Output, Stop } from "./codec_output.ts";
import { DATA_VIEW, DEPTH, SCOPES, Tag, VIEWS } from "./codec_tags.ts";
import { handleCodec } from "./handles.ts";
import {
  describeFunction,
  describeRefused,
  describeSymbol,
  DETACHED,
  isDetached,
  kindOf,
  Sort,
  sortOf,
} from "./refusal.ts";
import { classOf, describeUnsent, fieldsOf, readField } from "./remote_error.ts";

/** How shared memory travels beside bytes. */
export interface MemoryCourier {
  /** A number for the memory, good anywhere in the program. */
  export(memory: SharedArrayBuffer | WasmMemory): number;
  /** The memory of that number; undefined: not here (yet). */
  import(id: number): SharedArrayBuffer | WasmMemory | undefined;
}

/** What an error has beside its class: one bit each. */
export const ErrorPart = { MESSAGE: 1, STACK: 2, NAME: 4, CAUSE: 8, ERRORS: 16 } as const;

/** An array is written as its elements only if fewer than this many, or at least half of its places are filled. */
const SPARSE_FROM = 64;

const mapSize = Object.getOwnPropertyDescriptor(Map.prototype, "size")?.get as () => number;
const setSize = Object.getOwnPropertyDescriptor(Set.prototype, "size")?.get as () => number;
const typeOfView = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)?.get as () => string | undefined;
const sourceOf = Object.getOwnPropertyDescriptor(RegExp.prototype, "source")?.get as () => string;

/** Each throws unless the object holds a primitive value of its type. */
const UNBOX: readonly (() => unknown)[] = [
  Number.prototype.valueOf,
  String.prototype.valueOf,
  Boolean.prototype.valueOf,
  BigInt.prototype.valueOf,
];

/** See {@linkcode MemoryCourier}; what the writing of one value has to remember. */
export class Writer extends Output {
  /** Carries shared memory; without one, such values are not for bytes. */
  courier: MemoryCourier | undefined;
  /** The objects so far, and their numbers. */
  readonly #ids = new Map<object, number>();
  /** The next object's number. */
  #next = 0;
  /** Whether an object was met again. */
  #again = false;
  /** Objects that stand too deep, to be written later. */
  readonly #later: object[] = [];
  #scopes = 0;
  /** How many bytes of resizable buffers were written: a getter may change their length before a view is written. */
  readonly #lengths = new Map<object, number>();

  /** Forgets the last value. */
  clear(): void {
    this.#ids.clear();
    this.#lengths.clear();
    this.#next = 0;
    this.#again = false;
    this.#later.length = 0;
    this.#scopes = 0;
  }

  /** Writes a whole message. */
  message(value: unknown): void {
    if (typeof value !== "object" || value === null) return this.value(value, 0);
    const start = this.at;
    this.byte(Tag.GRAPH);
    this.value(value, 0);
    this.#flush(0);
    if (this.#again) this.out[start] = Tag.GRAPH_REFS;
  }

  /** Writes any value. */
  value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "number":
        return this.number(value);
      case "string":
        return this.string(value);
      case "object":
        if (value !== null) return this.#object(value, depth);
        return this.byte(Tag.NULL);
      case "boolean":
        return this.byte(value ? Tag.TRUE : Tag.FALSE);
      case "undefined":
        return this.byte(Tag.UNDEFINED);
      case "bigint":
        return this.bigint(value);
      case "function":
        throw new Stop("refused", describeFunction(value as { readonly name: string }));
      case "symbol":
        throw new Stop("refused", describeSymbol(value));
    }
  }

  #object(value: object, depth: number): void {
    const id = this.#ids.get(value);
    if (id !== undefined) {
      this.byte(Tag.REF);
      this.count(id);
      this.#again = true;
      return;
    }
    this.#ids.set(value, this.#next++);
    const sort = sortOf(value);
    if (depth > DEPTH && sort <= Sort.ERROR && sort !== Sort.DATE && sort !== Sort.REGEXP) {
      this.byte(Tag.LATER);
      this.byte(sort);
      if (sort === Sort.ERROR) this.string(classOf(value as Error));
      this.#later.push(value);
    } else {
      this.#parts(value, sort, depth + 1);
    }
  }

  /** What was put off since there were `from` of them. */
  #flush(from: number): void {
    const later = this.#later;
    for (let i = from; i < later.length; i++) this.#parts(later[i] as object, sortOf(later[i] as object), 1);
    later.length = from;
  }

  /** A value that is complete when it ends: nothing of it comes later. */
  #scope(value: unknown, depth: number): void {
    if (++this.#scopes > SCOPES) throw new Stop("refused", "a shared object or error in too many others");
    const from = this.#later.length;
    this.value(value, depth);
    this.#flush(from);
    this.#scopes--;
  }

  #parts(value: object, sort: Sort, depth: number): void {
    switch (sort) {
      case Sort.PLAIN:
        return this.#plain(value as Record<string, unknown>, depth);
      case Sort.ARRAY:
        return this.#array(value as unknown[], depth);
      case Sort.MAP:
        return this.#map(value as Map<unknown, unknown>, depth);
      case Sort.SET:
        return this.#set(value as Set<unknown>, depth);
      case Sort.DATE:
        this.byte(Tag.DATE);
        return this.float(Date.prototype.getTime.call(value));
      case Sort.REGEXP:
        this.byte(Tag.REGEXP);
        this.string(sourceOf.call(value));
        return this.string((value as RegExp).flags);
      case Sort.ERROR:
        return this.#error(value as Error, depth);
      case Sort.BOXED:
        return this.#boxed(value);
      case Sort.BUFFER:
        return this.#buffer(value as ArrayBuffer);
      case Sort.VIEW:
        return this.#view(value as ArrayBufferView);
      case Sort.SHARED:
        return this.#shared(value as SharedArrayBuffer, Tag.SHARED);
      case Sort.MEMORY:
        return this.#memory(value as WasmMemory);
      case Sort.HANDLE:
        return this.#handle(value, depth);
      case Sort.PLATFORM:
        throw new Stop("message", describeRefused(value));
      case Sort.REFUSED:
        throw new Stop("refused", describeRefused(value));
    }
  }

  #plain(value: Record<string, unknown>, depth: number): void {
    const keys = Object.keys(value);
    this.byte(Tag.OBJECT);
    this.count(keys.length);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      this.string(key);
      this.value(value[key], depth);
    }
  }

  #array(value: unknown[], depth: number): void {
    const size = value.length;
    // How many it has of its own, named ones too. Object.values makes no strings, but asks getters.
    const own = size < SPARSE_FROM ? Object.keys(value).length : Object.values(value).length;
    if (size >= SPARSE_FROM && own < size / 2) return this.#sparse(value, size, depth);
    if (own === size && this.#numbers(value, size)) return;
    const start = this.at;
    this.byte(Tag.ARRAY);
    this.count(size);
    let holes = 0;
    for (let i = 0; i < size; i++) {
      const item = value[i];
      if (item === undefined && !(i in value)) {
        holes++;
        this.byte(Tag.HOLE);
      } else {
        this.value(item, depth);
      }
    }
    if (own > size - holes) {
      this.out[start] = Tag.NAMED;
      this.#properties(value, Object.keys(value).slice(size - holes), depth);
    }
  }

  #sparse(value: unknown[], size: number, depth: number): void {
    this.byte(Tag.SPARSE);
    this.count(size);
    this.#properties(value, Object.keys(value), depth);
  }

  #properties(value: object, keys: readonly string[], depth: number): void {
    this.count(keys.length);
    for (const key of keys) {
      this.string(key);
      this.value((value as Record<string, unknown>)[key], depth);
    }
  }

  /** An array of nothing but numbers; false: it is none. */
  #numbers(value: readonly unknown[], size: number): boolean {
    if (size === 0) return false;
    let floats = false;
    let low = 0;
    let high = 0;
    for (let i = 0; i < size; i++) {
      const item = value[i];
      if (typeof item !== "number") return false;
      const int = item | 0;
      if (int !== item || (int === 0 && 1 / item < 0)) floats = true;
      else if (int < low) low = int;
      else if (int > high) high = int;
    }
    const bytes = floats ? 8 : low >= -0x80 && high < 0x80 ? 1 : low >= -0x8000 && high < 0x8000 ? 2 : 4;
    this.byte(bytes === 8 ? Tag.FLOATS : bytes === 4 ? Tag.INTS32 : bytes === 2 ? Tag.INTS16 : Tag.INTS8);
    this.count(size);
    this.need(size * bytes);
    if (floats) {
      const copy = new Float64Array(size);
      for (let i = 0; i < size; i++) copy[i] = value[i] as number;
      this.raw(new Uint8Array(copy.buffer));
      return true;
    }
    const { out } = this;
    let { at } = this;
    for (let i = 0; i < size; i++) {
      const item = value[i] as number;
      out[at++] = item;
      if (bytes > 1) out[at++] = item >> 8;
      if (bytes > 2) {
        out[at++] = item >> 16;
        out[at++] = item >> 24;
      }
    }
    this.at = at;
    return true;
  }

  #map(value: Map<unknown, unknown>, depth: number): void {
    let left = mapSize.call(value);
    this.byte(Tag.MAP);
    this.count(left);
    for (const [key, item] of Map.prototype.entries.call(value) as MapIterator<[unknown, unknown]>) {
      if (left-- === 0) return;
      this.value(key, depth);
      this.value(item, depth);
    }
    for (; left > 0; left--) this.byte(Tag.HOLE);
  }

  #set(value: Set<unknown>, depth: number): void {
    let left = setSize.call(value);
    this.byte(Tag.SET);
    this.count(left);
    for (const item of Set.prototype.values.call(value) as SetIterator<unknown>) {
      if (left-- === 0) return;
      this.value(item, depth);
    }
    for (; left > 0; left--) this.byte(Tag.HOLE);
  }

  #boxed(value: object): void {
    this.byte(Tag.BOXED);
    for (const valueOf of UNBOX) {
      let primitive: unknown;
      try {
        primitive = valueOf.call(value);
      } catch {
        continue;
      }
      return this.value(primitive, 0);
    }
  }

  #buffer(value: ArrayBuffer): void {
    if (isDetached(value)) throw new Stop("refused", DETACHED);
    const size = value.byteLength;
    if (value.resizable === true) {
      this.byte(Tag.RESIZABLE);
      this.count(value.maxByteLength);
      this.#lengths.set(value, size);
    } else {
      this.byte(Tag.BUFFER);
    }
    this.count(size);
    this.raw(new Uint8Array(value, 0, size));
  }

  #view(value: ArrayBufferView): void {
    const { buffer } = value;
    if (isDetached(buffer)) throw new Stop("refused", DETACHED);
    const name = typeOfView.call(value);
    const type = name === undefined ? DATA_VIEW : VIEWS.indexOf(name);
    if (type < 0) throw new Stop("message", `a ${name}, which this version does not know`);
    let offset: number;
    let bytes: number;
    try {
      offset = value.byteOffset;
      bytes = value.byteLength;
    } catch {
      throw new Stop("refused", "a view on bytes that its buffer has no more");
    }
    const shared = buffer instanceof SharedArrayBuffer;
    const grows = shared ? (buffer as { growable?: boolean }).growable === true : buffer.resizable === true;
    if (!shared && !grows && bytes === buffer.byteLength && !this.#ids.has(buffer)) {
      this.#ids.set(buffer, this.#next++);
      this.byte(Tag.WHOLE);
      this.byte(type);
      this.count(bytes);
      return this.raw(new Uint8Array(buffer, 0, bytes));
    }
    const tracking = grows && isTracking(value);
    this.byte(tracking ? Tag.TRACKING : Tag.VIEW);
    this.byte(type);
    this.count(offset);
    if (!tracking) this.count(type === DATA_VIEW ? bytes : (value as Uint8Array).length);
    this.#object(buffer, 0);
    const written = this.#lengths.get(buffer);
    if (written !== undefined && offset + bytes > written) {
      throw new Stop("refused", "a buffer that its getter resizes");
    }
  }

  #shared(value: SharedArrayBuffer | WasmMemory, tag: number): void {
    if (this.courier === undefined) throw new Stop("message", "shared memory");
    this.byte(tag);
    this.count(this.courier.export(value));
  }

  #memory(value: WasmMemory): void {
    if (!(value.buffer instanceof SharedArrayBuffer)) {
      throw new Stop("refused", "a WebAssembly.Memory that is not shared");
    }
    this.#shared(value, Tag.MEMORY);
  }

  #handle(value: object, depth: number): void {
    const kind = kindOf.get(Object.getPrototypeOf(value) as object) as string;
    const wire = handleCodec(kind)?.detach(value);
    this.byte(Tag.HANDLE);
    this.string(kind);
    this.#scope(wire, depth);
  }

  #error(value: Error, depth: number): void {
    const type = classOf(value);
    const name = readField(value, "name");
    const message = Object.hasOwn(value, "message") ? readField(value, "message") : undefined;
    const stack = readField(value, "stack");
    const cause = Object.hasOwn(value, "cause");
    const errors = Object.hasOwn(value, "errors") && !Object.prototype.propertyIsEnumerable.call(value, "errors");
    const dom = type === "DOMException";
    this.byte(Tag.ERROR);
    this.string(type);
    this.byte(
      (typeof message === "string" || dom ? ErrorPart.MESSAGE : 0) | (typeof stack === "string" ? ErrorPart.STACK : 0) |
        (typeof name === "string" ? ErrorPart.NAME : 0) | (cause ? ErrorPart.CAUSE : 0) |
        (errors ? ErrorPart.ERRORS : 0),
    );
    if (dom) this.string(String(readField(value, "message")));
    else if (typeof message === "string") this.string(message);
    if (typeof stack === "string") this.string(stack);
    if (typeof name === "string") this.string(name);
    if (cause) this.value(readField(value, "cause"), depth);
    if (errors) this.value(readField(value, "errors"), depth);
    const fields = fieldsOf(value);
    this.count(fields.length);
    for (const key of fields) {
      this.string(key);
      this.#field(readField(value, key), depth);
    }
  }

  /** A field of an error: if it cannot be sent, a sentence about it is. */
  #field(value: unknown, depth: number): void {
    const { at } = this;
    const next = this.#next;
    const later = this.#later.length;
    const scopes = this.#scopes;
    try {
      this.#scope(value, depth);
    } catch (failure) {
      if (failure instanceof Stop) {
        if (failure.reason === "room" || (failure.reason === "message" && this.courier === undefined)) throw failure;
      }
      this.at = at;
      this.#next = next;
      this.#later.length = later;
      this.#scopes = scopes;
      for (const [object, id] of this.#ids) if (id >= next) this.#ids.delete(object);
      this.string(describeUnsent(value, failure instanceof Stop ? new Error(`it holds ${failure.what}`) : failure));
    }
  }
}

/** Whether a view on a buffer that grows grows with it. There is no way to ask; a buffer's growth by an element tells. */
function isTracking(view: ArrayBufferView): boolean {
  const { buffer, byteOffset, byteLength } = view;
  if (byteOffset + byteLength + 8 <= buffer.byteLength) return false;
  const size = buffer.byteLength;
  if (buffer instanceof SharedArrayBuffer || size + 8 > buffer.maxByteLength) return true;
  try {
    buffer.resize(size + 8);
    const grown = view.byteLength !== byteLength;
    buffer.resize(size);
    return grown;
  } catch {
    return true;
  }
}
