import { test } from "node:test";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { decode, Encoder } from "../../src/transport/codec.ts";
import { isData } from "../../src/transport/refusal.ts";

test("isData() is true for arrays, plain objects and what has no parts", () => {
  for (
    const value of [1, "a", 5n, true, null, undefined, [], {}, [{ a: [1, { b: null }] }], [[[]], { x: undefined }]]
  ) {
    assert(isData(value), `${JSON.stringify(String(value))}`);
  }
});

test("isData() is false for whatever needs a closer look", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  let shared: unknown = 1;
  for (let i = 0; i < 11; i++) shared = Array.from({ length: 10 }, () => shared);
  let deep: unknown = 1;
  for (let i = 0; i < 1000; i++) deep = { deep };
  class Point {
    x = 1;
  }
  const refused = [
    () => 1,
    Symbol("s"),
    new Map(),
    new Date(),
    new Uint8Array(4),
    new SharedArrayBuffer(8),
    new Point(),
  ];
  for (const value of [...refused, Object.create(null), cycle, shared, deep]) {
    assert(!isData([{ value }]), Object.prototype.toString.call(value));
  }
});

test("the codec keeps references among many objects, met again early and late", () => {
  const encoder = new Encoder();
  const objects: { i: number; other?: unknown }[] = Array.from({ length: 100 }, (_, i) => ({ i }));
  for (const [from, to] of [[40, 0], [50, 15], [51, 16], [60, 17], [70, 59], [99, 98], [3, 99]] as const) {
    (objects[from] as { other?: unknown }).other = objects[to];
  }
  for (let lap = 0; lap < 3; lap++) {
    const length = encoder.encode([...objects, ...objects], "value");
    const back = decode(encoder.bytes, 0, length) as typeof objects;
    assertEquals(back.length, 200);
    for (let i = 0; i < 100; i++) {
      assertEquals(back[i]?.i, i);
      assertStrictEquals(back[i + 100], back[i]);
      const other = objects[i]?.other as { i: number } | undefined;
      assertStrictEquals(back[i]?.other, other === undefined ? undefined : back[other.i]);
    }
  }
});
