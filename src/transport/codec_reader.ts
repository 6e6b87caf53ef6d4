/**
 * Reads one message.
 *
 * The bytes may be damaged, and may be shared memory that somebody still writes to: every length is read once and held
 * against what is left before anything is made of it, nothing is read outside of the message, and what makes no sense is an
 * {@linkcode EncodingError}. Everything is copied out.
 * @module
 */
import { EncodingError } from "../errors.ts";
import type { WasmMemory } from "../memory/wasm_memory.ts";
import { DEPTH, SCOPES, SHORT, SHORT_MOST, Tag, VIEWS } from "./codec_tags.ts";
import { ErrorPart, type MemoryCourier } from "./codec_writer.ts";
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

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const HOLE = Symbol("hole");
const BOXES: Record<string, (value: never) => object> = {
  number: (value) => new Number(value),
  string: (value) => new String(value),
  boolean: (value) => new Boolean(value),
  bigint: (value) => Object(value) as object,
};
/** More characters than that are too many arguments. */
const UNITS_AT_ONCE = 8192;

type ViewType = new (buffer: ArrayBufferLike, offset: number, length?: number) => ArrayBufferView;

function viewType(type: number): ViewType | undefined {
  return (globalThis as unknown as Record<string, ViewType | undefined>)[VIEWS[type] ?? ""];
}

function damaged(what: string): never {
  throw new EncodingError(`Cannot decode a message: ${what}.`, "message");
}

/** Reads one message from front to back. */
export class Reader {
  #bytes: Uint8Array;
  #at: number;
  #end: number;
  #courier: MemoryCourier | undefined;
  /** The objects so far, if any is met again. */
  #objects: object[] | undefined;
  /** Objects that are filled later. */
  readonly #later: object[] = [];
  #scopes = 0;
  /** The object that begins next is one of those: it has its number. */
  #filling = false;

  /** Looks at `bytes` from `start` to `end`. */
  constructor(bytes: Uint8Array, start: number, end: number, courier: MemoryCourier | undefined) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#courier = courier;
  }

  /** Reads it. */
  message(): unknown {
    const tag = this.#bytes[this.#at];
    if (tag === Tag.GRAPH || tag === Tag.GRAPH_REFS) {
      this.#at++;
      if (tag === Tag.GRAPH_REFS) this.#objects = [];
    }
    const value = this.#value(0);
    this.#flush(0);
    if (this.#at !== this.#end) damaged("it goes on after its end");
    return value === HOLE ? damaged("it begins with a hole") : value;
  }

  #need(size: number): void {
    if (size > this.#end - this.#at) damaged("it ends too early");
  }

  #byte(): number {
    if (this.#at >= this.#end) damaged("it ends too early");
    return this.#bytes[this.#at++] as number;
  }

  #count(): number {
    let byte = this.#byte();
    if (byte < 128) return byte;
    let value = byte - 128;
    for (let scale = 128; scale < 2 ** 50; scale *= 128) {
      byte = this.#byte();
      if (byte < 128) return value + byte * scale;
      value += (byte - 128) * scale;
    }
    return damaged("a count in it is too large");
  }

  /** The count of things that take at least `size` bytes each. */
  #countOf(size: number): number {
    const count = this.#count();
    this.#need(count * size);
    return count;
  }

  #length(): number {
    this.#need(4);
    const bytes = this.#bytes;
    const at = this.#at;
    this.#at += 4;
    return ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>> 0;
  }

  #float(): number {
    this.#need(8);
    for (let i = 0; i < 8; i++) floatBytes[i] = this.#bytes[this.#at++] as number;
    return float[0] as number;
  }

  #string(): string {
    const value = this.#value(0);
    return typeof value === "string" ? value : damaged("a string is missing in it");
  }

  /** A fresh copy of the next bytes. */
  #raw(size: number): Uint8Array<ArrayBuffer> {
    this.#need(size);
    const copy = new Uint8Array(size);
    copy.set(this.#bytes.subarray(this.#at, this.#at + size));
    this.#at += size;
    return copy;
  }

  #begin<T extends object>(object: T): T {
    if (this.#filling) this.#filling = false;
    else this.#objects?.push(object);
    return object;
  }

  #value(depth: number): unknown {
    const tag = this.#byte();
    if (tag < SHORT) return tag;
    if (tag <= SHORT + SHORT_MOST) return this.#short(tag - SHORT);
    switch (tag) {
      case Tag.UNDEFINED:
        return undefined;
      case Tag.NULL:
        return null;
      case Tag.TRUE:
        return true;
      case Tag.FALSE:
        return false;
      case Tag.HOLE:
        return HOLE;
      case Tag.INT8:
        return (this.#byte() << 24) >> 24;
      case Tag.INT16:
        return ((this.#byte() | (this.#byte() << 8)) << 16) >> 16;
      case Tag.INT32:
        return this.#length() | 0;
      case Tag.FLOAT64:
        return this.#float();
      case Tag.ASCII:
      case Tag.UTF8:
        return this.#text(this.#length());
      case Tag.UTF16:
        return this.#units(this.#length());
      case Tag.BIGINT:
        return this.#bigint();
    }
    if (depth > DEPTH + 1) damaged("it is too deep");
    return this.#object(tag, depth + 1);
  }

  /** A value that is no hole. */
  #item(depth: number): unknown {
    const value = this.#value(depth);
    return value === HOLE ? damaged("a hole is in a wrong place in it") : value;
  }

  #object(tag: number, depth: number): unknown {
    switch (tag) {
      case Tag.ARRAY:
        return this.#array(depth);
      case Tag.NAMED:
        return this.#properties(this.#array(depth), depth);
      case Tag.SPARSE:
        return this.#sparse(depth);
      case Tag.OBJECT:
        return this.#properties(this.#begin({}), depth);
      case Tag.MAP:
        return this.#map(depth);
      case Tag.SET:
        return this.#set(depth);
      case Tag.DATE:
        return this.#begin(new Date(this.#float()));
      case Tag.REGEXP:
        return this.#begin(new RegExp(this.#string(), this.#string()));
      case Tag.BOXED: {
        const value = this.#item(0);
        return this.#begin(
          (BOXES[typeof value] ?? (() => damaged("a primitive value is missing in it")))(value as never),
        );
      }
      case Tag.BUFFER:
        return this.#begin(this.#raw(this.#count()).buffer);
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
      case Tag.REF:
        return this.#objects?.[this.#count()] ?? damaged("it names an object that it does not have");
      case Tag.LATER:
        return this.#shell();
      case Tag.INTS8:
        return this.#ints(1);
      case Tag.INTS16:
        return this.#ints(2);
      case Tag.INTS32:
        return this.#ints(4);
      case Tag.FLOATS:
        return this.#floats();
      default:
        return damaged(`0x${tag.toString(16)} says nothing`);
    }
  }

  #short(size: number): string {
    this.#need(size);
    const bytes = this.#bytes;
    let text = "";
    for (let i = 0; i < size; i++) text += String.fromCharCode(bytes[this.#at++] as number);
    return text;
  }

  #text(size: number): string {
    this.#need(size);
    const text = decoder.decode(this.#bytes.subarray(this.#at, this.#at + size));
    this.#at += size;
    return text;
  }

  #units(size: number): string {
    this.#need(2 * size);
    const bytes = this.#bytes;
    const units = new Uint16Array(Math.min(size, UNITS_AT_ONCE));
    let text = "";
    for (let left = size; left > 0; left -= UNITS_AT_ONCE) {
      const now = Math.min(left, UNITS_AT_ONCE);
      for (let i = 0; i < now; i++, this.#at += 2) {
        units[i] = (bytes[this.#at] as number) | ((bytes[this.#at + 1] as number) << 8);
      }
      text += String.fromCharCode.apply(null, units.subarray(0, now) as unknown as number[]);
    }
    return text;
  }

  #bigint(): bigint {
    const negative = this.#byte() === 1;
    const bytes = this.#raw(this.#length());
    let digits = "0x0";
    for (let i = bytes.length - 1; i >= 0; i--) digits += (bytes[i] as number).toString(16).padStart(2, "0");
    const value = BigInt(digits);
    return negative ? -value : value;
  }

  #array(depth: number): unknown[] {
    const size = this.#countOf(1);
    const array: unknown[] = this.#begin([]);
    for (let i = 0; i < size; i++) {
      const value = this.#value(depth);
      if (value === HOLE) array.length = i + 1;
      else array[i] = value;
    }
    return array;
  }

  #sparse(depth: number): unknown[] {
    const size = this.#count();
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
    const count = this.#countOf(2);
    for (let i = 0; i < count; i++) {
      const key = this.#string();
      setProperty(object, key, this.#item(depth));
    }
    return object;
  }

  #map(depth: number): Map<unknown, unknown> {
    const map = this.#begin(new Map<unknown, unknown>());
    for (let left = this.#countOf(1); left > 0; left--) {
      const key = this.#value(depth);
      if (key !== HOLE) map.set(key, this.#item(depth));
    }
    return map;
  }

  #set(depth: number): Set<unknown> {
    const set = this.#begin(new Set<unknown>());
    for (let left = this.#countOf(1); left > 0; left--) {
      const item = this.#value(depth);
      if (item !== HOLE) set.add(item);
    }
    return set;
  }

  #resizable(): ArrayBuffer {
    const maxByteLength = this.#count();
    const size = this.#count();
    this.#need(size);
    if (size > maxByteLength) damaged("a buffer in it is larger than it may be");
    const buffer = this.#begin(new ArrayBuffer(size, { maxByteLength }));
    new Uint8Array(buffer).set(this.#bytes.subarray(this.#at, this.#at + size));
    this.#at += size;
    return buffer;
  }

  #view(tag: number): ArrayBufferView {
    const type = this.#byte();
    const Type = viewType(type) ?? damaged("a view in it is of no type that is known here");
    const offset = this.#count();
    const length = tag === Tag.VIEW ? this.#count() : undefined;
    // The view has its number before the buffer begins, and can only be made after it.
    const objects = this.#objects;
    const id = objects?.length ?? 0;
    objects?.push(this);
    const buffer = this.#item(DEPTH);
    if (!(buffer instanceof ArrayBuffer) && !(buffer instanceof SharedArrayBuffer)) {
      damaged("a view in it has no buffer");
    }
    const view = new Type(buffer, offset, length);
    if (objects !== undefined) objects[id] = view;
    return view;
  }

  #whole(): ArrayBufferView {
    const Type = viewType(this.#byte()) ?? damaged("a view in it is of no type that is known here");
    const bytes = this.#raw(this.#count());
    const view = this.#begin(bytes instanceof Type ? bytes : new Type(bytes.buffer, 0));
    this.#objects?.push(bytes.buffer);
    return view;
  }

  #memory(tag: number): SharedArrayBuffer | WasmMemory {
    const id = this.#count();
    const memory = this.#courier?.import(id);
    if (memory === undefined) throw new MissingMemoryError(id);
    if (memory instanceof SharedArrayBuffer !== (tag === Tag.SHARED)) damaged(`its memory ${id} is of another kind`);
    return memory;
  }

  #handle(depth: number): object {
    const kind = this.#string();
    const codec = handleCodec(kind);
    if (codec === undefined) throw new HandlesNotLoadedError(kind);
    const objects = this.#objects;
    const id = objects?.length ?? 0;
    objects?.push(this);
    const object = codec.attach(this.#scope(depth));
    if (objects !== undefined) objects[id] = object;
    return object;
  }

  #scope(depth: number): unknown {
    if (++this.#scopes > SCOPES) damaged("it is too deep");
    const from = this.#later.length;
    const value = this.#item(depth);
    this.#flush(from);
    this.#scopes--;
    return value;
  }

  #error(depth: number): Error {
    const type = this.#string();
    const parts = this.#byte();
    const message = (parts & ErrorPart.MESSAGE) !== 0 ? this.#string() : undefined;
    const stack = (parts & ErrorPart.STACK) !== 0 ? this.#string() : undefined;
    const name = (parts & ErrorPart.NAME) !== 0 ? this.#string() : undefined;
    const error = this.#begin(makeError(type, name ?? "Error", message));
    if (stack !== undefined) define(error, "stack", stack);
    if ((parts & ErrorPart.CAUSE) !== 0) define(error, "cause", this.#item(depth));
    if ((parts & ErrorPart.ERRORS) !== 0) define(error, "errors", this.#item(depth));
    for (let left = this.#countOf(2); left > 0; left--) {
      const key = this.#string();
      setProperty(error, key, this.#scope(depth));
    }
    return error;
  }

  /** An object without its parts. */
  #shell(): object {
    const sort = this.#byte();
    const shell = sort === Sort.PLAIN
      ? {}
      : sort === Sort.ARRAY
      ? []
      : sort === Sort.MAP
      ? new Map()
      : sort === Sort.SET
      ? new Set()
      : sort === Sort.ERROR
      ? makeError(this.#string(), "Error", undefined)
      : damaged("something in it cannot come later");
    this.#later.push(this.#begin(shell));
    return shell;
  }

  /** Fills what was put off since there were `from` of them. */
  #flush(from: number): void {
    const later = this.#later;
    for (let i = from; i < later.length; i++) {
      this.#filling = true;
      const whole = this.#value(0);
      if (this.#filling) damaged("something in it never comes");
      fill(later[i] as object, whole);
    }
    later.length = from;
  }

  #ints(size: 1 | 2 | 4): number[] {
    const count = this.#countOf(size);
    const array: number[] = this.#begin([]);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < count; i++) {
      let value = bytes[at++] as number;
      if (size > 1) value |= (bytes[at++] as number) << 8;
      if (size > 2) value |= ((bytes[at++] as number) << 16) | ((bytes[at++] as number) << 24);
      array.push(size === 4 ? value : size === 2 ? (value << 16) >> 16 : (value << 24) >> 24);
    }
    this.#at = at;
    return array;
  }

  #floats(): number[] {
    const count = this.#countOf(8);
    return this.#begin(Array.from(new Float64Array(this.#raw(8 * count).buffer)));
  }
}

/** Sets a property as structured clone does: no setter runs, and `__proto__` is a key like any other. */
function setProperty(object: object, key: string, value: unknown): void {
  if (key in object) {
    Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
  } else {
    (object as Record<string, unknown>)[key] = value;
  }
}

/** Moves all that `whole` has into `shell`. */
function fill(shell: object, whole: unknown): void {
  if (Array.isArray(shell) && Array.isArray(whole)) {
    for (const key of Object.keys(whole)) shell[key as unknown as number] = whole[key as unknown as number] as unknown;
    shell.length = whole.length;
  } else if (shell instanceof Map && whole instanceof Map) {
    for (const [key, item] of whole) shell.set(key, item);
  } else if (shell instanceof Set && whole instanceof Set) {
    for (const item of whole) shell.add(item);
  } else if (shell instanceof Error ? whole instanceof Error : !Array.isArray(shell)) {
    for (const key of Reflect.ownKeys(whole as object)) {
      Object.defineProperty(shell, key, Object.getOwnPropertyDescriptor(whole, key) as PropertyDescriptor);
    }
  } else damaged("something in it comes as something else");
}
