/**
 * The keys of objects: written once for all objects of a message that have the same ones in the same order, and made to
 * strings once for all messages.
 *
 * ```
 * SHAPE      checksum (4 bytes), length (2 bytes), and that many bytes: count, keys
 * ```
 *
 * A shape has the number that it was defined as in its message: the first, the second … The second object of a shape defines it;
 * the first one that an agent ever sees is written with its keys, since it may be the only one.
 *
 * The writer finds the shape of an object by walking a tree from key to key. Keys of the same objects are the same
 * string in memory, so that a step is one comparison. The reader finds it by its checksum, and compares the bytes.
 * @module
 */
import { Output } from "./codec_output.ts";

/** Objects with more keys are written with them. */
export const MOST_KEYS = 40;
/** The most bytes of a shape's keys. */
const MOST_SHAPE_BYTES = 2000;
const HEADER_BYTES = 6;
/** The tree is forgotten when it has more nodes: many shapes that are seen once, as of objects that are used like maps. */
const MOST_NODES = 4000;
/** So many new keys in one message are written without growing the tree. */
const MOST_NEW_NODES = 200;
/** The most shapes that a reader remembers. */
const MOST_KNOWN = 1000;

/** A shape, for writers. */
export interface WrittenShape {
  readonly keys: readonly string[];
  /** Its definition: checksum, length, keys. */
  readonly definition: Uint8Array;
  /** The message (or part of one) in which it has {@linkcode WrittenShape.number}. */
  message: number;
  number: number;
}

/** A key, behind certain others. */
export class KeyNode {
  readonly key: string;
  readonly parent: KeyNode | undefined;
  /** How many keys there are up to here. */
  readonly depth: number;
  /** The key that came next the last time. */
  next: KeyNode | undefined = undefined;
  /** The one before that: objects in objects take turns. */
  #before: KeyNode | undefined = undefined;
  #others: Map<string, KeyNode> | undefined = undefined;
  /** How often an object ended here; stops at 2. */
  ends = 0;
  shape: WrittenShape | undefined = undefined;

  constructor(key: string, parent: KeyNode | undefined) {
    this.key = key;
    this.parent = parent;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
  }

  /** The node of the key that comes next; undefined: there is none, and none is to be made any more. */
  step(key: string): KeyNode | undefined {
    let node = this.#before;
    this.#before = this.next;
    if (node !== undefined && node.key === key) return this.next = node;
    node = this.#others?.get(key);
    if (node === undefined) {
      if (--newNodes < 0 || this.depth >= MOST_KEYS) return undefined;
      nodes++;
      node = new KeyNode(key, this);
      (this.#others ??= new Map()).set(key, node);
    }
    return this.next = node;
  }

  /** The shape of the objects that end here; undefined for the first of them, and for keys that are too long. */
  shapeHere(): WrittenShape | undefined {
    if (this.ends < 2 && ++this.ends === 2) this.shape = makeShape(this);
    return this.shape;
  }
}

let root = new KeyNode("", undefined);
let nodes = 0;
let newNodes = MOST_NEW_NODES;
let messages = 0;

/** Where the keys of every object begin. */
export function rootOfKeys(): KeyNode {
  return root;
}

/** A message begins: its number. */
export function beginShapes(): number {
  newNodes = MOST_NEW_NODES;
  if (nodes > MOST_NODES) {
    root = new KeyNode("", undefined);
    nodes = 0;
  }
  return ++messages;
}

function makeShape(end: KeyNode): WrittenShape | undefined {
  const keys: string[] = [];
  for (let node = end; node.parent !== undefined; node = node.parent) keys.push(node.key);
  if (keys.length === 0) return undefined;
  keys.reverse();
  const text = new Output();
  text.count(keys.length);
  for (const key of keys) text.string(key);
  if (text.at > MOST_SHAPE_BYTES) return undefined;
  const definition = new Uint8Array(HEADER_BYTES + text.at);
  definition.set(text.out.subarray(0, text.at), HEADER_BYTES);
  // FNV-1a.
  let sum = 0x811c9dc5;
  for (let i = HEADER_BYTES; i < definition.length; i++) sum = Math.imul(sum ^ (definition[i] as number), 0x01000193);
  for (let i = 0; i < 4; i++) definition[i] = sum >>> (8 * i);
  definition[4] = text.at;
  definition[5] = text.at >> 8;
  return { keys, definition, message: 0, number: 0 };
}

/** A shape, for readers. */
export interface ReadShape {
  readonly keys: readonly string[];
  readonly bytes: Uint8Array;
  /** Whether no key is one of `Object.prototype`, so that it can be set by assignment. For the message that is read now. */
  plain: boolean;
}

const known = new Map<number, ReadShape>();

/** The shape with these bytes, if it was seen before. */
export function knownShape(sum: number, bytes: Uint8Array, at: number, size: number): ReadShape | undefined {
  const shape = known.get(sum);
  if (shape === undefined || shape.bytes.length !== size) return undefined;
  const own = shape.bytes;
  for (let i = 0; i < size; i++) if (own[i] !== bytes[at + i]) return undefined;
  return shape;
}

/** Remembers a shape. */
export function learnShape(sum: number, keys: readonly string[], bytes: Uint8Array): ReadShape {
  if (known.size >= MOST_KNOWN) known.clear();
  const shape = { keys, bytes, plain: false };
  known.set(sum, shape);
  return shape;
}

/** Looks whether there is a key in `Object.prototype`: somebody may have added one since the last message. */
export function isPlainNow(keys: readonly string[]): boolean {
  for (let i = 0; i < keys.length; i++) if (keys[i] as string in Object.prototype) return false;
  return true;
}
