// The codec: every kind of value comes back exactly; what cannot cross is refused with its path before anything is sent.
// Random values: codec_property_test.ts. Damaged bytes: codec_damage_test.ts. Shared objects: codec_handles_test.ts.

import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { DeadlockError, EncodingError, WorkerCrashedError } from "../../src/errors.ts";
import { decode, Encoder, type MemoryCourier, NEEDS_MESSAGE } from "../../src/transport/codec.ts";
import { pack } from "../../src/transport/handles.ts";
import { SOAK } from "../kit/runtime.ts";
import { difference } from "../kit/same.ts";

const encoder = new Encoder();

/** A value as the other side has it. */
function cross<T>(value: T): T {
  const length = encoder.encode(value, "value");
  assert(length > 0, `encode() gave ${length}`);
  return decode(encoder.bytes, 0, length) as T;
}

/** Carries memory within this thread. */
function testCourier(): MemoryCourier & { readonly known: object[] } {
  const known: (SharedArrayBuffer | { buffer: SharedArrayBuffer; grow(n: number): number })[] = [];
  return {
    known,
    export: (memory) =>
      known.includes(memory as never) ? known.indexOf(memory as never) : known.push(memory as never) - 1,
    import: (id) => known[id] as SharedArrayBuffer | undefined,
  };
}

// deno-lint-ignore no-explicit-any -- values of any shape, taken apart by the tests
type Any = any;

describe("the codec", () => {
  it("carries numbers exactly, as what is sent alone and in arrays", () => {
    const numbers = [
      0,
      1,
      63,
      64,
      127,
      128,
      255,
      256,
      32767,
      32768,
      65535,
      65536,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 32,
      2 ** 53,
    ]
      .concat([0.1, NaN, Infinity, 5e-324, Number.MAX_VALUE]);
    const all = [...numbers, ...numbers.map((n) => -n)];
    for (const n of all) {
      assert(Object.is(cross(n), n), String(n));
      assert(Object.is(cross([n])[0], n), String(n));
      assert(Object.is((cross([1, n, 2]) as number[])[1], n), String(n));
      assert(Object.is(cross({ n }).n, n), String(n));
    }
    assertEquals(difference(cross(all), all), undefined);
  });

  it("carries every payload of NaN as NaN", () => {
    const bits = new BigUint64Array([0x7ff8000000000001n, 0xfff8dead0000beefn, 0x7ff0000000000001n]);
    for (const nan of new Float64Array(bits.buffer)) assert(Number.isNaN(cross(nan)) && Number.isNaN(cross([nan])[0]));
  });

  it("carries strings of every length around its limits, and of every kind of character", () => {
    for (const unit of ["a", "é", "€", "😀", "\ud800", "\udc00", "\u0000", "\ufeff", "\uffff", "ÿ", "\u0080"]) {
      for (
        const length of [
          0,
          1,
          2,
          3,
          7,
          8,
          15,
          16,
          31,
          32,
          33,
          62,
          63,
          64,
          65,
          127,
          128,
          129,
          1000,
          8191,
          8192,
          8193,
          100_000,
        ]
      ) {
        const pure = unit.repeat(length);
        for (const text of [pure, `x${pure}`, `${pure}x`, `${"x".repeat(length)}${unit}`]) {
          const back = cross(text);
          assert(back === text, `${JSON.stringify(unit)} × ${length}: ${back.length} characters of ${text.length}`);
          assert(cross({ [text]: [text] })[text]?.[0] === text);
        }
      }
    }
  });

  it("carries many short strings, in one message and in one after another", () => {
    const unit = (i: number): string => String.fromCharCode(32 + (i * 7) % 224);
    const strings = Array.from({ length: 2000 }, (_, i) => unit(i).repeat((i * 13) % 64));
    const mixed = strings.flatMap((text, i) => i % 5 === 0 ? [text, i * 1000, "漢字" + text] : [text]);
    assertEquals(difference(cross(strings), strings), undefined);
    assertEquals(difference(cross(mixed), mixed), undefined);
    for (const text of strings) {
      assertStrictEquals(cross(text), text);
      assertEquals(cross([text, "a", "b", text + "c", "d", text]), [text, "a", "b", text + "c", "d", text]);
    }
  });

  it("carries strings that are ropes and slices", () => {
    let rope = "";
    for (let i = 0; i < 1000; i++) rope = i % 2 === 0 ? rope + i : `${i}é${rope}`;
    assertStrictEquals(cross(rope), rope);
    assertStrictEquals(cross(rope.slice(100, 900)), rope.slice(100, 900));
  });

  it("carries bigints of any size", () => {
    for (const bits of [0n, 1n, 7n, 8n, 9n, 63n, 64n, 65n, 1000n, 100_000n]) {
      for (const value of [2n ** bits, 2n ** bits - 1n, 2n ** bits + 1n, (2n ** bits) / 3n]) {
        assertStrictEquals(cross(value), value);
        assertStrictEquals(cross(-value), -value);
      }
    }
  });

  it("carries undefined, null and booleans, in objects too, where it keeps their keys", () => {
    for (const value of [undefined, null, true, false]) assertStrictEquals(cross(value), value);
    assertEquals(Object.entries(cross({ a: undefined, b: null, c: true })), [["a", undefined], ["b", null], [
      "c",
      true,
    ]]);
  });

  it("keeps holes and own named properties of arrays, and no more", () => {
    const array = [1, , undefined, , 5, ,] as Any;
    assertEquals(difference(cross(array), structuredClone(array)), undefined);
    array.name = "n";
    array["-1"] = array;
    array[2 ** 32] = "not an index";
    assertEquals(difference(cross(array), structuredClone(array)), undefined);
    const match = /b(?<x>c)/.exec("abcd") as Any;
    assertEquals(cross(match).index, 1);
    assertEquals(cross(match).groups.x, "c");
    const numbers = Array.from({ length: 1000 }, (_, i) => i) as Any;
    numbers.columns = ["a"];
    assertEquals(cross(numbers).columns, ["a"]);
    assertEquals(Object.keys(cross(numbers)).length, 1001);
    Object.defineProperty(numbers, "hidden", { value: 1, enumerable: false });
    assertEquals("hidden" in cross(numbers), false);
    assertEquals(Object.keys(cross(new Array(5))).length, 0);
    assertEquals(cross(new Array(5)).length, 5);
  });

  it("keeps long arrays that begin with numbers, whatever comes then", () => {
    for (const size of [4095, 4096, 4097, 8192, 10_000]) {
      const numbers = Array.from({ length: size }, (_, i) => i);
      assertEquals(difference(cross(numbers), numbers), undefined);
      for (const at of [1, 4095, 4096, size - 1]) {
        for (const item of ["x", -0, 0.5, 2 ** 40, undefined, null, { a: [1] }, numbers]) {
          const array: unknown[] = numbers.slice();
          array[at] = item;
          assertEquals(difference(cross(array), array), undefined, `${size} with ${String(item)} at ${at}`);
        }
        const holey = numbers.slice();
        delete holey[at];
        assertEquals(difference(cross(holey), holey), undefined, `${size} without ${at}`);
        const named = Object.assign(holey, { name: at });
        assertEquals(difference(cross(named), named), undefined, `${size} without ${at}, named`);
      }
    }
    const itself: unknown[] = Array.from({ length: 5000 }, (_, i) => i);
    itself.push(itself);
    const back = cross(itself);
    assertStrictEquals(back[5000], back);
  });

  it("makes an array of millions of numbers in no more time than it takes", { skip: !SOAK }, () => {
    const array: number[] = [];
    for (let i = 0; i < 34_000_000; i++) array.push(i & 127);
    const length = encoder.encode(array, "value");
    const start = performance.now();
    const back = decode(encoder.bytes, 0, length) as number[];
    // As a table of hashes, which V8 makes of `new Array(34_000_000)`: 5 s.
    assert(performance.now() - start < 2500);
    assertEquals([back.length, back[33_999_999]], [34_000_000, 33_999_999 & 127]);
  });

  it("keeps sparse arrays sparse, whatever their length", () => {
    const array: Any = [];
    array[2 ** 32 - 2] = { last: true };
    array[1e9] = 1;
    array.name = array;
    const back = cross(array);
    assertEquals(back.length, 2 ** 32 - 1);
    assertEquals(Object.keys(back), ["1000000000", "4294967294", "name"]);
    assertStrictEquals(back.name, back);
    assertEquals(back[2 ** 32 - 2], { last: true });
    assertEquals(cross(new Array(2 ** 32 - 1)).length, 2 ** 32 - 1);
  });

  it("keeps the order of keys, and keys that mean something elsewhere", () => {
    const object = JSON.parse(
      '{"b":1,"a":2,"10":3,"9":4,"__proto__":{"x":5},"constructor":6,"toString":7,"":8,"hasOwnProperty":9}',
    );
    const back = cross(object);
    assertEquals(Object.keys(back), Object.keys(object));
    assertStrictEquals(Object.getPrototypeOf(back), Object.prototype);
    assertEquals(Object.getOwnPropertyDescriptor(back, "__proto__")?.value, { x: 5 });
    assertEquals(JSON.stringify(back), JSON.stringify(object));
    const rows = Array.from({ length: 10 }, (_, i) => JSON.parse(`{"__proto__":${i},"valueOf":${i}}`));
    assertEquals(difference(cross(rows), rows), undefined);
  });

  it("leaves symbol keys, hidden properties and prototypes behind, as structured clone does", () => {
    class Point {
      x = 1;
      #hidden = 2;
      get both(): number {
        return this.x + this.#hidden;
      }
    }
    assertEquals(difference(cross(new Point()), { x: 1 }), undefined);
    assertEquals(difference(cross({ [Symbol("s")]: 1, a: 2 }), { a: 2 }), undefined);
    assertEquals(difference(cross(Object.defineProperty({ a: 1 }, "b", { value: 2 })), { a: 1 }), undefined);
    assertEquals(difference(cross(Object.assign(Object.create({ inherited: 1 }), { own: 2 })), { own: 2 }), undefined);
    assertEquals(difference(cross(Object.assign(Object.create(null), { own: 2 })), { own: 2 }), undefined);
    const list = new (class List extends Array<number> {})(1, 2, 3);
    assertEquals(difference(cross(list), [1, 2, 3] as unknown), undefined);
    const map = new (class Tree extends Map<number, number> {})([[1, 2]]);
    assertEquals(difference(cross(map), new Map([[1, 2]]) as unknown), undefined);
    assertEquals(difference(cross(Object.create(Map.prototype)), {}), undefined);
    assertEquals(difference(cross(Object.create(Date.prototype)), {}), undefined);
    assertEquals(difference(cross({ [Symbol.toStringTag]: "Promise", a: 1 }), { a: 1 } as unknown), undefined);
  });

  it("keeps what was added to Object.prototype out of objects", () => {
    const prototype = Object.prototype as Any;
    prototype.polluted = 1;
    try {
      const back = cross({ own: 2 });
      assertEquals(Object.keys(back), ["own"]);
      assertEquals(Object.keys(cross([{ a: 1 }, { a: 2 }])[1] as object), ["a"]);
      assertEquals(Object.keys(cross({ polluted: 3, own: 2 })), ["polluted", "own"]);
    } finally {
      delete prototype.polluted;
    }
  });

  it("sets properties past setters", () => {
    const prototype = Object.prototype as Any;
    const values = [{ trap: 1, other: 2 }, { trap: 3, other: 4 }];
    Object.defineProperty(prototype, "trap", {
      configurable: true,
      set() {
        throw new Error("a setter ran");
      },
    });
    try {
      assertEquals(cross(values).map((row) => Object.getOwnPropertyDescriptor(row, "trap")?.value), [1, 3]);
    } finally {
      delete prototype.trap;
    }
  });

  it("sets properties past setters that came after their keys were known", () => {
    const send = (): Any => cross([{ late: 1, other: 2 }, { late: 3, other: 4 }]);
    assertEquals(send(), [{ late: 1, other: 2 }, { late: 3, other: 4 }]);
    assertEquals(send(), [{ late: 1, other: 2 }, { late: 3, other: 4 }]);
    const calls: unknown[] = [];
    Object.defineProperty(Object.prototype, "late", { configurable: true, set: (value) => calls.push(value) });
    try {
      const back = send();
      assertEquals(calls, []);
      assertEquals(back.map((item: object) => Object.entries(item)), [[["late", 1], ["other", 2]], [["late", 3], [
        "other",
        4,
      ]]]);
    } finally {
      Reflect.deleteProperty(Object.prototype, "late");
    }
  });

  it("keeps cycles, and what is reached by two ways is one object", () => {
    const shared = { s: 1 };
    const array: unknown[] = [shared, shared];
    const map = new Map<unknown, unknown>([[shared, array]]);
    const set = new Set<unknown>([map, array]);
    const error = new Error("e", { cause: shared });
    const value: Any = { shared, array, map, set, error, date: new Date(1), re: /x/ };
    Object.assign(value, { self: value, date2: value.date, re2: value.re, rows: [{ up: value }, { up: value }] });
    map.set("map", map);
    set.add(set);
    array.push(array);
    const back = cross(value);
    assertStrictEquals(back.self, back);
    assertStrictEquals(back.rows[1].up, back);
    assertStrictEquals(back.date, back.date2);
    assertStrictEquals(back.map.get("map"), back.map);
    assertStrictEquals(back.error.cause, back.shared);
    assertNotStrictEquals(back.shared, shared);
    delete value.error; // of which structured clone keeps other things
    assertEquals(difference(cross(value), structuredClone(value)), undefined);
  });

  it("keeps a node of a ring of objects of one shape", () => {
    const nodes: Any[] = Array.from({ length: 100 }, (_, i) => ({ i, next: null, prev: null }));
    nodes.forEach((node, i) => {
      node.next = nodes[(i + 1) % 100];
      node.prev = nodes[(i + 99) % 100];
    });
    assertEquals(difference(cross(nodes), nodes), undefined);
    assertEquals(difference(cross(nodes[0]), nodes[0]), undefined);
  });

  it("carries dates, invalid ones too, and regular expressions without their place", () => {
    for (const time of [0, -1, 8.64e15, NaN]) assert(Object.is(cross(new Date(time)).getTime(), time));
    const pattern = /a(?<n>b)\/[\u{1F600}]/dgimsuy;
    pattern.lastIndex = 3;
    const back = cross(pattern);
    assertEquals([back.source, back.flags, back.lastIndex], [pattern.source, pattern.flags, 0]);
    assertEquals(cross(new RegExp("")).source, "(?:)");
  });

  it("carries boxed primitives", () => {
    for (const value of [Object(1), Object(-0), Object("text"), Object(true), Object(false), Object(5n), Object("")]) {
      assertEquals(difference(cross(value), structuredClone(value)), undefined);
    }
  });

  it("carries every typed array and DataView with its buffer, offset and length", () => {
    const types: Any[] = [
      DataView,
      Int8Array,
      Uint8Array,
      Uint8ClampedArray,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
    ];
    types.push(Float32Array, Float64Array, BigInt64Array, BigUint64Array);
    if ("Float16Array" in globalThis) types.push((globalThis as Any).Float16Array);
    for (const Type of types) {
      const buffer = new Uint8Array(64).map((_, i) => i * 3).buffer;
      const views = [
        new Type(buffer),
        new Type(buffer, 8),
        new Type(buffer, 16, 2),
        new Type(new ArrayBuffer(0)),
        new Type(buffer, 64),
      ];
      for (const view of views) assertEquals(difference(cross(view), view), undefined, Type.name);
      assertEquals(difference(cross(views), views), undefined, Type.name);
      assertEquals(difference(cross([buffer, ...views]), [buffer, ...views]), undefined, Type.name);
    }
    const [whole, part] = cross(
      [new Uint8Array([1, 2, 3, 4]), 0].map((x, _, a) => x === 0 ? new Int16Array((a[0] as Any).buffer, 2) : x),
    ) as Any[];
    whole[2] = 9;
    assertEquals([part[0] & 255, part.byteOffset], [9, 2]);
    const unaligned = { text: "x", floats: new Float64Array([1.5, NaN, -0]) };
    assertEquals(difference(cross(unaligned), unaligned), undefined);
  });

  it("carries resizable buffers, and views that grow with them as such", () => {
    const most = { maxByteLength: 64 };
    const buffer = new ArrayBuffer(16, most);
    const value = {
      buffer,
      tracking: new Uint8Array(buffer),
      fixed: new Uint8Array(buffer, 0, 16),
      part: new Int32Array(buffer, 8),
      part2: new Int16Array(buffer, 2, 3),
    };
    const back = cross(value);
    assertEquals(difference(back, structuredClone(value)), undefined);
    back.buffer.resize(32);
    assertEquals([back.tracking.length, back.fixed.length, back.part.length, back.part2.length], [32, 16, 6, 3]);
    assertEquals(buffer.byteLength, 16);
    assertEquals(difference(cross(new ArrayBuffer(64, most)), new ArrayBuffer(64, most)), undefined);
    assertEquals(
      difference(cross(new Float64Array(new ArrayBuffer(64, most))), new Float64Array(new ArrayBuffer(64, most))),
      undefined,
    );
  });

  it("tells views that grow from views up to the end, and leaves both and their buffers as they were", () => {
    const courier = testCourier();
    const sharing = new Encoder(courier);
    const crossShared = (value: unknown): Any => {
      const length = sharing.encode(value, "value");
      return decode(sharing.bytes, 0, length, courier);
    };
    const growable = new SharedArrayBuffer(16, { maxByteLength: 64 } as Any) as Any;
    const [fixed, growing] = crossShared([new Int32Array(growable, 8, 2), new Int32Array(growable, 8)]);
    growable.grow(32);
    assertEquals([fixed.length, growing.length], [2, 6]);

    const resizable = new ArrayBuffer(16, { maxByteLength: 64 });
    let resized = 0;
    const resize = resizable.resize;
    Object.defineProperty(resizable, "resize", { value: (size: number) => (resized++, resize.call(resizable, size)) });
    const views = [new Uint8Array(resizable, 8, 8), new Uint8Array(resizable, 8), new BigInt64Array(resizable)];
    const back = cross(views) as Any[];
    back[0].buffer.resize(32);
    assertEquals(back.map((view) => view.length), [8, 24, 4]);
    assertEquals(resized, 0);
    for (const view of views) assert(!Object.hasOwn(view, "constructor"));
  });

  it("carries of a Buffer from the pool only its own bytes, and other views with their whole buffer", () => {
    const { Buffer } = globalThis as Any;
    const secret = Buffer.from("a secret of somebody else's");
    const [one, two] = [Buffer.from("hi"), Buffer.from("there")];
    const back = cross([one, two, one]) as Any;
    assertEquals(new TextDecoder().decode(back[0]) + new TextDecoder().decode(back[1]), "hithere");
    assertStrictEquals(back[0], back[2]);
    assertEquals([back[0].buffer.byteLength, back[1].buffer.byteLength], [2, 5]);
    assert(encoder.encode(one, "value") < 20);
    assertEquals(secret.length, 27);

    const buffer = new ArrayBuffer(100);
    const [left, right] = cross([new Uint8Array(buffer, 0, 10), new Uint8Array(buffer, 50)]) as Any;
    assertStrictEquals(left.buffer, right.buffer);
    assertEquals(left.buffer.byteLength, 100);
    const parts = cross([Buffer.from(buffer, 0, 10), Buffer.from(buffer, 50)]) as Any;
    assertStrictEquals(parts[0].buffer, parts[1].buffer);
  });

  it("carries shared memory by its courier, and asks for a message without one", () => {
    const courier = testCourier();
    const carrying = new Encoder(courier);
    const buffer = new SharedArrayBuffer(32);
    const memory = new (globalThis as Any).WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
    const value = { buffer, view: new Int32Array(buffer, 8, 2), data: new DataView(buffer), memory, again: memory };
    const length = carrying.encode(value, "value");
    const back = decode(carrying.bytes, 0, length, courier) as Any;
    assertStrictEquals(back.buffer, buffer);
    assertStrictEquals(back.view.buffer, buffer);
    assertEquals([back.view.byteOffset, back.view.length, back.data.byteLength], [8, 2, 32]);
    assertStrictEquals(back.memory, memory);
    assertStrictEquals(back.again, memory);
    for (const part of Object.values(value)) {
      assertEquals(encoder.encode(part, "value"), NEEDS_MESSAGE);
      assertEquals(encoder.encode([{ deep: part }], "value"), NEEDS_MESSAGE);
      assertEquals(encoder.encodeInto(part, "value", new Uint8Array(100), 0, 100), NEEDS_MESSAGE);
    }
    const lonely = new (globalThis as Any).WebAssembly.Memory({ initial: 1 });
    assertThrows(() => carrying.encode({ lonely }, "value"), EncodingError);
  });

  it("asks for a message for what only a message carries, and with a courier refuses it", () => {
    const { port1, port2 } = new MessageChannel();
    const carrying = new Encoder(testCourier());
    for (const value of [port1, new Blob(["text"])]) {
      assertEquals(encoder.encode(value, "value"), NEEDS_MESSAGE);
      assertEquals(encoder.encode({ a: [value] }, "value"), NEEDS_MESSAGE);
      const error = assertThrows(
        () => carrying.encode({ a: [value] }, "value"),
        EncodingError,
        "which cannot be copied",
      );
      assertEquals(error.path, "value.a[0]");
    }
    port1.close();
    port2.close();
  });

  it("carries lists of 100,000 links of every kind, and trees that are both deep and wide", () => {
    const links: [string, (next: unknown) => unknown, (link: Any) => unknown][] = [
      ["objects", (next) => ({ next }), (link) => link.next],
      ["arrays", (next) => [next], (link) => link[0]],
      ["arrays with names", (next) => Object.assign([1], { next }), (link) => link.next],
      ["maps", (next) => new Map([["next", next]]), (link) => link.get("next")],
      ["keys of maps", (next) => new Map([[next, 1]]), (link) => [...link.keys()][0]],
      ["sets", (next) => new Set([next]), (link) => [...link][0]],
      ["objects in arrays", (next) => [{ next }, { next: 1 }], (link) => link[0].next],
    ];
    for (const [name, make, follow] of links) {
      let list: unknown = "end";
      for (let i = 0; i < 100_000; i++) list = make(list);
      let back: unknown = cross(list);
      let length = 0;
      for (; back !== "end"; back = follow(back)) length++;
      assertEquals(length, 100_000, name);
    }
    let causes = new Error("first");
    for (let i = 0; i < 2000; i++) causes = new TypeError(`${i}`, { cause: causes });
    let depth = 0;
    for (let at: Any = cross(causes); at.cause !== undefined; at = at.cause) depth++;
    assertEquals(depth, 2000);
    let tree: Any = { leaf: true };
    for (let i = 0; i < 300; i++) tree = { left: [tree, { i }], right: new Map([[{ i }, new Set([i, { i }])]]) };
    assertEquals(difference(cross(tree), tree), undefined);
    const cycle: Any = {};
    let end = cycle;
    for (let i = 0; i < 1000; i++) end = end.next = { i, top: cycle };
    end.next = cycle;
    assertEquals(difference(cross(cycle), cycle), undefined);
  });
});

describe("errors in the codec", () => {
  it("keep their class where it is known, their name, message, stack, cause, errors and fields", () => {
    for (const Type of [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]) {
      const error = new Type("text");
      const back = cross(error);
      assertStrictEquals(Object.getPrototypeOf(back), Type.prototype);
      assertEquals([back.name, back.message, back.stack], [error.name, "text", error.stack]);
      assertEquals(Object.keys(back), []);
    }
    class HttpError extends RangeError {
      override readonly name = "HttpError";
      readonly status = 404;
      readonly details = { list: [1, new Map([["k", 1n]])] };
    }
    const error = new HttpError("not found", { cause: { why: "gone" } });
    const back = cross(error);
    assert(back instanceof RangeError);
    assertEquals([back.name, back.message, back.status, back.cause], ["HttpError", "not found", 404, { why: "gone" }]);
    assertEquals(back.details, error.details);
    assertEquals(Object.hasOwn(cross(new Error()), "message"), false);
    assertEquals(Object.hasOwn(cross(new Error("x")), "cause"), false);
    assertEquals(Object.hasOwn(cross(new Error("x", { cause: undefined })), "cause"), true);
  });

  it("keep our own classes, AggregateError and DOMException", () => {
    const deadlock = cross({ error: new DeadlockError("stuck", ["a", "b"]) }).error;
    assert(deadlock instanceof DeadlockError);
    assertEquals(deadlock.cycle, ["a", "b"]);
    const crash = cross(new WorkerCrashedError("gone", { exitCode: -9, processName: "P" }));
    assert(crash instanceof WorkerCrashedError);
    assertEquals([crash.exitCode, crash.processName], [-9, "P"]);
    const all = cross(new AggregateError([new TypeError("a"), "b"], "all"));
    assert(all instanceof AggregateError && all.errors[0] instanceof TypeError);
    assertEquals([all.message, all.errors[1], Object.keys(all)], ["all", "b", []]);
    const dom = cross(new DOMException("enough", "AbortError"));
    assert(dom instanceof DOMException);
    assertEquals([dom.name, dom.message], ["AbortError", "enough"]);
    const checks = cross(Object.assign(new Error("v"), { errors: ["x"] }));
    assertEquals(Object.keys(checks), ["errors"]);
  });

  it("of another realm keep the class of their name, and what only has their tag is none", () => {
    const { runInNewContext } = process.getBuiltinModule("node:vm");
    for (const type of ["Error", "RangeError", "TypeError", "AggregateError"]) {
      const foreign = runInNewContext(type === "AggregateError" ? `new ${type}([1], "m")` : `new ${type}("m")`);
      const back = cross(foreign) as Any;
      assertStrictEquals(Object.getPrototypeOf(back), (globalThis as Any)[type].prototype, type);
      assertEquals([back.name, back.message], [type, "m"]);
    }
    const derived = cross(runInNewContext(`new (class Mine extends RangeError { code = 5 })("m")`)) as Any;
    assertEquals([derived instanceof RangeError, derived.code, derived.message], [true, 5, "m"]);
    if ("isError" in Error) {
      const tagged = cross({ a: 1, ...{}, [Symbol.toStringTag]: "Error" });
      assertEquals([tagged instanceof Error, (tagged as Any).a], [false, 1]);
      const instance = cross(Object.assign(Object.create({ [Symbol.toStringTag]: "Error" }), { a: 1 }));
      assertEquals([instance instanceof Error, instance.a], [false, 1]);
    }
  });

  it("may be their own cause, and hold what else is in the value", () => {
    const circle: Any = new Error("circle");
    circle.cause = circle;
    circle.field = { circle };
    const back = cross({ circle, again: circle });
    assertStrictEquals(back.circle.cause, back.circle);
    assertStrictEquals(back.circle.field.circle, back.circle);
    assertStrictEquals(back.again, back.circle);
  });

  it("arrive with a sentence in the place of a field that cannot be sent; a cause that cannot be sent is refused", () => {
    const request = { socket: () => 1 };
    const error = Object.assign(new Error("e"), { request, ok: 1, after: { x: [2] } });
    const back = cross([error, { ok: 2 }]) as Any[];
    assert(/^\[object Object\] \[not sent: .*function/.test(back[0].request), back[0].request);
    assertEquals([back[0].ok, back[0].after, back[1]], [1, { x: [2] }, { ok: 2 }]);
    const shared = { s: 1 };
    const knot = Object.assign(new Error("k"), { bad: [shared, () => 1], good: shared });
    const untied = cross({ knot, shared }) as Any;
    assertStrictEquals(untied.knot.good, untied.shared);
    assertEquals(untied.shared, { s: 1 });
    assertThrows(
      () => encoder.encode({ e: new Error("e", { cause: request }) }, "v"),
      EncodingError,
      "v.e.cause.socket",
    );
  });

  it("arrive whatever their getters do", () => {
    for (const key of ["message", "stack", "name", "cause", "extra"]) {
      const error = Object.defineProperty(new Error("hostile"), key, {
        enumerable: true,
        get() {
          throw new RangeError("from the getter");
        },
      });
      assert(cross(error) instanceof Error, key);
    }
  });
});

describe("what the codec refuses", () => {
  const fn = (): number => 1;
  const refused: [unknown, string][] = [
    [fn, "value"],
    [Symbol("s"), "value"],
    [[1, [2, fn]], "value[1][1]"],
    [{ a: { b: fn } }, "value.a.b"],
    [{ "a-b": fn }, 'value["a-b"]'],
    [new Map([["k", { deep: fn }]]), "value<value 0>.deep"],
    [new Map([[{ deep: fn }, 1]]), "value<key 0>.deep"],
    [new Set([0, [fn]]), "value<item 1>[0]"],
    [[Promise.resolve()], "value[0]"],
    [[new WeakMap()], "value[0]"],
    [[new WeakSet()], "value[0]"],
    [[new WeakRef({})], "value[0]"],
    [[(function* () {})()], "value[0]"],
    [[(async function* () {})()], "value[0]"],
    [[[1].values()], "value[0]"],
    [{ m: new Map().entries() }, "value.m"],
    [[new Error("e", { cause: { fn } })], "value[0].cause.fn"],
  ];

  it("is what pack() refuses, in the same words, with the same path", () => {
    for (const [value, path] of refused) {
      const wanted = assertThrows(() => pack(value, "value"), EncodingError);
      for (const one of [encoder, new Encoder(testCourier())]) {
        const error = assertThrows(() => one.encode(value, "value"), EncodingError);
        assertEquals([error.path, error.message], [path, wanted.message]);
        const target = new Uint8Array(1000);
        const other = assertThrows(() => one.encodeInto(value, "value", target, 0, 1000), EncodingError);
        assertEquals(other.message, wanted.message);
      }
    }
  });

  it("is refused among the named properties of an array", () => {
    const error = assertThrows(() => encoder.encode([Object.assign([1, 2], { extra: fn })], "value"), EncodingError);
    assertEquals(error.path, "value[0].extra");
  });

  it("is refused at any depth", () => {
    let deep: unknown = fn;
    for (let i = 0; i < 1000; i++) deep = { a: deep };
    const error = assertThrows(() => encoder.encode(deep, "v"), EncodingError);
    assertEquals(error.path, `v${".a".repeat(1000)}`);
  });

  it("are buffers whose memory is gone", () => {
    const buffer = new ArrayBuffer(8);
    const view = new Uint8Array(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    assertThrows(() => encoder.encode({ buffer }, "v"), EncodingError, "v.buffer");
    assertThrows(() => encoder.encode([view], "v"), EncodingError, "v[0]");
  });

  it("leaves the encoder as it was", () => {
    for (const [value] of refused) {
      assertThrows(() => encoder.encode([{ before: [1] }, value], "value"), EncodingError);
      const shared = {};
      const back = cross([shared, { shared, list: [1, 2] }]) as Any;
      assertStrictEquals(back[1].shared, back[0]);
    }
  });
});

describe("getters that run while a value is encoded", () => {
  it("are read once", () => {
    let reads = 0;
    const counting = (): Any => ({
      get a() {
        reads++;
        return { reads };
      },
    });
    const value = [counting(), counting(), new Map([[1, counting()]])];
    assertEquals(JSON.stringify(cross(value).slice(0, 2)), '[{"a":{"reads":1}},{"a":{"reads":2}}]');
    assertEquals(reads, 3);
  });

  it("are read once, also those of an array's elements", () => {
    for (const [first, second] of [[1, "second"], [1, 5n], [1, 300], [1, 0.5], [{ x: 1 }, 2]] as const) {
      for (const size of [3, 20, 5000]) {
        const array: unknown[] = Array.from({ length: size }, (_, i) => i);
        let reads = 0;
        Object.defineProperty(array, 1, {
          enumerable: true,
          get: () => reads++ === 0 ? first : second,
        });
        const back = cross(array);
        assertEquals(back[0], 0);
        // What counts the elements of a long array on V8 reads them.
        if (size < 17) assertEquals([reads, back[1]], [1, first]);
        assert(difference(back[1], first) === undefined || difference(back[1], second) === undefined, String(back[1]));
        assertEquals(back.slice(2), Array.from({ length: size }, (_, i) => i).slice(2));
      }
    }
  });

  it("of an array's elements may encode arrays of numbers themselves", () => {
    const array: unknown[] = [1, 2, 3, 4];
    Object.defineProperty(array, 2, { enumerable: true, get: () => cross([7, 8, 9.5])[2] });
    assertEquals(cross(array), [1, 2, 9.5, 4]);
  });

  it("may throw: the exception is the caller's, and nothing is left behind", () => {
    const value = {
      before: { x: 1 },
      get bad(): never {
        throw new SyntaxError("mine");
      },
    };
    assertThrows(() => encoder.encode(value, "v"), SyntaxError, "mine");
    assertThrows(() => encoder.encodeInto([value], "v", new Uint8Array(500), 0, 500), SyntaxError, "mine");
    assertEquals(cross([value.before, value.before]), [{ x: 1 }, { x: 1 }]);
  });

  it("may use the same encoder", () => {
    const target = new Uint8Array(1000);
    const inner: unknown[] = [];
    const value = {
      a: [1, 2, 3],
      get nested() {
        inner.push(cross({
          deep: {
            get more() {
              return cross(["more"]);
            },
          },
        }));
        const end = encoder.encodeInto({ inner: [1.5] }, "v", target, 0, 1000);
        inner.push(decode(target, 0, end));
        assertThrows(() => encoder.encode(() => 1, "v"), EncodingError);
        return "nested";
      },
      z: [{ a: 1 }, { a: 2 }],
    };
    assertEquals(cross(value), { a: [1, 2, 3], nested: "nested", z: [{ a: 1 }, { a: 2 }] });
    assertEquals(inner, [{ deep: { more: ["more"] } }, { inner: [1.5] }]);
    const end = encoder.encodeInto(value, "v", target, 500, 1000);
    assertEquals((decode(target, 500, end) as Any).z, [{ a: 1 }, { a: 2 }]);
  });

  it("may change the keys of an object whose shape is known: each value stays with its key", () => {
    const changes: ((object: Any) => void)[] = [
      (object) => delete object.b,
      (object) => (delete object.b, delete object.c),
      (object) => (object.d = 4),
      (object) => (delete object.b, object.b = 5),
      () => {},
    ];
    for (const change of changes) {
      for (let times = 0; times < 4; times++) {
        const object = {
          get a() {
            change(object);
            return 1;
          },
          b: 2 as number | undefined,
          c: 3 as number | undefined,
        };
        const [back, after] = cross([object, { x: 1 }]) as Any[];
        assertEquals([back.a, after], [1, { x: 1 }]);
        assertEquals(Object.keys(back), ["a", "b", "c"]);
        assertEquals([back.b, back.c], [object.b, object.c]);
      }
    }
  });

  it("may change what is being encoded", () => {
    const array: Any[] = [1, 2, 3, 4];
    const object: Any = { a: 1, b: 2, c: 3, d: 4 };
    const map = new Map<Any, Any>([[1, 1], [2, 2], [3, 3]]);
    const set = new Set<Any>([1, 2, 3]);
    const buffer = new ArrayBuffer(16, { maxByteLength: 32 });
    const changes: (() => void)[] = [
      () => (array.length = 1),
      () => array.push(5, 6, 7),
      () => array.splice(0, 3),
      () => delete object.c,
      () => (object.e = 5),
      () => (delete object.c, delete object.d, object.f = 6),
      () => map.delete(2),
      () => map.clear(),
      () => map.set({}, {}),
      () => set.clear(),
      () => set.add({}),
      () => buffer.resize(0),
      () => buffer.resize(32),
    ];
    for (const change of changes) {
      for (const place of [0, 1]) {
        const trap = {
          get t() {
            change();
            return "t";
          },
        };
        const list: Any[] = [...array];
        list[place] = trap;
        const record: Any = Object.defineProperty({ ...object }, place === 0 ? "a" : "b", {
          enumerable: true,
          get() {
            change();
            return 1;
          },
        });
        const entries = new Map<Any, Any>([...map, [trap, trap], [5, 5]]);
        const value = {
          list,
          array,
          record,
          object,
          entries,
          map,
          trap,
          set,
          items: new Set([...set, trap, 9]),
          buffer,
          view: new Uint8Array(buffer),
        };
        try {
          const back = cross(value) as Any;
          assertEquals(Object.keys(back).length, Object.keys(value).length);
          assertEquals(back.trap.t, "t");
        } catch (error) {
          // A buffer that changes its size between two looks at it may be refused; nothing else goes wrong.
          assert(error instanceof EncodingError && /resizes/.test(error.message), String(error));
        }
      }
    }
  });
});

describe("Encoder", () => {
  it("gives back the memory of a huge value once it was used", async () => {
    const own = new Encoder();
    for (let i = 0; i < 2; i++) {
      const length = own.encode(new Uint8Array(20_000_000).fill(7), "v");
      assert(own.bytes.length >= 20_000_000);
      assertEquals((decode(own.bytes, 0, length) as Uint8Array)[19_999_999], 7);
      await Promise.resolve();
      assert(own.bytes.length < 100_000, `${own.bytes.length} bytes are kept`);
      assertEquals(decode(own.bytes, 0, own.encode("x".repeat(100), "v")), "x".repeat(100));
    }
  });

  it("leaves the bytes of the value after a huge one", async () => {
    const own = new Encoder();
    own.encode(new Uint8Array(20_000_000), "v");
    const length = own.encode([1, "two"], "v");
    await Promise.resolve();
    assertEquals(decode(own.bytes, 0, length), [1, "two"]);
  });

  it("gives back the memory of a large value after a while", () => {
    const own = new Encoder();
    own.encode(new Uint8Array(3_000_000), "v");
    assert(own.bytes.length >= 3_000_000);
    for (let i = 0; i < 200; i++) own.encode([i], "v");
    assert(own.bytes.length < 2_000_000, `${own.bytes.length} bytes are kept`);
    assertEquals(decode(own.bytes, 0, own.encode("x".repeat(100), "v")), "x".repeat(100));
  });
});
