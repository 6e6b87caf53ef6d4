/**
 * Writes one value and all that hangs on it.
 *
 * All or nothing: nothing is visible to anybody before the caller says so, and whatever stops the writing (no room,
 * something that cannot cross, an exception of a getter of the user's) leaves no trace. Getters run while the value is
 * written, and may change it: what is counted first is written that many times, whatever became of it.
 * @module
 */
import type { WasmMemory } from "../memory/wasm_memory.ts";
import { countOwn } from "../runtime/own_properties.ts";
import { writeError } from "./codec_errors.ts";
import { hasKeys, isFromPool, isTracking, typeOfView, unbox } from "./codec_look.ts";
import { gather, type Gathered, writeNumbers } from "./codec_numbers.ts";
import { NumberingOutput } from "./codec_numbering.ts";
import { Stop } from "./codec_output.ts";
import { beginShapes, type KeyNode, rootOfKeys, type WrittenShape } from "./codec_shapes.ts";
import { DATA_VIEW, DEPTH, MOST_NUMBERS, NEEDS, REFS, SCOPES, SHAPED_TAGS, Tag, VIEWS } from "./codec_tags.ts";
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
import { classOf } from "./remote_error.ts";

/** How shared memory travels beside bytes. */
export interface MemoryCourier {
  /** It carries some memory, and no other shared objects: what it does not carry goes by message. */
  readonly partial?: boolean;
  /** A number for the memory, good where it is read; −1: it does not carry that. */
  export(memory: SharedArrayBuffer | WasmMemory): number;
  /** The memory of that number; undefined: not here (yet). */
  import(id: number): SharedArrayBuffer | WasmMemory | undefined;
}

/** An array of at least that length whose elements are fewer than half of it is written with their indices. */
const SPARSE_FROM = 64;

const UINT8 = VIEWS.indexOf("Uint8Array");

const OBJECT: object = Object.prototype;
const mapSize = Object.getOwnPropertyDescriptor(Map.prototype, "size")?.get as () => number;
const setSize = Object.getOwnPropertyDescriptor(Set.prototype, "size")?.get as () => number;
const sourceOf = Object.getOwnPropertyDescriptor(RegExp.prototype, "source")?.get as () => string;

/** See {@linkcode MemoryCourier}; what the writing of one value has to remember. */
export class Writer extends NumberingOutput {
  /** Carries shared memory; without one, such values are not for bytes. */
  courier: MemoryCourier | undefined = undefined;
  /** Bits for the first byte. */
  #bits = 0;
  /** Objects that stand too deep, to be written later. */
  readonly #later: object[] = [];
  #scopes = 0;
  /** How many bytes of resizable buffers were written: a getter may change their length before a view is written. */
  readonly #lengths = new Map<object, number>();
  /** What the message needs: numbers of memory, kinds of shared objects. */
  readonly #memories: number[] = [];
  readonly #kinds: string[] = [];
  /** Shapes that were defined with this number are known to the reader; there are so many. */
  #message = 0;
  #shapes = 0;
  /** Whether a for-in loop gives more than an object's own keys. */
  #polluted = false;

  /** Writes a message whose value is no object. */
  primitive(value: unknown): void {
    switch (typeof value) {
      case "number":
        return this.number(value);
      case "string":
        return this.string(value);
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
      default:
        return this.byte(Tag.NULL);
    }
  }

  /** Writes a message whose value is an object. */
  graph(value: object): void {
    const start = this.at;
    this.#message = beginShapes();
    this.#polluted = hasKeys(OBJECT);
    try {
      this.byte(Tag.GRAPH);
      this.object(value, 0);
      if (this.#later.length > 0) this.#flush(0);
      if (this.#memories.length > 0 || this.#kinds.length > 0) this.#writeNeeds();
      this.out[start] = Tag.GRAPH + this.#bits;
    } finally {
      this.#forget();
    }
  }

  #forget(): void {
    this.forgetObjects();
    this.#shapes = 0;
    if (this.#bits === 0 && this.#scopes === 0 && this.#later.length === 0 && this.#lengths.size === 0) return;
    this.#bits = 0;
    this.#scopes = 0;
    this.#later.length = 0;
    this.#lengths.clear();
    this.#memories.length = 0;
    this.#kinds.length = 0;
  }

  #writeNeeds(): void {
    this.#bits |= NEEDS;
    const start = this.at;
    this.count(this.#memories.length);
    for (const id of this.#memories) this.count(id);
    this.count(this.#kinds.length);
    for (const kind of this.#kinds) this.string(kind);
    this.word(this.at - start);
  }

  /** Writes any value. */
  value(value: unknown, depth: number): void {
    if (typeof value === "number") this.number(value);
    else if (typeof value === "string") this.string(value);
    else if (typeof value === "object" && value !== null) this.object(value, depth);
    else this.primitive(value);
  }

  /** Writes an object, or that it was there before. */
  object(value: object, depth: number): void {
    const id = this.numberOf(value);
    if (id >= 0) {
      this.byte(Tag.REF);
      this.count(id);
      this.#bits |= REFS;
      return;
    }
    if (depth <= DEPTH) {
      if (Array.isArray(value)) return this.#array(value, depth + 1);
      if (!this.#polluted && Object.getPrototypeOf(value) === OBJECT) {
        return this.#data(value as Record<string, unknown>, depth + 1);
      }
    }
    const sort = sortOf(value);
    if (depth > DEPTH && sort <= Sort.ERROR) {
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
  scope(value: unknown, depth: number): void {
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
        return writeError(this, value as Error, depth);
      case Sort.BOXED:
        this.byte(Tag.BOXED);
        return this.primitive(unbox(value));
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
    if (this.#polluted || Object.getPrototypeOf(value) !== OBJECT) this.#instance(value, depth);
    else this.#data(value, depth);
  }

  /** An object of no class. */
  #data(value: Record<string, unknown>, depth: number): void {
    let node: KeyNode | undefined = rootOfKeys();
    for (const key in value) {
      const next: KeyNode | undefined = node.next;
      node = next !== undefined && next.key === key ? next : node.step(key);
      if (node === undefined) return this.#keyed(value, Object.keys(value), depth);
    }
    const shape = node.shapeHere();
    if (shape === undefined) return this.#keyed(value, Object.keys(value), depth);
    this.#shape(shape);
    const { keys } = shape;
    let i = 0;
    for (const key in value) {
      // A getter has changed the object: the rest is read by name.
      if (key !== keys[i]) break;
      this.value(value[key], depth);
      i++;
    }
    for (; i < keys.length; i++) this.value(value[keys[i] as string], depth);
  }

  /** An object of a class, or whose ancestors may have keys: a for-in loop would give those, too. */
  #instance(value: Record<string, unknown>, depth: number): void {
    const keys = Object.keys(value);
    let node: KeyNode | undefined = rootOfKeys();
    for (let i = 0; i < keys.length && node !== undefined; i++) {
      const next: KeyNode | undefined = node.next;
      node = next !== undefined && next.key === keys[i] ? next : node.step(keys[i] as string);
    }
    const shape = node?.shapeHere();
    if (shape === undefined) return this.#keyed(value, keys, depth);
    this.#shape(shape);
    for (let i = 0; i < keys.length; i++) this.value(value[keys[i] as string], depth);
  }

  /** Names a shape; defines it first if this is the message's first object of it. */
  #shape(shape: WrittenShape): void {
    if (shape.message !== this.#message) {
      shape.message = this.#message;
      shape.number = this.#shapes++;
      const { definition } = shape;
      const { length } = definition;
      this.need(1 + length);
      const { out } = this;
      let { at } = this;
      out[at++] = Tag.SHAPE;
      for (let i = 0; i < length; i++) out[at++] = definition[i] as number;
      this.at = at;
    } else if (shape.number < SHAPED_TAGS) {
      this.byte(Tag.SHAPED + shape.number);
    } else {
      this.byte(Tag.SHAPED_MORE);
      this.count(shape.number);
    }
  }

  /** An object with its keys. */
  #keyed(value: Record<string, unknown>, keys: readonly string[], depth: number): void {
    this.byte(Tag.OBJECT);
    this.properties(value, keys, depth);
  }

  /** Keys and values. */
  properties(value: object, keys: readonly string[], depth: number): void {
    this.count(keys.length);
    for (const key of keys) {
      this.string(key);
      this.value((value as Record<string, unknown>)[key], depth);
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    const size = value.length;
    const own = countOwn(value);
    if (size >= SPARSE_FROM && own < size / 2) {
      this.byte(Tag.SPARSE);
      this.count(size);
      return this.properties(value, Object.keys(value), depth);
    }
    const start = this.at;
    let holes: number;
    if (size === 0) {
      this.byte(Tag.ARRAY);
      this.byte(0);
      holes = 0;
    } else {
      const first = value[0];
      if (typeof first !== "number" || own !== size) {
        this.byte(Tag.ARRAY);
        this.count(size);
        holes = this.#element(value, 0, first, depth) + this.#elements(value, 1, size, depth);
      } else if (size > MOST_NUMBERS) {
        return this.#long(value, first, own, depth);
      } else {
        const gathered = gather(value, 0, size, first);
        if (gathered.count === size) return writeNumbers(this, gathered);
        this.byte(Tag.ARRAY);
        this.count(size);
        holes = this.#mixed(value, 0, size, gathered, depth);
      }
    }
    if (own > size - holes) {
      this.out[start] = Tag.NAMED;
      this.#named(value, size - holes, depth);
    } else if (holes > 0) {
      this.out[start] = Tag.HOLEY;
    }
  }

  /** Writes a long array whose first element is a number, so many at a time. */
  #long(value: readonly unknown[], first: unknown, own: number, depth: number): void {
    const size = value.length;
    this.byte(Tag.LONG);
    this.count(size);
    let holes = 0;
    for (let from = 0; from < size; from += MOST_NUMBERS) {
      const count = Math.min(MOST_NUMBERS, size - from);
      const gathered = gather(value, from, count, from === 0 ? first : value[from]);
      if (gathered.count === count) writeNumbers(this, gathered);
      else {
        this.byte(Tag.PART);
        this.count(count);
        holes += this.#mixed(value, from, count, gathered, depth);
      }
    }
    if (own > size - holes) this.#named(value, size - holes, depth);
    else this.byte(0);
  }

  /** Writes `size` elements, the first of which are numbers that were read already; how many are missing. */
  #mixed(value: readonly unknown[], from: number, size: number, gathered: Gathered, depth: number): number {
    const { numbers, count, other } = gathered;
    for (let i = 0; i < count; i++) this.number(numbers[i] as number);
    const at = from + count;
    return this.#element(value, at, other, depth) + this.#elements(value, at + 1, from + size, depth);
  }

  /** Writes the elements from `from` on, before `end`; how many are missing. */
  #elements(value: readonly unknown[], from: number, end: number, depth: number): number {
    let holes = 0;
    for (let i = from; i < end; i++) {
      const item = value[i];
      if (item !== undefined) this.value(item, depth);
      else holes += this.#element(value, i, item, depth);
    }
    return holes;
  }

  /** Writes an element that was read; 1 if there is none. */
  #element(value: readonly unknown[], at: number, item: unknown, depth: number): 0 | 1 {
    if (item !== undefined || at in value) {
      this.value(item, depth);
      return 0;
    }
    this.byte(Tag.HOLE);
    return 1;
  }

  /** The named properties of an array with so many elements. */
  #named(value: readonly unknown[], elements: number, depth: number): void {
    this.properties(value, Object.keys(value).slice(elements), depth);
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
    this.bytes(new Uint8Array(value, 0, size));
  }

  #view(value: ArrayBufferView): void {
    const { buffer } = value;
    if (isDetached(buffer)) throw new Stop("refused", DETACHED);
    const type = typeOfView(value);
    if (type < 0) throw new Stop("message", "a view of a type that this version does not know");
    let offset: number;
    let size: number;
    try {
      offset = value.byteOffset;
      size = value.byteLength;
    } catch {
      throw new Stop("refused", "a view on bytes that its buffer has no more");
    }
    const shared = buffer instanceof SharedArrayBuffer;
    const grows = shared ? (buffer as { growable?: boolean }).growable === true : buffer.resizable === true;
    if (!shared && !grows && size === buffer.byteLength) {
      const id = this.numberOf(buffer);
      if (id < 0) {
        this.byte(Tag.WHOLE);
        this.byte(type);
        return this.bytes(type === UINT8 ? value as Uint8Array : new Uint8Array(buffer, 0, size));
      }
    }
    if (!shared && !grows && isFromPool(value)) {
      // The reader numbers a buffer of its own.
      this.numberOf({});
      this.byte(Tag.WHOLE);
      this.byte(type);
      return this.bytes(value as Uint8Array);
    }
    const tracking = grows && isTracking(value);
    this.byte(tracking ? Tag.TRACKING : Tag.VIEW);
    this.byte(type);
    this.count(offset);
    if (!tracking) this.count(type === DATA_VIEW ? size : (value as Uint8Array).length);
    this.object(buffer, 0);
    const written = this.#lengths.get(buffer);
    if (written !== undefined && offset + size > written) throw new Stop("refused", "a buffer that its getter resizes");
  }

  #shared(value: SharedArrayBuffer | WasmMemory, tag: number): void {
    if (this.courier === undefined) throw new Stop("message", "shared memory");
    const id = this.courier.export(value);
    if (id < 0) throw new Stop("message", "shared memory");
    this.byte(tag);
    this.count(this.#memories.length);
    this.#memories.push(id);
    this.#bits |= NEEDS;
  }

  #memory(value: WasmMemory): void {
    if (!(value.buffer instanceof SharedArrayBuffer)) {
      throw new Stop("refused", "a WebAssembly.Memory that is not shared");
    }
    this.#shared(value, Tag.MEMORY);
  }

  #handle(value: object, depth: number): void {
    const kind = kindOf.get(Object.getPrototypeOf(value) as object) as string;
    if (!this.#kinds.includes(kind)) this.#kinds.push(kind);
    this.#bits |= NEEDS;
    // All of them live in shared memory; and detach() may set something aside, for a message that will be sent.
    if (this.courier === undefined || this.courier.partial) throw new Stop("message", "shared memory");
    const wire = handleCodec(kind)?.detach(value);
    this.byte(Tag.HANDLE);
    this.string(kind);
    this.scope(wire, depth);
  }
}
