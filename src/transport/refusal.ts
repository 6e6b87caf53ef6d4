/**
 * What may cross and what may not: one judgement and one set of words for {@linkcode pack} (`handles.ts`), which sends
 * by structured clone, and for the codec (`codec.ts`), which writes bytes.
 * @module
 */
import { EncodingError } from "../errors.ts";
import { WasmMemory } from "../memory/wasm_memory.ts";
import { sharedState } from "../runtime/shared_state.ts";

/** The prototypes of registered classes, and what each kind is called: see `registerHandle`. */
export const kindOf: Map<object, string> = sharedState("handle-prototypes", () => new Map<object, string>());

/** What an object is to us. */
export const Sort = {
  PLAIN: 0,
  ARRAY: 1,
  MAP: 2,
  SET: 3,
  /** The last of those that have parts. */
  ERROR: 4,
  DATE: 5,
  REGEXP: 6,
  BOXED: 7,
  /** `ArrayBuffer` */
  BUFFER: 8,
  /** A typed array or `DataView`. */
  VIEW: 9,
  /** `SharedArrayBuffer` */
  SHARED: 10,
  /** `WebAssembly.Memory` */
  MEMORY: 11,
  /** An object of a registered class. */
  HANDLE: 12,
  /** An object of the platform (`MessagePort`, `Blob`, `URL` …): a message may carry it, bytes cannot. */
  PLATFORM: 13,
  /** Cannot cross. */
  REFUSED: 14,
} as const;

/** One of {@linkcode Sort}. */
export type Sort = (typeof Sort)[keyof typeof Sort];

const REFUSED: ReadonlyMap<string, string> = new Map([
  ["[object Process]", "a Process, which only its parent can use"],
  ["[object Pool]", "a Pool, which only the process that made it can use"],
  ["[object Promise]", "a Promise: await it before it is sent"],
  ["[object WeakMap]", "a WeakMap, which cannot be copied"],
  ["[object WeakSet]", "a WeakSet, which cannot be copied"],
  ["[object WeakRef]", "a WeakRef, which cannot be copied"],
  ["[object Generator]", "a generator: send an array, or give it to imap() as the input"],
  ["[object AsyncGenerator]", "an async generator: send an array, or give it to imap() as the input"],
]);

/** What `values()`, `keys()` and the iterator helpers give; some runtimes clone it to an empty object. */
const ITERATOR = /Iterator(?: Helper)?\]$/;

/** Words for a buffer whose memory is gone. */
export const DETACHED = "memory that was transferred away: send the ArrayBuffer before it is detached";

/** Whether a buffer's memory was transferred away. Node 20 has no `detached`, but makes no view of such a buffer. */
export function isDetached(buffer: ArrayBufferLike): boolean {
  const { detached, byteLength } = buffer as ArrayBufferLike & { readonly detached?: boolean };
  if (detached !== undefined || byteLength > 0 || buffer instanceof SharedArrayBuffer) return detached === true;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** Words for memory that cannot be reached from a worker that is a program of its own. */
export const NOT_SHARED = 'memory that is shared by threads, and the worker has type "process", which shares none';

const OBJECT = "[object Object]";

/** Prototypes of classes of the user's whose objects are plain data: found out once. */
const plainPrototypes = new WeakSet<object>();

/** What an object is. Class instances, Proxies and whatever else has keys are PLAIN. */
export function sortOf(value: object): Sort {
  if (Array.isArray(value)) return Sort.ARRAY;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype || prototype === null) return Sort.PLAIN;
  if (ArrayBuffer.isView(value)) return Sort.VIEW;
  if (kindOf.has(prototype)) return Sort.HANDLE;
  if (plainPrototypes.has(prototype)) return Sort.PLAIN;
  const tag = Object.prototype.toString.call(value);
  if (REFUSED.has(tag) || ITERATOR.test(tag)) return Sort.REFUSED;
  let pretends = false;
  for (const { type, name, sort, probe } of BUILT_IN) {
    const inherited = inherits(value, type);
    if (!inherited && tag !== name) continue;
    // What inherits from Error is one to us, however it was made; of what only has its tag, the language knows.
    if (isGenuine(value, sort === Sort.ERROR && !inherited ? probeForeignError : probe)) return sort;
    pretends = true;
  }
  if (pretends) return Sort.PLAIN;
  if (isPlatform(value, prototype, tag)) return Sort.PLATFORM;
  if (tag === OBJECT) plainPrototypes.add(prototype);
  return Sort.PLAIN;
}

/** So deep, and so many objects, {@linkcode isData} looks: cycles come to an end, and so do objects that are met many times. */
const DATA_DEPTH = 12;
const DATA_OBJECTS = 50_000;

let objectsLeft = 0;

/**
 * Whether a value is nothing but arrays, objects of no class, and what has no parts and crosses: nothing in it can be refused, and
 * nothing is shared. False says nothing. It takes a fifth of the time of a walk that remembers where it has been.
 */
export function isData(value: unknown): boolean {
  objectsLeft = DATA_OBJECTS;
  return hasOnlyData(value, DATA_DEPTH);
}

function hasOnlyData(value: unknown, depth: number): boolean {
  if (typeof value !== "object") return typeof value !== "function" && typeof value !== "symbol";
  if (value === null) return true;
  if (depth === 0 || --objectsLeft < 0) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!hasOnlyData(value[i], depth - 1)) return false;
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key in value) if (!hasOnlyData((value as Record<string, unknown>)[key], depth - 1)) return false;
  return true;
}

/** Reads what only the real thing has, and throws a TypeError at anything else: `Object.create(Map.prototype)` is no map. */
type Probe = (value: object) => unknown;

/** Node 20 and 22 have no way to ask. */
const isError = (Error as unknown as { readonly isError?: (value: unknown) => boolean }).isError;

function probeForeignError(value: object): void {
  if (isError?.(value) === false) throw new TypeError("no error");
}

function getter(prototype: object, name: string): Probe {
  const get = Object.getOwnPropertyDescriptor(prototype, name)?.get as () => unknown;
  return (value) => get.call(value);
}

/** What structured clone knows, by prototype, or by tag: an object of another realm has another prototype. */
const BUILT_IN: readonly { type: object; name: string; sort: Sort; probe: Probe | undefined }[] = [
  builtIn(Map, "Map", Sort.MAP, getter(Map.prototype, "size")),
  builtIn(Set, "Set", Sort.SET, getter(Set.prototype, "size")),
  builtIn(Date, "Date", Sort.DATE, (value) => Date.prototype.getTime.call(value)),
  builtIn(RegExp, "RegExp", Sort.REGEXP, getter(RegExp.prototype, "source")),
  builtIn(ArrayBuffer, "ArrayBuffer", Sort.BUFFER, getter(ArrayBuffer.prototype, "byteLength")),
  builtIn(SharedArrayBuffer, "SharedArrayBuffer", Sort.SHARED, getter(SharedArrayBuffer.prototype, "byteLength")),
  builtIn(Error, "Error", Sort.ERROR, undefined),
  builtIn(WasmMemory, "WebAssembly.Memory", Sort.MEMORY, getter(WasmMemory.prototype, "buffer")),
  builtIn(Number, "Number", Sort.BOXED, (value) => Number.prototype.valueOf.call(value)),
  builtIn(String, "String", Sort.BOXED, (value) => String.prototype.valueOf.call(value)),
  builtIn(Boolean, "Boolean", Sort.BOXED, (value) => Boolean.prototype.valueOf.call(value)),
  builtIn(BigInt, "BigInt", Sort.BOXED, (value) => BigInt.prototype.valueOf.call(value)),
];

function builtIn(
  { prototype }: { readonly prototype: object },
  name: string,
  sort: Sort,
  probe: Probe | undefined,
): { type: object; name: string; sort: Sort; probe: Probe | undefined } {
  return { type: prototype, name: `[object ${name}]`, sort, probe };
}

function inherits(value: object, prototype: object): boolean {
  return Object.prototype.isPrototypeOf.call(prototype, value);
}

function isGenuine(value: object, probe: Probe | undefined): boolean {
  try {
    probe?.(value);
    return true;
  } catch {
    return false;
  }
}

/** An object of a class that the platform has under the name in the object's tag, or that Node marks as its own. */
function isPlatform(value: object, prototype: object, tag: string): boolean {
  if (tag !== OBJECT) {
    let type: unknown = globalThis;
    for (const part of tag.slice(8, -1).split(".")) type = (type as Record<string, unknown> | undefined)?.[part];
    if (typeof type === "function" && inherits(value, (type.prototype ?? {}) as object)) return true;
  }
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    for (const symbol of Object.getOwnPropertySymbols(at)) {
      if (symbol.description === "messaging_clone_symbol" || symbol.description === "Deno.core.hostObject") return true;
    }
  }
  return false;
}

/** Why an object whose sort is REFUSED or PLATFORM cannot cross. */
export function describeRefused(value: object): string {
  const tag = Object.prototype.toString.call(value);
  const name = tag === OBJECT ? value.constructor?.name ?? "object" : tag.slice(8, -1);
  return REFUSED.get(tag) ??
    (ITERATOR.test(tag)
      ? "an iterator: send an array, as in [...iterator]"
      : `${/^[AEIOU](?!RL)/.test(name) ? "an" : "a"} ${name}, which cannot be copied`);
}

/** Why a function cannot cross. */
export function describeFunction(value: { readonly name: string }): string {
  return `a function${
    value.name ? ` (${value.name})` : ""
  }; only the task itself crosses as code, its data must be plain`;
}

/** Why a symbol cannot cross. */
export function describeSymbol(value: symbol): string {
  return `a symbol (${String(value)})`;
}

/** One place on a walk through a value; the path is only written down when something has to be refused. */
export interface Place {
  readonly value: object;
  readonly parent: Place | undefined;
  readonly key: string | number;
}

function pathOf(root: string, place: Place | undefined, key: string | number): string {
  const keys: (string | number)[] = [];
  if (place !== undefined) {
    keys.push(key);
    for (let at = place; at.parent !== undefined; at = at.parent) keys.push(at.key);
  }
  let path = root;
  for (const part of keys.reverse()) {
    if (typeof part === "number") path += `[${part}]`;
    else {path += /^[A-Za-z_$][\w$]*$/.test(part)
        ? `.${part}`
        : part.startsWith("<")
        ? part
        : `[${JSON.stringify(part)}]`;}
  }
  return path;
}

/** Throws the {@linkcode EncodingError} for what stands at `key` of `place`. */
export function refuse(root: string, place: Place | undefined, key: string | number, what: string): never {
  throw refusal(pathOf(root, place, key), what);
}

/** The error for what stands at `path`. */
export function refusal(path: string, what: string): EncodingError {
  return new EncodingError(`Cannot send ${path} to another process: it is ${what}.`, path);
}
