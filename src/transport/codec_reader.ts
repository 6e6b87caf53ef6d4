/**
 * Reads one message.
 *
 * The bytes may be damaged: nothing is read outside of the message, and what makes no sense is an {@linkcode EncodingError}.
 * Everything is copied out.
 * @module
 */
import { EncodingError } from "../errors.ts";
import type { WasmMemory } from "../memory/wasm_memory.ts";
import { fill, newArray, setProperty } from "./codec_build.ts";
import { ErrorPart } from "./codec_errors.ts";
import { damaged, Input, NONE } from "./codec_input.ts";
import { bytesEach, readNumbers } from "./codec_numbers.ts";
import { isPlainNow, knownShape, learnShape, type ReadShape } from "./codec_shapes.ts";
import { DEPTH, NEEDS, REFS, SCOPES, SHAPED_TAGS, SHORT, Tag, VIEWS } from "./codec_tags.ts";
import type { MemoryCourier } from "./codec_writer.ts";
import { handleCodec } from "./handles.ts";
import { Sort } from "./refusal.ts";
import { define, makeError } from "./remote_error.ts";

/** A message has shared memory that is not known here: have it sent ({@linkcode MissingMemoryError.id}), decode again. */
export class MissingMemoryError extends EncodingError {
  /** The memory's number. */
  readonly id: number;

  /** Makes the error. @param id the memory's number */
  constructor(id: number) {
    super(`Cannot receive shared memory: number ${id} is not known here.`, `memory ${id}`);
    this.id = id;
  }
}

/** A message has an object of a class that is not loaded here: load it, decode again. */
export class HandlesNotLoadedError extends EncodingError {
  /** Makes the error. @param kind the class */
  constructor(kind: string) {
    super(`Cannot receive a ${kind}: it is not loaded here.`, kind);
  }
}

const BOXES: Record<string, (value: never) => object> = {
  number: (value) => new Number(value),
  string: (value) => new String(value),
  boolean: (value) => new Boolean(value),
  bigint: (value) => Object(value) as object,
};

/** Objects that are not put off may stand in shared objects, which are not, either. */
const DEEPEST = DEPTH + SCOPES + 2;

type ViewType = new (buffer: ArrayBufferLike, offset: number, length?: number) => ArrayBufferView;

function viewType(type: number): ViewType {
  return (globalThis as unknown as Record<string, ViewType | undefined>)[VIEWS[type] ?? ""] ??
    damaged("a view in it is of no type that is known here");
}

/** Reads one message after another. */
export class Reader extends Input {
  #courier: MemoryCourier | undefined;
  /** The objects so far, if any is met again. */
  #objects: object[] | undefined;
  /** Objects that are filled later. */
  #later: object[] = [];
  #scopes = 0;
  /** The object that begins next is one of those: it has its number. */
  #filling = false;
  #shapes: ReadShape[] = [];
  #memories: (SharedArrayBuffer | WasmMemory)[] = [];

  /** Begins with the message in `bytes[start..end)`, whose first byte is GRAPH with its bits. */
  graph(bytes: Uint8Array, start: number, end: number, courier: MemoryCourier | undefined): unknown {
    this.bytes = bytes;
    this.at = start + 1;
    this.end = end;
    this.#courier = courier;
    const bits = (bytes[start] as number) - Tag.GRAPH;
    if (bits < 0 || bits > (REFS | NEEDS)) damaged("it begins with nothing that is known");
    if ((bits & NEEDS) !== 0) this.#needs();
    if ((bits & REFS) !== 0) this.#objects = [];
    const value = this.value(0);
    if (this.#later.length > 0) this.#flush(0);
    if (this.at !== this.end) damaged("it goes on after its end");
    return value;
  }

  /** Lets go of the last message, however it ended. */
  forget(): void {
    this.#courier = undefined;
    this.#objects = undefined;
    this.#scopes = 0;
    this.#filling = false;
    if (this.#later.length > 0) this.#later = [];
    if (this.#shapes.length > 0) this.#shapes = [];
    if (this.#memories.length > 0) this.#memories = [];
  }

  /** Sees to what the message needs, before anything is made of it. */
  #needs(): void {
    const start = this.at;
    this.at = this.end - 4;
    if (this.at < start) damaged("it ends too early");
    const size = this.word();
    const from = this.end - 4 - size;
    if (size < 0 || from < start) damaged("its needs are longer than it is");
    this.at = from;
    this.end -= 4;
    const ids: number[] = [];
    for (let left = this.countOf(1); left > 0; left--) ids.push(this.count());
    for (let left = this.countOf(1); left > 0; left--) {
      const kind = this.string();
      if (handleCodec(kind) === undefined) throw new HandlesNotLoadedError(kind);
    }
    if (this.at !== this.end) damaged("its needs are shorter than they say");
    for (const id of ids) {
      const memory = this.#courier?.import(id);
      if (memory === undefined) throw new MissingMemoryError(id);
      this.#memories.push(memory);
    }
    this.at = start;
    this.end = from;
  }

  #begin<T extends object>(object: T): T {
    if (this.#filling) this.#filling = false;
    else this.#objects?.push(object);
    return object;
  }

  /** Any value. */
  value(depth: number): unknown {
    if (this.at >= this.end) damaged("it ends too early");
    const tag = this.bytes[this.at++] as number;
    if (tag < SHORT) return tag;
    const primitive = this.primitive(tag);
    if (primitive !== NONE) return primitive;
    if (depth > DEEPEST) damaged("it is too deep");
    return this.#object(tag, depth + 1);
  }

  #object(tag: number, depth: number): unknown {
    if (tag >= Tag.SHAPED && tag < Tag.SHAPED + SHAPED_TAGS) return this.#shaped(this.#shapes[tag - Tag.SHAPED], depth);
    switch (tag) {
      case Tag.SHAPE:
        return this.#shaped(this.#shape(), depth);
      case Tag.SHAPED_MORE:
        return this.#shaped(this.#shapes[this.count()], depth);
      case Tag.OBJECT:
        return this.#properties(this.#begin({}), depth);
      case Tag.ARRAY:
        return this.#array(depth);
      case Tag.HOLEY:
        return this.#holey(depth);
      case Tag.NAMED:
        return this.#properties(this.#holey(depth), depth);
      case Tag.SPARSE:
        return this.#sparse(depth);
      case Tag.INTS8:
      case Tag.INTS16:
      case Tag.INTS32:
      case Tag.FLOATS:
        return this.#numbers(tag);
      case Tag.LONG:
        return this.#long(depth);
      case Tag.MAP:
        return this.#map(depth);
      case Tag.SET:
        return this.#set(depth);
      case Tag.REF:
        return this.#objects?.[this.count()] ?? damaged("it names an object that it does not have");
      case Tag.DATE:
        return this.#begin(new Date(this.float()));
      case Tag.REGEXP:
        return this.#begin(new RegExp(this.string(), this.string()));
      case Tag.BOXED: {
        const tag = this.byte();
        const value = tag < SHORT ? tag : this.primitive(tag);
        return this.#begin((BOXES[typeof value] ?? damaged("a primitive value is missing in it"))(value as never));
      }
      case Tag.BUFFER:
        return this.#begin(this.copy().buffer);
      case Tag.RESIZABLE:
        return this.#resizable();
      case Tag.VIEW:
      case Tag.TRACKING:
        return this.#view(tag);
      case Tag.WHOLE:
        return this.#whole();
      case Tag.SHARED:
      case Tag.MEMORY:
        return this.#begin(this.#memory(tag));
      case Tag.ERROR:
        return this.#error(depth);
      case Tag.HANDLE:
        return this.#handle(depth);
      case Tag.LATER:
        return this.#shell();
      default:
        return damaged(`0x${tag.toString(16)} says nothing`);
    }
  }

  /** The definition of a shape. */
  #shape(): ReadShape {
    const sum = this.word();
    const size = this.byte() | (this.byte() << 8);
    this.need(size);
    const { bytes, at } = this;
    let shape = knownShape(sum, bytes, at, size);
    if (shape === undefined) {
      const keys: string[] = [];
      for (let left = this.countOf(1); left > 0; left--) keys.push(this.string());
      if (this.at !== at + size) damaged("the keys of an object in it are not as long as they say");
      shape = learnShape(sum, keys, new Uint8Array(bytes.subarray(at, at + size)));
    }
    this.at = at + size;
    shape.plain = isPlainNow(shape.keys);
    this.#shapes.push(shape);
    return shape;
  }

  #shaped(shape: ReadShape | undefined, depth: number): object {
    if (shape === undefined) damaged("it has no keys for an object");
    const { keys } = shape;
    const object: Record<string, unknown> = this.#begin({});
    if (shape.plain) { for (let i = 0; i < keys.length; i++) object[keys[i] as string] = this.value(depth); }
    else for (const key of keys) setProperty(object, key, this.value(depth));
    return object;
  }

  #array(depth: number): unknown[] {
    const size = this.countOf(1);
    if (this.#objects === undefined && !this.#filling) {
      // On V8, an empty array gets room for 17 elements with its first one.
      switch (size) {
        case 1:
          return [this.value(depth)];
        case 2:
          return [this.value(depth), this.value(depth)];
        case 3:
          return [this.value(depth), this.value(depth), this.value(depth)];
        case 4:
          return [this.value(depth), this.value(depth), this.value(depth), this.value(depth)];
      }
    }
    const array: unknown[] = this.#begin(newArray(size));
    for (let i = 0; i < size; i++) array[i] = this.value(depth);
    return array;
  }

  #holey(depth: number): unknown[] {
    const size = this.countOf(1);
    const array: unknown[] = this.#begin([]);
    for (let i = 0; i < size; i++) {
      if (this.#hole()) array.length = i + 1;
      else array[i] = this.value(depth);
    }
    return array;
  }

  /** Whether there is nothing here. */
  #hole(): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== Tag.HOLE) return false;
    this.at++;
    return true;
  }

  #sparse(depth: number): unknown[] {
    const size = this.count();
    if (size >= 2 ** 32) damaged("an array in it is too long");
    const array: unknown[] = this.#begin([]);
    // Setting a length makes room for so many elements; setting and removing an element that is far away does not.
    if (size > 0) {
      array[size - 1] = undefined;
      delete array[size - 1];
      array.length = size;
    }
    this.#properties(array, depth);
    if (array.length !== size) damaged("an array in it is longer than it says");
    return array;
  }

  #properties<T extends object>(object: T, depth: number): T {
    for (let left = this.countOf(2); left > 0; left--) setProperty(object, this.string(), this.value(depth));
    return object;
  }

  #numbers(tag: number): unknown[] {
    const count = this.#countNumbers(tag);
    const array = this.#begin(newArray(count));
    readNumbers(array, 0, this.bytes, this.at, count, tag);
    this.at = this.blockEnd;
    return array;
  }

  /** Begins a block of numbers: how many. */
  #countNumbers(tag: number): number {
    const size = this.block();
    const each = bytesEach(tag);
    if (size % each !== 0) damaged("half a number is in it");
    return size / each;
  }

  #long(depth: number): unknown[] {
    const size = this.countOf(1);
    const array = this.#begin(newArray(size));
    for (let at = 0; at < size;) {
      const tag = this.byte();
      const isPart = tag === Tag.PART;
      if (!isPart && !(tag >= Tag.INTS8 && tag <= Tag.FLOATS)) damaged("a long array in it ends too early");
      const count = isPart ? this.count() : this.#countNumbers(tag);
      if (count === 0 || count > size - at) damaged("a long array in it has more elements than it says");
      if (isPart) {
        for (let i = 0; i < count; i++) if (!this.#hole()) array[at + i] = this.value(depth);
      } else {
        readNumbers(array, at, this.bytes, this.at, count, tag);
        this.at = this.blockEnd;
      }
      at += count;
    }
    array.length = size;
    return this.#properties(array, depth);
  }

  #map(depth: number): Map<unknown, unknown> {
    const map = this.#begin(new Map<unknown, unknown>());
    for (let left = this.countOf(1); left > 0; left--) {
      if (!this.#hole()) map.set(this.value(depth), this.value(depth));
    }
    return map;
  }

  #set(depth: number): Set<unknown> {
    const set = this.#begin(new Set<unknown>());
    for (let left = this.countOf(1); left > 0; left--) {
      if (!this.#hole()) set.add(this.value(depth));
    }
    return set;
  }

  #resizable(): ArrayBuffer {
    const maxByteLength = this.count();
    const size = this.block();
    if (size > maxByteLength) damaged("a buffer in it is larger than it may be");
    const buffer = this.#begin(new ArrayBuffer(size, { maxByteLength }));
    new Uint8Array(buffer).set(this.bytes.subarray(this.at, this.at + size));
    this.at = this.blockEnd;
    return buffer;
  }

  #view(tag: number): ArrayBufferView {
    const Type = viewType(this.byte());
    const offset = this.count();
    const length = tag === Tag.VIEW ? this.count() : undefined;
    // The view has its number before the buffer begins, and can only be made after it.
    const objects = this.#objects;
    const id = objects?.length ?? 0;
    this.#begin(this);
    const buffer = this.value(DEPTH);
    if (!(buffer instanceof ArrayBuffer) && !(buffer instanceof SharedArrayBuffer)) {
      damaged("a view in it has no buffer");
    }
    const view = new Type(buffer, offset, length);
    if (objects !== undefined) objects[id] = view;
    return view;
  }

  #whole(): ArrayBufferView {
    const Type = viewType(this.byte());
    const bytes = this.copy();
    const view = this.#begin((Type as unknown) === Uint8Array ? bytes : new Type(bytes.buffer, 0));
    this.#objects?.push(bytes.buffer);
    return view;
  }

  #memory(tag: number): SharedArrayBuffer | WasmMemory {
    const memory = this.#memories[this.count()] ?? damaged("it names memory that it does not have");
    if (memory instanceof SharedArrayBuffer !== (tag === Tag.SHARED)) damaged("memory in it is of another kind");
    return memory;
  }

  #handle(depth: number): object {
    const kind = this.string();
    const codec = handleCodec(kind);
    if (codec === undefined) throw new HandlesNotLoadedError(kind);
    const objects = this.#objects;
    const id = objects?.length ?? 0;
    this.#begin(this);
    const object = codec.attach(this.#scope(depth));
    if (objects !== undefined) objects[id] = object;
    return object;
  }

  #scope(depth: number): unknown {
    if (++this.#scopes > SCOPES) damaged("it is too deep");
    const from = this.#later.length;
    const value = this.value(depth);
    this.#flush(from);
    this.#scopes--;
    return value;
  }

  #error(depth: number): Error {
    const type = this.string();
    const parts = this.byte();
    const message = (parts & ErrorPart.MESSAGE) !== 0 ? this.string() : undefined;
    const stack = (parts & ErrorPart.STACK) !== 0 ? this.string() : undefined;
    const name = (parts & ErrorPart.NAME) !== 0 ? this.string() : undefined;
    const error = this.#begin(makeError(type, name ?? "Error", message));
    if (stack !== undefined) define(error, "stack", stack);
    if ((parts & ErrorPart.CAUSE) !== 0) define(error, "cause", this.value(depth));
    if ((parts & ErrorPart.ERRORS) !== 0) define(error, "errors", this.value(depth));
    for (let left = this.countOf(2); left > 0; left--) {
      setProperty(error, this.string(), this.#scope(depth));
    }
    return error;
  }

  /** An object without its parts. */
  #shell(): object {
    const sort = this.byte();
    const shell = sort === Sort.PLAIN
      ? {}
      : sort === Sort.ARRAY
      ? []
      : sort === Sort.MAP
      ? new Map()
      : sort === Sort.SET
      ? new Set()
      : sort === Sort.ERROR
      ? makeError(this.string(), "Error", undefined)
      : damaged("something in it cannot come later");
    this.#later.push(this.#begin(shell));
    return shell;
  }

  /** Fills what was put off since there were `from` of them. */
  #flush(from: number): void {
    const later = this.#later;
    for (let i = from; i < later.length; i++) {
      this.#filling = true;
      const whole = this.value(0);
      if (this.#filling) damaged("something in it never comes");
      fill(later[i] as object, whole);
    }
    later.length = from;
  }
}
