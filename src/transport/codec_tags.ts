/**
 * The bytes of the codec: no logic. Both sides are this library in one program, so there is no version: what is
 * written by one copy is read by the same copy, now.
 *
 * ```
 * message    one value without parts (a number, a string …), or GRAPH with its bits, a value, its later parts, its needs
 * value      a tag byte, and what the tag says
 * count      7 bits a byte, the lowest first, 128 added to every byte but the last; up to 2^53
 * block      count of bytes; if there are ALIGNED_FROM or more, a byte that says how many bytes to skip, and those; the bytes;
 *            and as many skipped ones that there are 7 in all
 * string     a value whose tag is one of the strings'
 * later      depth is limited: beyond DEPTH an object stands as LATER and its sort, and is written when the part of the
 *            message it is in (the whole, or the description of a shared object) is through, in the order of the LATERs
 * needs      with NEEDS: count and numbers of the shared memory in the message, count and kinds of its shared objects; and
 *            in the last 4 bytes how many bytes that is. A reader sees to them first: either everything is there, or nothing of
 *            the message has been made
 * ```
 *
 * Objects are numbered in the order in which they begin, and REF names one that was there before. Most messages have
 * no REF and no REFS bit, and their reader need not remember its objects.
 *
 * Skipped bytes put a block where the address is a multiple of 8, which the writer knows: on V8, copying to and from shared memory
 * is 7 times slower where the two addresses differ in their last three bits. It is as right anywhere else.
 * @module
 */

/** 0 to 127 are the integers themselves; from here on, strings of up to 63 characters of Latin-1: the tag holds the length. */
export const SHORT = 0x80;
/** The longest string of that kind. */
export const SHORT_MOST = 63;

/** The other tags. */
export const Tag = {
  UNDEFINED: 0xc0,
  NULL: 0xc1,
  TRUE: 0xc2,
  FALSE: 0xc3,
  /** In an array: no element here (not in ARRAY). In a map or set: an entry that went away while it was written. */
  HOLE: 0xc4,
  INT8: 0xc5,
  INT16: 0xc6,
  INT32: 0xc7,
  FLOAT64: 0xc8,
  /** Strings: a block of a byte a character, or of two bytes a unit. */
  LATIN1: 0xc9,
  UTF16: 0xca,
  /** 8 bytes. */
  BIGINT64: 0xcb,
  /** Sign (0, 1), and a block: the magnitude, from the lowest byte. */
  BIGINT: 0xcc,
  /** Count, values. */
  ARRAY: 0xcd,
  /** An array's length (count), and count, and keys and values of all it has. */
  SPARSE: 0xce,
  /** The same as HOLEY; then count, and keys and values of its own named properties. */
  NAMED: 0xcf,
  /** Count, and keys and values. */
  OBJECT: 0xd0,
  /** Count, and keys and values. */
  MAP: 0xd1,
  /** Count, and values. */
  SET: 0xd2,
  /** 8 bytes: milliseconds, a float. */
  DATE: 0xd3,
  /** Source and flags: strings. */
  REGEXP: 0xd4,
  /** A primitive value: `new Number(1)` and the like. */
  BOXED: 0xd5,
  /** A block. */
  BUFFER: 0xd6,
  /** The same, and before it the count of bytes it may grow to. */
  RESIZABLE: 0xd7,
  /** Type (see VIEWS), offset in bytes (count), count of elements, and a value: the buffer. */
  VIEW: 0xd8,
  /** The same without the count of elements: the view grows with its buffer. */
  TRACKING: 0xd9,
  /** A view on the whole of a buffer of its own: type, block. Numbered twice: the view, the buffer. */
  WHOLE: 0xda,
  /** Its place (count) in the list of memory that the message needs. */
  SHARED: 0xdb,
  MEMORY: 0xdc,
  /** See `codec_errors.ts`. */
  ERROR: 0xdd,
  /** Kind (string), description (value), its later parts. */
  HANDLE: 0xde,
  /** Number of an object (count). */
  REF: 0xdf,
  /** Sort of the object (a byte; of an error, also its class: a string). */
  LATER: 0xe0,
  /** Arrays of numbers only: a block of integers of 1, 2 or 4 bytes, or floats. */
  INTS8: 0xe1,
  INTS16: 0xe2,
  INTS32: 0xe3,
  FLOATS: 0xe4,
  /** The keys of objects that follow: see `codec_shapes.ts`. Then, and with SHAPED_MORE and its number, the values of one. */
  SHAPE: 0xe5,
  SHAPED_MORE: 0xe6,
  /** The same as ARRAY, with HOLEs. */
  HOLEY: 0xe7,
  /** From here to SHAPED + 15: the values of an object with the message's first to sixteenth shape. */
  SHAPED: 0xe8,
  /** From here to GRAPH + 3: the two bits below. */
  GRAPH: 0xf8,
  /**
   * A long array that begins with numbers. Count; until there are so many elements, arrays of numbers as above, and PARTs: count, and
   * so many elements or HOLEs. Then count, and keys and values of its own named properties.
   */
  LONG: 0xfc,
  PART: 0xfd,
} as const;

/** Bits of GRAPH. */
export const REFS = 1;
/** See {@linkcode REFS}. */
export const NEEDS = 2;

/** Arrays of numbers up to so many are one block, and longer ones are LONG. */
export const MOST_NUMBERS = 4096;
/** How many shapes have tags of their own. */
export const SHAPED_TAGS = 16;
/** Blocks of so many bytes are aligned. */
export const ALIGNED_FROM = 64;
/** How deep objects stand in one another before the next one is written later. */
export const DEPTH = 100;
/** How deep descriptions of shared objects, and fields of errors, may hold others of them. */
export const SCOPES = 30;
/** The most bytes of one message: positions are small integers to every engine. */
export const MOST_BYTES = 0x7fff_ffff;

/** A `DataView`, among the types of views. */
export const DATA_VIEW = 0;

/** The types of views; a type's number is its place. `Float16Array` is not everywhere. */
export const VIEWS: readonly string[] = [
  "DataView",
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
  "Float16Array",
];
