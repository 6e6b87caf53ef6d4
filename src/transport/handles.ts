/**
 * How values are made ready to cross: what cannot cross is refused with its path, and objects that live in shared
 * memory (locks, values, arrays …) are replaced by plain descriptions and re-attached on the other side.
 *
 * ```
 *  sender                                   structured clone                         receiver
 *  value ── pack ──▶ {value, false} ───────────────────────────────────────────────▶ value
 *  value ── pack ──▶ {copy with descriptions, true} ──▶ … ──▶ unpack ──▶ value with live objects
 * ```
 *
 * Only a message that is marked is walked by the receiver, so plain data pays for one walk, at its sender.
 * @module
 */
import { EncodingError } from "../errors.ts";
import { sharedState } from "../runtime/shared_state.ts";

/** How the objects of one class cross. */
export interface HandleCodec<T extends object, W> {
  /** A plain description: numbers, strings, shared buffers, other shared objects, and arrays and objects of those. */
  detach(object: T): W;
  /** A live object on the same state, from a description. */
  attach(wire: W): T;
}

/** A value that is ready to cross. */
export interface Packed {
  /** What structured clone sends. */
  readonly value: unknown;
  /** Whether it holds descriptions, so that the receiver has to {@linkcode unpack} it. */
  readonly handles: boolean;
}

// deno-lint-ignore no-explicit-any -- a registry of unrelated classes; its only reader passes each codec its own objects
type AnyCodec = HandleCodec<any, any>;

const kinds = sharedState("handle-kinds", () => new Map<string, AnyCodec>());
const kindOf = sharedState("handle-prototypes", () => new Map<object, string>());

const MARK = "\u0000manycore";
interface Description {
  readonly [MARK]: string;
  readonly wire: unknown;
}

/** Registers a class whose objects may be passed anywhere. The class itself and no subclass of it is recognised. */
export function registerHandle<T extends object, W>(
  kind: string,
  type: { readonly prototype: T },
  codec: HandleCodec<T, W>,
): void {
  kinds.set(kind, codec);
  kindOf.set(type.prototype, kind);
}

const NOT_SHARED = 'memory that is shared by threads, and the worker has type "process", which shares none';

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

/** One place on the walk; the path is only written down when something has to be refused. */
interface Place {
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

function refuse(root: string, place: Place | undefined, key: string | number, what: string): never {
  const path = pathOf(root, place, key);
  throw new EncodingError(`Cannot send ${path} to another process: it is ${what}.`, path);
}

function describeFunction(value: { readonly name: string }): string {
  return `a function${
    value.name ? ` (${value.name})` : ""
  }; only the task itself crosses as code, its data must be plain`;
}

/**
 * Makes a value ready to be sent, without changing it.
 *
 * @param value any value, cyclic or not
 * @param root how the value is called in an error, for example `args`
 * @param sharing whether the receiver shares memory with us: a worker of type `"process"` does not
 * @throws {EncodingError} when a function, symbol, promise or the like is found in it
 */
export function pack(value: unknown, root: string, sharing = true): Packed {
  if (typeof value !== "object" || value === null) {
    if (typeof value === "function") refuse(root, undefined, "", describeFunction(value));
    if (typeof value === "symbol") refuse(root, undefined, "", `a symbol (${String(value)})`);
    return { value, handles: false };
  }
  return walk(value, root, sharing) ? { value: replace(value, new Map()), handles: true } : { value, handles: false };
}

/** Looks at everything that is reachable, with a stack of its own: a list may be longer than the engine's stack. */
function walk(top: object, root: string, sharing: boolean): boolean {
  let found = false;
  let seen: Set<object> | undefined;
  const stack: Place[] = [];
  const look = (value: unknown, parent: Place | undefined, key: string | number): void => {
    if (typeof value === "function") refuse(root, parent, key, describeFunction(value));
    if (typeof value === "symbol") refuse(root, parent, key, `a symbol (${String(value)})`);
    if (typeof value === "object" && value !== null) stack.push({ value, parent, key });
  };
  look(top, undefined, "");
  for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
    const { value } = place;
    if (ArrayBuffer.isView(value)) {
      if (!sharing && isShared(value.buffer)) refuse(root, place.parent, place.key, NOT_SHARED);
      continue;
    }
    if (seen?.has(value)) continue;
    (seen ??= new Set()).add(value);
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        const item: unknown = value[i];
        if (typeof item === "number" || typeof item === "string") continue;
        look(item, place, i);
      }
      continue;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      if (kindOf.has(prototype as object)) {
        if (!sharing) refuse(root, place.parent, place.key, NOT_SHARED);
        found = true;
        continue;
      }
      const tag = Object.prototype.toString.call(value);
      const refused = REFUSED.get(tag);
      if (refused !== undefined) refuse(root, place.parent, place.key, refused);
      if (ITERATOR.test(tag)) refuse(root, place.parent, place.key, "an iterator: send an array, as in [...iterator]");
      if (value instanceof Map) {
        let i = 0;
        for (const [k, v] of value) {
          look(k, place, `<key ${i}>`);
          look(v, place, `<value ${i++}>`);
        }
        continue;
      }
      if (value instanceof Set) {
        let i = 0;
        for (const v of value) look(v, place, `<item ${i++}>`);
        continue;
      }
      if (isLeaf(value)) {
        if (!sharing && isShared(value)) refuse(root, place.parent, place.key, NOT_SHARED);
        continue;
      }
      if (value instanceof Error) {
        look(value.cause, place, "cause");
        continue;
      }
    }
    for (const key of Object.keys(value)) look((value as Record<string, unknown>)[key], place, key);
  }
  return found;
}

function isShared(buffer: object): boolean {
  return buffer instanceof SharedArrayBuffer;
}

function isLeaf(value: object): boolean {
  return value instanceof ArrayBuffer || value instanceof Date || value instanceof RegExp || isShared(value) ||
    value instanceof Blob || value instanceof MessagePort;
}

/** A copy in which every shared object is a description. Cycles and shared references are kept. */
function replace(value: unknown, done: Map<object, unknown>): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  const before = done.get(value);
  if (before !== undefined) return before;
  const prototype = Object.getPrototypeOf(value) as object | null;
  const kind = prototype === null ? undefined : kindOf.get(prototype);
  if (kind !== undefined) {
    const description = { [MARK]: kind, wire: undefined as unknown };
    done.set(value, description);
    description.wire = replace((kinds.get(kind) as AnyCodec).detach(value), done);
    return description;
  }
  if (Array.isArray(value)) {
    const copy: unknown[] = new Array(value.length);
    done.set(value, copy);
    for (const key of Object.keys(value)) {
      copy[key as unknown as number] = replace(value[key as unknown as number], done);
    }
    return copy;
  }
  if (value instanceof Map) {
    const copy = new Map<unknown, unknown>();
    done.set(value, copy);
    for (const [k, v] of value) copy.set(replace(k, done), replace(v, done));
    return copy;
  }
  if (value instanceof Set) {
    const copy = new Set<unknown>();
    done.set(value, copy);
    for (const v of value) copy.add(replace(v, done));
    return copy;
  }
  if (isLeaf(value) || value instanceof Error) return value;
  const copy: Record<string, unknown> = {};
  done.set(value, copy);
  for (const key of Object.keys(value)) copy[key] = replace((value as Record<string, unknown>)[key], done);
  return copy;
}

/**
 * Turns the descriptions in a received value back into live objects; the value itself is changed.
 * @throws {EncodingError} when a description names a class that this agent has not loaded
 */
export function unpack(value: unknown): unknown {
  return restore(value, new Map());
}

function restore(value: unknown, done: Map<object, unknown>): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  const before = done.get(value);
  if (before !== undefined) return before;
  if (Object.hasOwn(value, MARK)) {
    const { [MARK]: kind, wire } = value as Description;
    const codec = kinds.get(kind);
    if (codec === undefined) throw new EncodingError(`Cannot receive a ${kind}: it is not loaded here.`, kind);
    const object: unknown = codec.attach(restore(wire, done));
    done.set(value, object);
    return object;
  }
  done.set(value, value);
  if (Array.isArray(value)) {
    for (const key of Object.keys(value)) {
      value[key as unknown as number] = restore(value[key as unknown as number], done);
    }
  } else if (value instanceof Map) {
    const entries = [...value];
    value.clear();
    for (const [k, v] of entries) value.set(restore(k, done), restore(v, done));
  } else if (value instanceof Set) {
    const items = [...value];
    value.clear();
    for (const item of items) value.add(restore(item, done));
  } else if (!isLeaf(value) && !(value instanceof Error)) {
    const record = value as Record<string, unknown>;
    for (const key of Object.keys(record)) record[key] = restore(record[key], done);
  }
  return value;
}
