// pack() and unpack(): what structured clone sends arrives as structured clone sends it, what cannot be sent is refused
// with its path, and registered objects cross wherever they stand.

import { describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { pack, registerHandle, unpack } from "../../src/transport/handles.ts";
import { EncodingError } from "../../src/errors.ts";
import { choose, randomNumbers, SEED } from "../kit/random.ts";

/** A value as the other side has it. */
function cross(value: unknown): unknown {
  const packed = pack(value, "value");
  const sent = structuredClone(packed.value);
  return packed.handles ? unpack(sent) : sent;
}

/** A class whose objects live somewhere else: those with the same key are the same. */
class Shared {
  readonly key: number;
  readonly other: unknown;
  constructor(key: number, other?: unknown) {
    this.key = key;
    this.other = other;
  }
  method(): number {
    return this.key;
  }
}
registerHandle<Shared, { key: number; other: unknown }>("TestShared", Shared, {
  detach: ({ key, other }) => ({ key, other }),
  attach: ({ key, other }) => new Shared(key, other),
});

/** A random value that structured clone takes, with cycles and shared references; sometimes with a Shared in it. */
function randomValue(random: () => number, withShared: boolean): unknown {
  const pool: object[] = [];
  const make = (depth: number): unknown => {
    const kind = choose(random, [
      ["number", 6],
      ["text", 4],
      ["odd", 3],
      ["again", pool.length > 0 ? 3 : 0],
      ["shared", withShared ? 2 : 0],
      ["leaf", 3],
      ["array", depth > 0 ? 5 : 0],
      ["holes", depth > 0 ? 1 : 0],
      ["object", depth > 0 ? 5 : 0],
      ["bare", depth > 0 ? 1 : 0],
      ["map", depth > 0 ? 2 : 0],
      ["set", depth > 0 ? 2 : 0],
      ["error", depth > 0 ? 1 : 0],
    ]);
    const size = Math.floor(random() * 5);
    const keep = <T extends object>(value: T): T => (pool.push(value), value);
    switch (kind) {
      case "number":
        return choose(random, [[0, 1], [-0, 1], [NaN, 1], [Infinity, 1], [random(), 2], [2 ** 53, 1], [-1, 1]]);
      case "text":
        return choose(random, [["", 1], ["abc", 2], ["\ud800", 1], ["é☃😀\0", 1], ["x".repeat(1000), 1]]);
      case "odd":
        return choose<unknown>(random, [[null, 1], [undefined, 1], [true, 1], [5n, 1], [-(2n ** 80n), 1]]);
      case "again":
        return pool[Math.floor(random() * pool.length)];
      case "shared":
        return keep(new Shared(Math.floor(random() * 100)));
      case "leaf":
        return keep(
          choose<() => object>(random, [
            [() => new Date(Math.floor(random() * 1e12)), 1],
            [() => /a+b/gi, 1],
            [() => new Float64Array([1, NaN, -0]), 1],
            [() => new BigUint64Array([1n]), 1],
            [() => new Uint8Array(new ArrayBuffer(16), 4, 8), 1],
            [() => new DataView(new ArrayBuffer(4)), 1],
            [() => new ArrayBuffer(3), 1],
          ])(),
        );
      case "array": {
        const array: unknown[] = keep([]);
        for (let i = 0; i < size; i++) array.push(make(depth - 1));
        return array;
      }
      case "holes": {
        const array: unknown[] = keep(new Array(size + 2));
        array[size] = make(depth - 1);
        return array;
      }
      case "object":
      case "bare": {
        const object: Record<string, unknown> = keep(kind === "bare" ? Object.create(null) : {});
        for (let i = 0; i < size; i++) {
          object[choose(random, [["a", 1], ["b c", 1], ["0", 1], ["é", 1]])] = make(depth - 1);
        }
        return object;
      }
      case "map": {
        const map = keep(new Map<unknown, unknown>());
        for (let i = 0; i < size; i++) map.set(make(depth - 1), make(depth - 1));
        return map;
      }
      case "set": {
        const set = keep(new Set<unknown>());
        for (let i = 0; i < size; i++) set.add(make(depth - 1));
        return set;
      }
      default:
        return keep(new RangeError("an error as data"));
    }
  };
  return make(5);
}

/** Whether two values have the same shape: kinds, values, keys in order, and which places hold the same object. */
function sameShape(a: unknown, b: unknown, pairs = new Map<unknown, unknown>()): string | undefined {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) {
    return Object.is(a, b) ? undefined : `${String(a)} is not ${String(b)}`;
  }
  if (pairs.has(a)) return pairs.get(a) === b ? undefined : "identity is lost";
  pairs.set(a, b);
  const tag = Object.prototype.toString.call(a);
  if (tag !== Object.prototype.toString.call(b)) return `${tag} is not ${Object.prototype.toString.call(b)}`;
  if (a instanceof Shared || b instanceof Shared) {
    return a instanceof Shared && b instanceof Shared && a.key === b.key ? undefined : "a Shared is lost";
  }
  const list = (value: object): unknown[] =>
    value instanceof Map
      ? [...value].flat()
      : value instanceof Set
      ? [...value]
      : value instanceof Date
      ? [value.getTime()]
      : value instanceof RegExp
      ? [value.source, value.flags]
      : value instanceof Error
      ? [value.message]
      : value instanceof ArrayBuffer
      ? [...new Uint8Array(value)]
      : ArrayBuffer.isView(value)
      ? [value.byteLength, value.byteOffset, ...new Uint8Array(value.buffer)]
      : [
        Array.isArray(value) ? value.length : 0,
        ...Object.keys(value),
        ...Object.keys(value).map((key) => (value as Record<string, unknown>)[key]),
      ];
  const [left, right] = [list(a), list(b)];
  if (left.length !== right.length) return `${tag}: ${left.length} parts, not ${right.length}`;
  for (let i = 0; i < left.length; i++) {
    const difference = sameShape(left[i], right[i], pairs);
    if (difference !== undefined) return `${tag}: ${difference}`;
  }
  return undefined;
}

describe("pack()", () => {
  it("leaves plain data alone: the very same value is sent", () => {
    const value = { a: [1, { b: new Map([[1, new Set([2])]]) }], d: new Date(0), f: new Float64Array(2) };
    const packed = pack(value, "value");
    assertStrictEquals(packed.value, value);
    assertEquals(packed.handles, false);
    for (const plain of [undefined, null, 0, -0, "text", true, 5n]) {
      const { value, handles } = pack(plain, "value");
      assert(Object.is(value, plain) && !handles);
    }
  });

  it("and unpack() give what structured clone gives, for 300 random values", () => {
    const random = randomNumbers(SEED);
    for (let i = 0; i < 300; i++) {
      const value = randomValue(random, false);
      assertEquals(sameShape(structuredClone(value), cross(value)), undefined, `seed ${SEED}, value ${i}`);
      assertEquals(sameShape(value, cross(value)), undefined, `seed ${SEED}, value ${i}`);
    }
  });

  it("and unpack() keep registered objects wherever they stand, for 300 random values", () => {
    const random = randomNumbers(SEED);
    let found = 0;
    for (let i = 0; i < 300; i++) {
      const value = randomValue(random, true);
      if (pack(value, "value").handles) found++;
      assertEquals(sameShape(value, cross(value)), undefined, `seed ${SEED}, value ${i}`);
    }
    assert(found > 20, `${found} values had one`);
  });

  it("does not change its input", () => {
    const shared = new Shared(1);
    const inner = { shared };
    const list = [inner, shared];
    const map = new Map<unknown, unknown>([[shared, list]]);
    const set = new Set<unknown>([shared]);
    const value = { list, map, set, inner };
    const frozen = Object.freeze({ shared, deep: Object.freeze([shared]) });
    pack([value, frozen], "value");
    assertStrictEquals(value.list[1], shared);
    assertStrictEquals(inner.shared, shared);
    assertStrictEquals(map.get(shared), list);
    assertEquals([...set], [shared]);
    assertStrictEquals(frozen.deep[0], shared);
  });

  it("keeps the identity of a registered object within one message, in cycles too", () => {
    const shared = new Shared(7);
    const cycle: Record<string, unknown> = { shared, list: [shared], map: new Map([[shared, shared]]) };
    cycle["self"] = cycle;
    const back = cross(cycle) as { shared: Shared; list: Shared[]; map: Map<Shared, Shared>; self: unknown };
    assertStrictEquals(back.self, back);
    assert(back.shared instanceof Shared);
    assertEquals(back.shared.method(), 7);
    assertStrictEquals(back.list[0], back.shared);
    assertStrictEquals(back.map.get(back.shared), back.shared);
  });

  it("crosses a registered object inside the description of another", () => {
    const back = cross([new Shared(1, new Shared(2, [new Shared(3)]))]) as [{ other: { other: [Shared] } }];
    assertEquals(back[0].other.other[0].method(), 3);
  });

  it("recognises the registered class itself and no subclass of it", () => {
    class Sub extends Shared {}
    const back = cross(new Sub(5)) as Record<string, unknown>;
    assert(!(back instanceof Shared));
    assertEquals(back, { key: 5, other: undefined });
  });

  it("takes class instances as plain data, as structured clone does", () => {
    class Point {
      x = 1;
      #hidden = 2;
      get both(): number {
        return this.x + this.#hidden;
      }
      norm(): number {
        return 1;
      }
    }
    assertEquals(cross(new Point()), { x: 1 });
  });

  it("looks at lists of 100,000 links without running out of stack", () => {
    let plain: unknown = null;
    for (let i = 0; i < 100_000; i++) plain = { next: plain };
    assertEquals(pack(plain, "value").handles, false);
    let bad: unknown = () => 1;
    for (let i = 0; i < 100_000; i++) bad = [bad];
    const error = assertThrows(() => pack(bad, "value"), EncodingError);
    assertEquals(error.path.length, "value".length + 100_000 * 3);
  });

  it("looks once at what is reached by many ways", () => {
    let value: unknown = [1];
    for (let i = 0; i < 60; i++) value = [value, value];
    assertEquals(pack(value, "value").handles, false);
  });

  it("refuses what cannot be sent, with the exact path", () => {
    const fn = (): number => 1;
    const cases: [unknown, string][] = [
      [fn, "value"],
      [Symbol("s"), "value"],
      [[1, [2, fn]], "value[1][1]"],
      [{ a: { b: fn } }, "value.a.b"],
      [{ "a-b": fn }, 'value["a-b"]'],
      [{ "": fn }, 'value[""]'],
      [{ 5: fn }, 'value["5"]'],
      [{ $é_1: fn }, 'value["$é_1"]'],
      [new Map([["k", { deep: fn }]]), "value<value 0>.deep"],
      [new Map([[{ deep: fn }, 1]]), "value<key 0>.deep"],
      [new Set([0, [fn]]), "value<item 1>[0]"],
      [[Promise.resolve()], "value[0]"],
      [[new WeakMap()], "value[0]"],
      [[new WeakSet()], "value[0]"],
      [[new WeakRef({})], "value[0]"],
      [[(function* () {})()], "value[0]"],
      [[new Error("e", { cause: { fn } })], "value[0].cause.fn"],
      [
        new (class Thing {
          handler = fn;
        })(),
        "value.handler",
      ],
    ];
    for (const [value, path] of cases) {
      const error = assertThrows(() => pack(value, "value"), EncodingError);
      assertEquals(error.path, path);
      assert(error.message.startsWith(`Cannot send ${path} to another process: it is a`), error.message);
    }
  });

  it("refuses shared memory and registered objects for a receiver that shares none, with the path", () => {
    const buffer = new SharedArrayBuffer(8);
    const cases: [unknown, string][] = [
      [buffer, "value"],
      [{ a: new Int32Array(buffer) }, "value.a"],
      [[new DataView(buffer)], "value[0]"],
      [[new Shared(1)], "value[0]"],
    ];
    for (const [value, path] of cases) {
      pack(value, "value", true);
      const error = assertThrows(() => pack(value, "value", false), EncodingError, "shares none");
      assertEquals(error.path, path);
    }
    pack(new Float64Array(4), "value", false);
  });
});

describe("unpack()", () => {
  it("refuses a description of a class that is not loaded here", () => {
    const sent = structuredClone(pack([new Shared(1)], "value").value) as Record<string, unknown>[];
    const description = sent[0] as Record<string, unknown>;
    const [mark] = Object.keys(description).filter((key) => description[key] === "TestShared") as [string];
    description[mark] = "NotLoaded";
    assertThrows(() => unpack(sent), EncodingError, "NotLoaded");
  });

  it("does not take data of the user's for a description when a message has none", () => {
    const packed = pack({ "\u0000manycore": "TestShared", wire: { key: 1 } }, "value");
    assertEquals(packed.handles, false);
  });
});
