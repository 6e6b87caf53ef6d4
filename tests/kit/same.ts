/**
 * Whether two values are the same to whoever looks at them: kinds, prototypes, values, keys in their order, holes, offsets,
 * and which places hold the same object.
 * @module
 */

const typeOfView = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)
  ?.get as () => string | undefined;

interface Pair {
  readonly left: unknown;
  readonly right: unknown;
  readonly path: string;
}

/** The first difference between two values, in words; undefined if there is none. */
export function difference(left: unknown, right: unknown): string | undefined {
  const ours = new Map<object, object>();
  const theirs = new Map<object, object>();
  const stack: Pair[] = [{ left, right, path: "it" }];
  for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
    const { left, right, path } = pair;
    if (typeof left !== "object" || left === null || typeof right !== "object" || right === null) {
      if (!Object.is(left, right)) return `${path}: ${show(left)} is not ${show(right)}`;
      continue;
    }
    if (ours.has(left) || theirs.has(right)) {
      if (ours.get(left) !== right || theirs.get(right) !== left) return `${path}: not the same object as before`;
      continue;
    }
    ours.set(left, right);
    theirs.set(right, left);
    if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) {
      return `${path}: the prototype of ${show(left)} is not that of ${show(right)}`;
    }
    const [a, b] = [partsOf(left), partsOf(right)];
    if (a.length !== b.length) return `${path}: ${a.length} parts are not ${b.length} (${show(left)}, ${show(right)})`;
    for (let i = a.length - 1; i >= 0; i--) {
      const [name, part] = a[i] as [string, unknown];
      const [other, otherPart] = b[i] as [string, unknown];
      if (name !== other) return `${path}: ${name} is not ${other}`;
      stack.push({ left: part, right: otherPart, path: `${path}.${name}` });
    }
  }
  return undefined;
}

function show(value: unknown): string {
  if (typeof value !== "object" || value === null) {
    return typeof value === "string" ? JSON.stringify(value) : String(value);
  }
  return Object.prototype.toString.call(value);
}

/** Everything that can be seen of an object, by name. */
function partsOf(value: object): [string, unknown][] {
  const parts: [string, unknown][] = [];
  if (ArrayBuffer.isView(value)) {
    const type = typeOfView.call(value);
    parts.push(["type", type], ["offset", value.byteOffset], ["bytes", value.byteLength], ["buffer", value.buffer]);
    return parts;
  }
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    const { resizable, maxByteLength } = value as ArrayBuffer;
    parts.push(["size", value.byteLength], ["resizable", resizable === true], ["most", maxByteLength]);
    new Uint8Array(value).forEach((byte, i) => parts.push([`byte ${i}`, byte]));
    return parts;
  }
  if (value instanceof Map) [...value].forEach(([k, v], i) => parts.push([`key ${i}`, k], [`value ${i}`, v]));
  else if (value instanceof Set) [...value].forEach((v, i) => parts.push([`item ${i}`, v]));
  else if (value instanceof Date) parts.push(["time", value.getTime()]);
  else if (value instanceof RegExp) parts.push(["source", value.source], ["flags", value.flags]);
  else if (value instanceof Error) parts.push(["name", value.name]);
  else if (/^\[object (Number|String|Boolean|BigInt)\]$/.test(show(value))) parts.push(["primitive", value.valueOf()]);
  // Deno keeps functions of its own under symbols of a DOMException.
  for (const key of value instanceof Error ? Object.getOwnPropertyNames(value) : Reflect.ownKeys(value)) {
    const { enumerable } = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor;
    parts.push([`${enumerable ? "" : "hidden "}${String(key)}`, (value as Record<PropertyKey, unknown>)[key]]);
  }
  return parts;
}
