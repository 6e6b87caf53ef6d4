/**
 * What the codec has to find out about objects before it writes them.
 * @module
 */
import { VIEWS } from "./codec_tags.ts";

/** Each throws unless the object holds a primitive value of its type. */
const UNBOX: readonly (() => unknown)[] = [
  Number.prototype.valueOf,
  String.prototype.valueOf,
  Boolean.prototype.valueOf,
  BigInt.prototype.valueOf,
];

/** The primitive value in a `Number`, `String`, `Boolean` or `BigInt` object. */
export function unbox(object: object): unknown {
  for (const valueOf of UNBOX) {
    try {
      return valueOf.call(object);
    } catch {
      continue;
    }
  }
  return undefined;
}

const nameOfType = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)?.get as () => string | undefined;

const TYPES: ReadonlyMap<string | undefined, number> = new Map(
  VIEWS.map((name, type) => [type === 0 ? undefined : name, type]),
);

/** The number of a view's type; −1: one that is not known. */
export function typeOfView(view: ArrayBufferView): number {
  return TYPES.get(nameOfType.call(view)) ?? -1;
}

/** Whether a for-in loop finds anything. */
export function hasKeys(object: object): boolean {
  for (const key in object) return key !== undefined;
  return false;
}

/** Thrown in place of making an array. */
const STOP = new Error("stop");

/**
 * Whether a view on a buffer that grows grows with it. Nothing tells but subarray(), which names a length to the maker of the new view or
 * does not: for as long as that takes, the view has a class of ours, which makes none. Of a DataView, which has no such method, its buffer's
 * growth tells; shared memory cannot be made small again, and a DataView up to its end is said to grow.
 */
export function isTracking(view: ArrayBufferView): boolean {
  const { buffer, byteOffset, byteLength } = view;
  if (byteOffset + byteLength + 8 <= buffer.byteLength) return false;
  if (view instanceof DataView) return isTrackingDataView(view);
  const before = Object.getOwnPropertyDescriptor(view, "constructor");
  let tracks = true;
  function Species(_buffer: ArrayBufferLike, _offset: number, length?: number): never {
    tracks = length === undefined;
    throw STOP;
  }
  try {
    Object.defineProperty(view, "constructor", { value: { [Symbol.species]: Species }, configurable: true });
    subarray.call(view, 0);
  } catch (failure) {
    // A view that cannot be extended.
    if (failure !== STOP) return true;
  } finally {
    if (before !== undefined) Object.defineProperty(view, "constructor", before);
    else Reflect.deleteProperty(view, "constructor");
  }
  return tracks;
}

const { subarray } = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;

function isTrackingDataView(view: DataView): boolean {
  const { buffer, byteLength } = view;
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

interface BufferClass {
  readonly prototype: object;
  readonly poolSize: number;
}

const NodeBuffer = (globalThis as { readonly Buffer?: BufferClass }).Buffer;
/** Node's pools have that many bytes more. */
const POOL_MARGIN = 64;

/**
 * Whether a view is a `Buffer` that shares its memory with others that have nothing to do with it: Node and Deno cut small ones from a
 * pool. Nothing says so but the size of what it is cut from.
 */
export function isFromPool(view: ArrayBufferView): boolean {
  if (NodeBuffer === undefined || Object.getPrototypeOf(view) !== NodeBuffer.prototype) return false;
  const more = view.buffer.byteLength - NodeBuffer.poolSize;
  return more >= 0 && more <= POOL_MARGIN && view.byteLength < view.buffer.byteLength;
}
