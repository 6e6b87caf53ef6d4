/**
 * Errors cross as themselves: name, message, own fields, `cause` and `errors` survive, and the class where this side
 * knows it. Structured clone keeps none of that for a class of one's own, so they are taken apart here, and put
 * together with the stack of the place where they were thrown.
 * @module
 */
import { ERROR_CLASSES } from "../errors.ts";
import { pack, type Packed, unpack } from "./handles.ts";

/** Anything that was thrown, as plain data. */
export type WireError =
  | { readonly kind: "value"; readonly packed: Packed }
  | {
    readonly kind: "error";
    readonly name: string;
    readonly type: string;
    readonly message: string;
    readonly stack: string;
    readonly fields: readonly (readonly [string, Packed])[];
    readonly cause?: WireError | undefined;
    readonly errors?: readonly WireError[] | undefined;
  };

/** How deep causes are followed, and how many errors cross with one: causes may go in circles, and lists hold themselves. */
const DEPTH_LIMIT = 16;
const COUNT_LIMIT = 1000;

const BUILT_IN: ReadonlyMap<string, { readonly prototype: Error }> = new Map(
  [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError].map(
    (type): [string, { readonly prototype: Error }] => [type.name, type],
  ),
);

/** Makes anything that was thrown ready to be sent. Never throws. */
export function encodeError(thrown: unknown): WireError {
  return encode(thrown, 0, { left: COUNT_LIMIT });
}

function encode(thrown: unknown, depth: number, count: { left: number }): WireError {
  count.left--;
  try {
    return thrown instanceof Error ? takeApart(thrown, depth, count) : { kind: "value", packed: packOr(thrown, "it") };
  } catch (failure) {
    // A proxy whose traps throw, for example.
    return { kind: "value", packed: { value: `An error that cannot be read: ${String(failure)}`, handles: false } };
  }
}

function takeApart(thrown: Error, depth: number, count: { left: number }): WireError {
  const fields: (readonly [string, Packed])[] = [];
  for (const key of fieldsOf(thrown)) {
    fields.push([key, packOr(readField(thrown, key), key)]);
  }
  const deeper = depth < DEPTH_LIMIT && count.left > 0;
  const errors = deeper && thrown instanceof AggregateError ? readField(thrown, "errors") : undefined;
  return {
    kind: "error",
    name: text(readField(thrown, "name"), "Error"),
    type: classOf(thrown),
    message: text(readField(thrown, "message"), ""),
    stack: text(readField(thrown, "stack"), ""),
    fields,
    ...(deeper && Object.hasOwn(thrown, "cause")
      ? { cause: encode(readField(thrown, "cause"), depth + 1, count) }
      : {}),
    ...(Array.isArray(errors)
      ? { errors: errors.slice(0, Math.max(0, count.left)).map((error) => encode(error, depth + 1, count)) }
      : {}),
  };
}

/** The names of what an error's class or maker added to it. */
export function fieldsOf(error: Error): string[] {
  return Object.keys(error).filter((key) => !OWN_OF_ERRORS.has(key));
}

/** What every error has, and what V8 and JSC add to errors as data of their own. */
const OWN_OF_ERRORS: ReadonlySet<string> = new Set(
  ["stack", "message", "cause", "name", "line", "column", "sourceURL"],
);

/** A field of an error; of a getter that throws, a sentence about that. */
export function readField(error: Error, key: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[key];
  } catch (failure) {
    return `[thrown by its getter: ${String(failure)}]`;
  }
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

/** The nearest class that the other side can know: ours, the language's, or `DOMException`. */
export function classOf(error: Error): string {
  if (typeof DOMException === "function" && error instanceof DOMException) return "DOMException";
  for (let proto: unknown = Object.getPrototypeOf(error); proto !== null; proto = Object.getPrototypeOf(proto)) {
    const name = (proto as { constructor?: { name?: string } }).constructor?.name ?? "";
    if ((ERROR_CLASSES.get(name) ?? BUILT_IN.get(name))?.prototype === proto) return name;
  }
  return error instanceof Error ? "Error" : foreignClassOf(error);
}

/** The class of an error of another realm (`node:vm`, a frame): its classes have the names of ours. */
function foreignClassOf(error: object): string {
  for (let proto: unknown = Object.getPrototypeOf(error); proto !== null; proto = Object.getPrototypeOf(proto)) {
    const name = (proto as { constructor?: { name?: string } }).constructor?.name ?? "";
    if (BUILT_IN.has(name)) return name;
  }
  return "Error";
}

function packOr(value: unknown, name: string): Packed {
  try {
    const packed = pack(value, name);
    if (typeof packed.value === "object" && packed.value !== null) structuredClone(packed.value);
    return packed;
  } catch (failure) {
    return { value: describeUnsent(value, failure), handles: false };
  }
}

/** What arrives instead of a field that cannot be sent: the error itself must always arrive. */
export function describeUnsent(value: unknown, failure: unknown): string {
  let shown: string;
  try {
    shown = String(value);
  } catch {
    shown = typeof value;
  }
  return `${shown} [not sent: ${failure instanceof Error ? failure.message : String(failure)}]`;
}

/** What {@linkcode decodeError} adds to `error.stack`, and where it can be read on its own. */
export interface RemoteStack {
  /** The process in which the error was thrown. */
  readonly processName: string;
  /** The stack there. */
  readonly stack: string;
}

const remoteStacks = new WeakMap<object, RemoteStack>();

/** The stack of an error in the process where it was thrown; undefined for an error of this process. */
export function remoteStackOf(error: unknown): RemoteStack | undefined {
  return typeof error === "object" && error !== null ? remoteStacks.get(error) : undefined;
}

/** Puts together what was thrown in process `processName`. */
export function decodeError(wire: WireError, processName: string): unknown {
  if (wire.kind === "value") return wire.packed.handles ? unpack(wire.packed.value) : wire.packed.value;
  const error = makeError(wire.type, wire.name, wire.message);
  if (wire.cause !== undefined) define(error, "cause", decodeError(wire.cause, processName));
  if (wire.errors !== undefined) define(error, "errors", wire.errors.map((inner) => decodeError(inner, processName)));
  for (const [key, packed] of wire.fields) {
    Object.defineProperty(error, key, {
      value: packed.handles ? unpack(packed.value) : packed.value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  define(error, "stack", showStack(wire, processName));
  remoteStacks.set(error, { processName, stack: wire.stack });
  return error;
}

/** An error of the class that {@linkcode classOf} named. */
export function makeError(type: string, name: string, message: string | undefined): Error {
  if (type === "DOMException") return new DOMException(message, name) as unknown as Error;
  const error = new Error(message);
  const { prototype } = ERROR_CLASSES.get(type) ?? BUILT_IN.get(type) ?? Error;
  if (prototype !== Error.prototype) Object.setPrototypeOf(error, prototype);
  if (error.name !== name) define(error, "name", name);
  return error;
}

/** The first lines of V8 repeat name and message, those of JSC do not; ours always do. */
function showStack(wire: { name: string; message: string; stack: string }, processName: string): string {
  const head = wire.message === "" ? wire.name : `${wire.name}: ${wire.message}`;
  const frames = wire.stack.startsWith(head) ? wire.stack.slice(head.length).replace(/^\n/, "") : wire.stack;
  return `${head}\n    --- RemoteStack (${processName}) ---\n${frames}`;
}

/** Gives an error a property that is not enumerable, as its own ones are. */
export function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, configurable: true, enumerable: false, writable: true });
}

/** How an uncaught error is printed: its stack with name and message, and its causes. */
export function describeError(thrown: unknown, depth = 0): string {
  try {
    if (!(thrown instanceof Error)) {
      return `Uncaught ${typeof thrown === "string" ? JSON.stringify(thrown) : String(thrown)}`;
    }
    const head = thrown.message === "" ? thrown.name : `${thrown.name}: ${thrown.message}`;
    const stack = thrown.stack ?? "";
    // V8 begins a stack with name and message, and may put the code between them; JSC begins with the first frame.
    const own = stack.includes(thrown.message) && stack.startsWith(thrown.name) ? stack : `${head}\n${stack}`.trimEnd();
    if (thrown.cause === undefined || depth >= DEPTH_LIMIT) return own;
    return `${own}\n[cause] ${describeError(thrown.cause, depth + 1)}`;
  } catch (failure) {
    return `Uncaught ${typeof thrown} that cannot be shown: ${String(failure)}`;
  }
}
