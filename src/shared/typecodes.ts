/**
 * The types of shared values: TypeScript names, and Python's typecodes for the same.
 *
 * | name | Python | bytes | value |
 * | --- | --- | --- | --- |
 * | `int8` `uint8` | `b` `B` | 1 | number |
 * | `int16` `uint16` | `h` `H` | 2 | number |
 * | `int32` `uint32` | `i` `I` | 4 | number |
 * | `int64` `uint64` | `q` `l`, `Q` `L` | 8 | bigint |
 * | `float32` `float64` | `f` `d` | 4, 8 | number |
 * | `bool` | `?` | 1 | boolean |
 * | `char` | `c` | 1 | string of one character up to U+00FF |
 * | `wchar` | `u` | 4 | string of one code point |
 * @module
 */
import {
  type BigIntegerView,
  type IntegerView,
  load,
  load64,
  loadElement,
  type SharedWords,
  store64,
  storeElement,
} from "../memory/atomics.ts";

/** The names of the types, with what a value of each is in TypeScript. */
export interface SharedTypes {
  /** 8 bits, signed. */
  int8: number;
  /** 8 bits, unsigned. */
  uint8: number;
  /** 16 bits, signed. */
  int16: number;
  /** 16 bits, unsigned. */
  uint16: number;
  /** 32 bits, signed. */
  int32: number;
  /** 32 bits, unsigned. */
  uint32: number;
  /** 64 bits, signed. */
  int64: bigint;
  /** 64 bits, unsigned. */
  uint64: bigint;
  /** 32-bit floating point. */
  float32: number;
  /** 64-bit floating point. */
  float64: number;
  /** True or false, one byte. */
  bool: boolean;
  /** One character up to U+00FF, one byte. */
  char: string;
  /** One code point, four bytes. */
  wchar: string;
}

/** Python's typecodes, with the name of the type of each. `l` and `L` have 8 bytes on every system. */
export interface PythonTypecodes {
  /** One character up to U+00FF, one byte. */
  c: "char";
  /** One code point, four bytes. */
  u: "wchar";
  /** 8 bits, signed. */
  b: "int8";
  /** 8 bits, unsigned. */
  B: "uint8";
  /** 16 bits, signed. */
  h: "int16";
  /** 16 bits, unsigned. */
  H: "uint16";
  /** 32 bits, signed. */
  i: "int32";
  /** 32 bits, unsigned. */
  I: "uint32";
  /** 64 bits, signed. */
  l: "int64";
  /** 64 bits, unsigned. */
  L: "uint64";
  /** 64 bits, signed. */
  q: "int64";
  /** 64 bits, unsigned. */
  Q: "uint64";
  /** 32-bit floating point. */
  f: "float32";
  /** 64-bit floating point. */
  d: "float64";
  /** True or false, one byte. */
  "?": "bool";
}

/** The typed array that holds each type. */
export interface SharedViews {
  /** 8 bits, signed. */
  int8: Int8Array<SharedArrayBuffer>;
  /** 8 bits, unsigned. */
  uint8: Uint8Array<SharedArrayBuffer>;
  /** 16 bits, signed. */
  int16: Int16Array<SharedArrayBuffer>;
  /** 16 bits, unsigned. */
  uint16: Uint16Array<SharedArrayBuffer>;
  /** 32 bits, signed. */
  int32: Int32Array<SharedArrayBuffer>;
  /** 32 bits, unsigned. */
  uint32: Uint32Array<SharedArrayBuffer>;
  /** 64 bits, signed. */
  int64: BigInt64Array<SharedArrayBuffer>;
  /** 64 bits, unsigned. */
  uint64: BigUint64Array<SharedArrayBuffer>;
  /** 32-bit floating point. */
  float32: Float32Array<SharedArrayBuffer>;
  /** 64-bit floating point. */
  float64: Float64Array<SharedArrayBuffer>;
  /** True or false, one byte. */
  bool: Uint8Array<SharedArrayBuffer>;
  /** One character up to U+00FF, one byte. */
  char: Uint8Array<SharedArrayBuffer>;
  /** One code point, four bytes. */
  wchar: Uint32Array<SharedArrayBuffer>;
}

/** A type, by its name or by Python's typecode. */
export type Typecode = keyof SharedTypes | keyof PythonTypecodes;

/** The name of the type that a typecode stands for. */
export type TypeNameOf<T extends Typecode> = T extends keyof SharedTypes ? T
  : T extends keyof PythonTypecodes ? PythonTypecodes[T]
  : never;

/** What a value of the type is in TypeScript. */
export type ValueOf<T extends Typecode> = SharedTypes[TypeNameOf<T>];

/** The typed array that holds values of the type. */
export type ViewOf<T extends Typecode> = SharedViews[TypeNameOf<T>];

/** What is in a typed array. */
export type Element = number | bigint;

/** Any of the typed arrays. */
export type AnyView = IntegerView | BigIntegerView | Float32Array<SharedArrayBuffer> | Float64Array<SharedArrayBuffer>;

/** How the elements of a type are read, written and calculated with. */
export interface ElementType {
  readonly name: keyof SharedTypes;
  readonly bytes: number;
  /** Whether `add`, `min` and the like make sense. */
  readonly arithmetic: boolean;
  make(buffer: SharedArrayBuffer, offset: number, length: number): AnyView;
  /** From a user's value. @throws {TypeError} when it is none of this type */
  encode(value: unknown): Element;
  /** To a user's value. */
  decode(element: Element): number | bigint | boolean | string;
  /** Reads in one piece. `words`: any shared words, to keep the engine from reusing an earlier reading. */
  read(view: AnyView, index: number, words: SharedWords): Element;
  /** Writes in one piece. */
  write(view: AnyView, index: number, element: Element): void;
}

function wrong(name: string, value: unknown, wanted: string): TypeError {
  const found = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new TypeError(`Cannot store ${typeof value} ${found} as ${name}: give ${wanted}.`);
}

function encodeInteger(name: string): (value: unknown) => number {
  return (value) => {
    if (typeof value === "number" && Number.isInteger(value)) return value;
    throw wrong(name, value, "an integer number; it wraps around like Python's ctypes");
  };
}

function encodeBigint(name: string): (value: unknown) => bigint {
  return (value) => {
    if (typeof value === "bigint") return value;
    if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
    throw wrong(name, value, "a bigint, such as 1n; it wraps around like Python's ctypes");
  };
}

function encodeFloat(name: string): (value: unknown) => number {
  return (value) => {
    if (typeof value === "number") return value;
    throw wrong(name, value, "a number");
  };
}

function encodeText(name: string, most: number): (value: unknown) => number {
  return (value) => {
    const code = typeof value === "string" ? value.codePointAt(0) : undefined;
    if (code !== undefined && code <= most && String.fromCodePoint(code) === value) return code;
    throw wrong(name, value, most === 255 ? "a string of one character up to U+00FF" : "a string of one code point");
  };
}

const same = (element: Element): Element => element;

const integer = {
  arithmetic: true,
  decode: same,
  read: (view: AnyView, index: number): Element => loadElement(view as IntegerView, index),
  write: (view: AnyView, index: number, element: Element): void =>
    storeElement(view as IntegerView, index, element as number),
};
const bigInteger = {
  arithmetic: true,
  bytes: 8,
  decode: same,
  read: (view: AnyView, index: number): Element => load64(view as BigIntegerView, index),
  write: (view: AnyView, index: number, element: Element): void =>
    store64(view as BigIntegerView, index, element as bigint),
};
// ORDER  JavaScript has no atomic access to floats. All of our platforms write 64 aligned bits in one piece; the atomic load
//        before keeps the engine from hoisting the plain one out of a loop that waits for a change.
const float = {
  arithmetic: true,
  decode: same,
  read: (view: AnyView, index: number, words: SharedWords): Element => {
    load(words, 0);
    return view[index] as number;
  },
  write: (view: AnyView, index: number, element: Element): void => {
    (view as Float64Array)[index] = element as number;
  },
};

const TYPES: readonly ElementType[] = [
  { ...integer, name: "int8", bytes: 1, make: (b, o, n) => new Int8Array(b, o, n), encode: encodeInteger("int8") },
  { ...integer, name: "uint8", bytes: 1, make: (b, o, n) => new Uint8Array(b, o, n), encode: encodeInteger("uint8") },
  { ...integer, name: "int16", bytes: 2, make: (b, o, n) => new Int16Array(b, o, n), encode: encodeInteger("int16") },
  {
    ...integer,
    name: "uint16",
    bytes: 2,
    make: (b, o, n) => new Uint16Array(b, o, n),
    encode: encodeInteger("uint16"),
  },
  { ...integer, name: "int32", bytes: 4, make: (b, o, n) => new Int32Array(b, o, n), encode: encodeInteger("int32") },
  {
    ...integer,
    name: "uint32",
    bytes: 4,
    make: (b, o, n) => new Uint32Array(b, o, n),
    encode: encodeInteger("uint32"),
  },
  { ...bigInteger, name: "int64", make: (b, o, n) => new BigInt64Array(b, o, n), encode: encodeBigint("int64") },
  { ...bigInteger, name: "uint64", make: (b, o, n) => new BigUint64Array(b, o, n), encode: encodeBigint("uint64") },
  { ...float, name: "float32", bytes: 4, make: (b, o, n) => new Float32Array(b, o, n), encode: encodeFloat("float32") },
  { ...float, name: "float64", bytes: 8, make: (b, o, n) => new Float64Array(b, o, n), encode: encodeFloat("float64") },
  {
    ...integer,
    name: "bool",
    bytes: 1,
    arithmetic: false,
    make: (b, o, n) => new Uint8Array(b, o, n),
    encode: (value) => {
      if (typeof value === "boolean") return value ? 1 : 0;
      throw wrong("bool", value, "true or false");
    },
    decode: (element) => element !== 0,
  },
  {
    ...integer,
    name: "char",
    bytes: 1,
    arithmetic: false,
    make: (b, o, n) => new Uint8Array(b, o, n),
    encode: encodeText("char", 0xff),
    decode: (element) => String.fromCharCode(element as number),
  },
  {
    ...integer,
    name: "wchar",
    bytes: 4,
    arithmetic: false,
    make: (b, o, n) => new Uint32Array(b, o, n),
    encode: encodeText("wchar", 0x10ffff),
    decode: (element) => String.fromCodePoint(element as number),
  },
];

const CODES: PythonTypecodes = {
  c: "char",
  u: "wchar",
  b: "int8",
  B: "uint8",
  h: "int16",
  H: "uint16",
  i: "int32",
  I: "uint32",
  l: "int64",
  L: "uint64",
  q: "int64",
  Q: "uint64",
  f: "float32",
  d: "float64",
  "?": "bool",
};

const byName: ReadonlyMap<string, ElementType> = new Map([
  ...TYPES.map((type): [string, ElementType] => [type.name, type]),
  ...Object.entries(CODES).map(([code, name]): [string, ElementType] => {
    return [code, TYPES.find((type) => type.name === name) as ElementType];
  }),
]);

/** The type of a name or typecode. @throws {TypeError} when there is none */
export function elementType(typecode: unknown): ElementType {
  const type = typeof typecode === "string" ? byName.get(typecode) : undefined;
  if (type !== undefined) return type;
  throw new TypeError(
    `Cannot share values of type ${String(typecode)}: there are ${TYPES.map((t) => t.name).join(", ")}, ` +
      `and Python's typecodes ${Object.keys(CODES).join(" ")}.`,
  );
}
