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
import { countOwn } from "../runtime/own_properties.ts";
import { sharedState } from "../runtime/shared_state.ts";
import { type Cargo, keepBooks } from "./cargo.ts";
import {
  describeFunction,
  describeRefused,
  describeSymbol,
  DETACHED,
  isDetached,
  kindOf,
  NOT_SHARED,
  type Place,
  refuse,
  Sort,
  sortOf,
} from "./refusal.ts";

/** How the objects of one class cross. */
export interface HandleCodec<T extends object, W> {
  /** A plain description: numbers, strings, shared buffers, other shared objects, and arrays and objects of those. */
  detach(object: T): W;
  /** A live object on the same state, from a description. */
  attach(wire: W): T;
  /** Lets go of what `detach` set aside, if anything, for a description that nobody is going to attach. */
  drop?(wire: W): void;
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

/** How the objects of class `kind` cross; undefined when the class is not loaded here. */
export function handleCodec(kind: string): HandleCodec<object, unknown> | undefined {
  return kinds.get(kind) as HandleCodec<object, unknown> | undefined;
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
    if (typeof value === "symbol") refuse(root, undefined, "", describeSymbol(value));
    return { value, handles: false };
  }
  const handles = walk(value, root, sharing, false);
  return { value: handles ? keepBooks(replace, value, new Map(), undefined, settle) : value, handles };
}

/** Throws what {@linkcode pack} would throw, and sets nothing aside. */
export function checkSendable(value: unknown, root: string): void {
  if (typeof value === "object" && value !== null) walk(value, root, true, false);
  else pack(value, root);
}

/**
 * Throws the {@linkcode EncodingError} of the first thing in `value` that {@linkcode pack} refuses or, with `bytes`,
 * that cannot be written as bytes; returns when it finds none.
 */
export function refuseFirst(value: unknown, root: string, bytes: boolean): void {
  if (typeof value === "object" && value !== null) walk(value, root, true, bytes);
  else pack(value, root);
}

/** Looks at everything that is reachable, with a stack of its own: a list may be longer than the engine's stack. */
function walk(top: object, root: string, sharing: boolean, bytes: boolean): boolean {
  let found = false;
  let seen: Set<object> | undefined;
  const stack: Place[] = [];
  const look = (value: unknown, parent: Place | undefined, key: string | number): void => {
    if (typeof value === "function") refuse(root, parent, key, describeFunction(value));
    if (typeof value === "symbol") refuse(root, parent, key, describeSymbol(value));
    if (typeof value === "object" && value !== null) stack.push({ value, parent, key });
  };
  look(top, undefined, "");
  for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
    const { value } = place;
    const sort = sortOf(value);
    switch (sort) {
      case Sort.VIEW:
        if (!sharing && isShared((value as ArrayBufferView).buffer)) refuse(root, place.parent, place.key, NOT_SHARED);
        if (isDetached((value as ArrayBufferView).buffer)) refuse(root, place.parent, place.key, DETACHED);
        continue;
      case Sort.BUFFER:
        if (isDetached(value as ArrayBuffer)) refuse(root, place.parent, place.key, DETACHED);
        continue;
      case Sort.SHARED:
      case Sort.MEMORY:
        if (!sharing) refuse(root, place.parent, place.key, NOT_SHARED);
        continue;
      case Sort.HANDLE:
        if (!sharing) refuse(root, place.parent, place.key, NOT_SHARED);
        found = true;
        continue;
      case Sort.REFUSED:
        refuse(root, place.parent, place.key, describeRefused(value));
        continue;
      case Sort.PLATFORM:
        if (bytes) refuse(root, place.parent, place.key, describeRefused(value));
        // What it has of its own does not travel: on Deno a MessagePort has functions.
        continue;
      case Sort.DATE:
      case Sort.REGEXP:
      case Sort.BOXED:
        continue;
      default:
        break;
    }
    if (seen?.has(value)) continue;
    (seen ??= new Set()).add(value);
    if (Array.isArray(value)) {
      let missing = 0;
      for (let i = 0; i < value.length; i++) {
        const item: unknown = value[i];
        if (typeof item === "number" || typeof item === "string") continue;
        if (item === undefined && !(i in value)) missing++;
        look(item, place, i);
      }
      if (countOwn(value) > value.length - missing) {
        for (const key of Object.keys(value)) {
          if (!/^\d/.test(key)) look(value[key as unknown as number], place, key);
        }
      }
    } else if (sort === Sort.MAP) {
      let i = 0;
      for (const [k, v] of value as Map<unknown, unknown>) {
        look(k, place, `<key ${i}>`);
        look(v, place, `<value ${i++}>`);
      }
    } else if (sort === Sort.SET) {
      let i = 0;
      for (const v of value as Set<unknown>) look(v, place, `<item ${i++}>`);
    } else if (sort === Sort.ERROR) {
      look((value as Error).cause, place, "cause");
    } else {
      for (const key of Object.keys(value)) look((value as Record<string, unknown>)[key], place, key);
    }
  }
  return found;
}

function isShared(buffer: object): boolean {
  return buffer instanceof SharedArrayBuffer;
}

/** What has no parts that could be shared objects. */
function isLeaf(value: object): boolean {
  const sort = sortOf(value);
  return sort === Sort.BUFFER || sort === Sort.DATE || sort === Sort.REGEXP || sort === Sort.SHARED ||
    sort === Sort.MEMORY || sort === Sort.BOXED || sort === Sort.PLATFORM || sort === Sort.ERROR;
}

/** Sets an own property; one of the name `__proto__` is an own property, too. */
function setOwn(target: object, key: string, value: unknown): void {
  if (key !== "__proto__") (target as Record<string, unknown>)[key] = value;
  else Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

/** A copy in which every shared object is a description. Cycles and shared references are kept; its stack is its own. */
function replace(top: unknown, done: Map<object, unknown>): unknown {
  const stack: object[] = [];
  /** The copy of a value, which is filled when its turn comes. */
  const copyOf = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
    const before = done.get(value);
    if (before !== undefined) return before;
    const prototype = Object.getPrototypeOf(value) as object | null;
    const kind = prototype === null ? undefined : kindOf.get(prototype);
    if (kind !== undefined) {
      const description = { [MARK]: kind, wire: undefined as unknown };
      done.set(value, description);
      description.wire = copyOf((kinds.get(kind) as AnyCodec).detach(value));
      return description;
    }
    let copy: object;
    if (Array.isArray(value)) copy = new Array(value.length);
    else if (value instanceof Map) copy = new Map();
    else if (value instanceof Set) copy = new Set();
    else if (isLeaf(value)) return value;
    else copy = {};
    done.set(value, copy);
    stack.push(value);
    return copy;
  };
  const result = copyOf(top);
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    const copy = done.get(value) as object;
    if (value instanceof Map) {
      for (const [k, v] of value) (copy as Map<unknown, unknown>).set(copyOf(k), copyOf(v));
    } else if (value instanceof Set) {
      for (const v of value) (copy as Set<unknown>).add(copyOf(v));
    } else {
      for (const key of Object.keys(value)) setOwn(copy, key, copyOf((value as Record<string, unknown>)[key]));
    }
  }
  return result;
}

/** What was set aside for a value that is about to be posted counts from now on, or is given back. */
function settle(cargo: Cargo | undefined, _taken: unknown, failure: unknown): void {
  for (const item of cargo ?? []) {
    if (typeof item === "number") continue;
    if (failure === undefined) item.sent();
    else item.undo();
  }
}

/**
 * Lets go of the descriptions in a value that may never have been received: its receiver has ended, or it was not sent. What
 * was received all the same stays with its receiver.
 */
export function dropPacked({ value, handles }: Packed): void {
  if (!handles) return;
  const seen = new Set<object>();
  const stack: unknown[] = [value];
  while (stack.length > 0) {
    const next = stack.pop();
    if (typeof next !== "object" || next === null || ArrayBuffer.isView(next) || seen.has(next)) continue;
    seen.add(next);
    if (Object.hasOwn(next, MARK)) {
      const { [MARK]: kind, wire } = next as Description;
      kinds.get(kind)?.drop?.(wire);
      stack.push(wire);
    } else if (next instanceof Map) {
      for (const [k, v] of next) stack.push(k, v);
    } else if (next instanceof Set) {
      for (const v of next) stack.push(v);
    } else if (!isLeaf(next)) {
      for (const v of Object.values(next)) stack.push(v);
    }
  }
}

/**
 * Turns the descriptions in a received value back into live objects; the value itself is changed.
 * @throws {EncodingError} when a description names a class that this agent has not loaded
 */
export function unpack(value: unknown): unknown {
  return restore(value, new Map());
}

function restore(top: unknown, done: Map<object, unknown>): unknown {
  const stack: object[] = [];
  /** What stands in the place of a value; its parts are looked at when their turn comes. */
  const live = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
    const before = done.get(value);
    if (before !== undefined) return before;
    if (Object.hasOwn(value, MARK)) {
      const { [MARK]: kind, wire } = value as Description;
      const codec = kinds.get(kind);
      if (codec === undefined) throw new EncodingError(`Cannot receive a ${kind}: it is not loaded here.`, kind);
      // Descriptions are not deep: what is in them is restored first, by a call.
      const object: unknown = codec.attach(restore(wire, done));
      done.set(value, object);
      return object;
    }
    done.set(value, value);
    if (!isLeaf(value)) stack.push(value);
    return value;
  };
  const result = live(top);
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (value instanceof Map) {
      const entries = [...value];
      value.clear();
      for (const [k, v] of entries) value.set(live(k), live(v));
    } else if (value instanceof Set) {
      const items = [...value];
      value.clear();
      for (const item of items) value.add(live(item));
    } else {
      const record = value as Record<string, unknown>;
      for (const key of Object.keys(record)) {
        const before = record[key];
        const after = live(before);
        if (after !== before) setOwn(record, key, after);
      }
    }
  }
  return result;
}
