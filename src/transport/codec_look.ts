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

/** Whether a view on a buffer that grows grows with it. There is no way to ask; a buffer's growth by an element tells. */
export function isTracking(view: ArrayBufferView): boolean {
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
