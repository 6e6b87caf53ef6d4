/**
 * Random values of every kind that structured clone carries, with cycles and shared references, for fast-check.
 * @module
 */
import fc from "fast-check";

/** How a value is made: plain data, so that fast-check can print and shrink it. */
export type Recipe =
  | { readonly kind: "leaf"; readonly value: unknown }
  | { readonly kind: "again"; readonly which: number }
  | { readonly kind: "parts"; readonly sort: Container; readonly parts: readonly (readonly [Recipe, Recipe])[] }
  | { readonly kind: "view"; readonly type: number; readonly bytes: readonly number[]; readonly offset: number }
  | { readonly kind: "other"; readonly sort: Other; readonly size: number };

type Container = (typeof CONTAINERS)[number];
type Other = (typeof OTHERS)[number];
const CONTAINERS = [
  "array",
  "named array",
  "holes",
  "object",
  "instance",
  "bare",
  "map",
  "set",
  "rows",
  "error",
] as const;
const OTHERS = [
  "date",
  "regexp",
  "boxed",
  "buffer",
  "resizable",
  "tracking",
  "same buffer",
  "sparse",
  "numbers",
] as const;

const NUMBERS = fc.oneof(
  fc.integer(),
  fc.integer({ min: -300, max: 300 }),
  fc.double(),
  fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53, 5e-324, 127, 128, -128, -129),
);
const STRINGS = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme", maxLength: 200 }),
  fc.string({ minLength: 60, maxLength: 70 }),
  fc.constantFrom("", "\ud800", "a\udc00b", "\u0000", "\ufeffbom", "é".repeat(64), "€".repeat(500), "x".repeat(5000)),
  fc.tuple(fc.string({ unit: "binary", maxLength: 80 }), fc.nat(0xffff)).map(([text, unit]) =>
    text + String.fromCharCode(unit) + text
  ),
);
const BIGINTS = fc.oneof(
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
  fc.constantFrom(0n, -1n, 255n),
);
const KEYS = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b", "c", "id", "name", "value") },
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "length",
    "",
    "0",
    "7",
    "4294967294",
    "4294967295",
    "-1",
    "é",
  ),
  fc.string({ maxLength: 8 }),
);

const LEAF = fc.oneof(NUMBERS, STRINGS, BIGINTS, fc.constantFrom(undefined, null, true, false));
const KEY_LEAF = fc.record({
  kind: fc.constant("leaf" as const),
  value: fc.oneof({ weight: 5, arbitrary: KEYS }, LEAF),
});

/** Recipes of values. */
export const recipes: fc.Arbitrary<Recipe> = fc.letrec<{ recipe: Recipe }>((tie) => ({
  recipe: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("leaf" as const), value: LEAF }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("again" as const), which: fc.nat(20) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("view" as const),
        type: fc.nat(20),
        bytes: fc.array(fc.nat(255), { maxLength: 40 }),
        offset: fc.nat(3),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("other" as const),
        sort: fc.constantFrom(...OTHERS),
        size: fc.nat(300),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("parts" as const),
        sort: fc.constantFrom(...CONTAINERS),
        parts: fc.array(
          fc.tuple(fc.oneof({ weight: 4, arbitrary: KEY_LEAF as fc.Arbitrary<Recipe> }, tie("recipe")), tie("recipe")),
          { maxLength: 8 },
        ),
      }),
    },
  ),
})).recipe;

const VIEW_TYPES: readonly (new (buffer: ArrayBuffer, offset: number) => ArrayBufferView)[] = [
  DataView,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  ...("Float16Array" in globalThis ? [globalThis.Float16Array as unknown as typeof Uint8Array] : []),
];

class Instance {
  method(): number {
    return 1;
  }
}

/** Makes the value of a recipe. Errors, of which structured clone keeps less than the codec, only where asked for. */
export function build(recipe: Recipe, errors: boolean): unknown {
  const made: object[] = [];
  const keep = <T extends object>(object: T): T => (made.push(object), object);
  const make = (recipe: Recipe): unknown => {
    switch (recipe.kind) {
      case "leaf":
        return recipe.value;
      case "again":
        return made.length === 0 ? undefined : made[recipe.which % made.length];
      case "view": {
        const Type = VIEW_TYPES[recipe.type % VIEW_TYPES.length] as (typeof VIEW_TYPES)[number];
        const size = (Type as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
        const bytes = new Uint8Array(Math.ceil(recipe.bytes.length / 8) * 8 + 8 * recipe.offset);
        bytes.set(recipe.bytes);
        return keep(new Type(bytes.buffer, size * recipe.offset));
      }
      case "other":
        return makeOther(recipe.sort, recipe.size, keep, made);
      case "parts":
        return makeParts(recipe.sort, recipe.parts);
    }
  };
  const makeParts = (sort: Container, parts: readonly (readonly [Recipe, Recipe])[]): unknown => {
    switch (sort) {
      case "map": {
        const map = keep(new Map());
        for (const [key, value] of parts) map.set(make(key), make(value));
        return map;
      }
      case "set": {
        const set = keep(new Set());
        for (const [, value] of parts) set.add(make(value));
        return set;
      }
      case "array":
      case "holes":
      case "named array": {
        const array: unknown[] = keep([]);
        for (const [key, value] of parts) {
          if (sort === "holes" && key.kind === "leaf" && key.value === "a") array.length++;
          else array.push(make(value));
          if (sort === "named array" && key.kind === "leaf") set(array, key.value, make(value));
        }
        return array;
      }
      case "rows": {
        const rows: unknown[] = keep([]);
        for (const [, value] of parts) rows.push(keep({ id: rows.length, value: make(value), "a b": null }));
        return rows;
      }
      case "error":
        if (!errors) return undefined;
        return parts.reduce(
          (error, [key, value]) => {
            if (key.kind === "leaf") set(error, key.value, make(value));
            return error;
          },
          keep(withStack(new RangeError("an error", parts.length > 3 ? { cause: made[0] } : undefined))),
        );
      default: {
        const object: object = keep(sort === "object" ? {} : sort === "bare" ? Object.create(null) : new Instance());
        for (const [key, value] of parts) if (key.kind === "leaf") set(object, key.value, make(value));
        return object;
      }
    }
  };
  return make(recipe);
}

/** Two errors that are made one after the other have different stacks. */
function withStack(error: Error): Error {
  return Object.defineProperty(error, "stack", { value: "RangeError: an error\n    at somewhere", enumerable: false });
}

/** As an own property, whatever its name; not over what is there, and no index of an array that would fill it with holes. */
function set(object: object, key: unknown, value: unknown): void {
  const name = String(key);
  if (Object.hasOwn(object, name) || (Array.isArray(object) && Number(name) > 100)) return;
  Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
}

function makeOther(
  sort: Other,
  size: number,
  keep: <T extends object>(object: T) => T,
  made: readonly object[],
): unknown {
  const Type = VIEW_TYPES[size % VIEW_TYPES.length] as (typeof VIEW_TYPES)[number];
  switch (sort) {
    case "date":
      return keep(new Date(size % 5 === 0 ? NaN : size * 1e10));
    case "regexp":
      return keep(new RegExp(size % 2 === 0 ? "a+[/\n]é" : "", size % 3 === 0 ? "giu" : ""));
    case "boxed":
      return keep(Object([size, `text ${size}`, size > 100, BigInt(size)][size % 4]) as object);
    case "buffer":
      return keep(new Uint8Array(size).fill(size).buffer);
    case "resizable":
      return keep(new ArrayBuffer(size, { maxByteLength: size * 2 }));
    case "tracking":
      return keep(new Type(new ArrayBuffer(size - (size % 8), { maxByteLength: 1000 }), size % 8 === 0 ? 0 : 0));
    case "same buffer": {
      const buffer = made.find((object) => object instanceof ArrayBuffer && object.byteLength >= 16) as
        | ArrayBuffer
        | undefined;
      return buffer === undefined ? undefined : keep(new Uint8Array(buffer, size % 8, size % 9));
    }
    case "sparse": {
      const array: unknown[] = keep(new Array(size * 7));
      array[size * 3] = size;
      return array;
    }
    case "numbers":
      return keep(
        Array.from({ length: size }, (_, i) => [i, -i, i * 1000, i * 1e6, i / 3, i % 7 === 6 ? -0 : i][size % 6]),
      );
  }
}
