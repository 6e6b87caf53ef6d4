/** SharedArray, RawArray: CPython's `_TestArray`, and what is ours. */
import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { RawArray, SharedArray } from "../../src/shared/array.ts";
import { Lock } from "../../src/sync/lock.ts";
import { pack, unpack } from "../../src/transport/handles.ts";
import { all, spawn } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";

const WORKERS: string = besides(import.meta, "workers");

test("SharedArray: from a length, an array, a typed array, an iterable", () => {
  assertEquals([...new SharedArray("i", 3)], [0, 0, 0]);
  assertEquals([...new SharedArray("i", [1, 2, 3])], [1, 2, 3]);
  assertEquals([...new SharedArray("d", new Float64Array([1.5, 2.5]))], [1.5, 2.5]);
  assertEquals([...new SharedArray("q", new Set([1n, 2n]))], [1n, 2n]);
  assertEquals([...new SharedArray("c", "hello")].join(""), "hello");
  assertEquals(new SharedArray("i", 0).length, 0);
  assertEquals([...new SharedArray("B", [1, 300])], [1, 44]);
  assertThrows(() => new SharedArray("i", -1), RangeError);
  assertThrows(() => new SharedArray("i", 1.5), RangeError);
  assertThrows(() => new SharedArray("i", [1.5]), TypeError);
  assertThrows(() => new SharedArray("i", undefined as unknown as number), TypeError);
});

test("SharedArray: view is the typed array itself", () => {
  const array = new SharedArray("float64", [1, 2, 3]);
  const view: Float64Array<SharedArrayBuffer> = array.view;
  assert(view instanceof Float64Array && view.buffer instanceof SharedArrayBuffer);
  view[1] = 20;
  assertEquals(array.get(1), 20);
  assertEquals(array.view, view);
  const big: BigInt64Array<SharedArrayBuffer> = new SharedArray("int64", 1).view;
  assertEquals(big.length, 1);
});

test("SharedArray: get, set, slice, fill, negative indexes, and refusals", () => {
  const array = new SharedArray("i", [0, 1, 2, 3, 4]);
  assertEquals(array.get(-1), 4);
  array.set(-1, 40);
  array.set(1, [10, 20]);
  assertEquals(array.slice(), [0, 10, 20, 3, 40]);
  assertEquals(array.slice(1, -1), [10, 20, 3]);
  assertEquals(array.slice(-2), [3, 40]);
  assertEquals(array.slice(3, 1), []);
  assertEquals([...array.fill(7, 0, 2)], [7, 7, 20, 3, 40]);
  for (const index of [5, -6, 0.5, NaN]) assertThrows(() => array.get(index), RangeError, "5 elements");
  assertThrows(() => array.set(4, [1, 2]), RangeError);
  assertThrows(() => array.set(0, 1.5), TypeError);
});

test("SharedArray: atomic operations on elements", async () => {
  const array = new SharedArray("int32", [1, 2, 3]);
  assertEquals(array.add(0, 5), 1);
  assertEquals(array.sub(-1, 1), 3);
  assertEquals(array.min(0, 4), 6);
  assertEquals(array.max(1, 9), 2);
  assertEquals(array.compareExchange(1, 9, 8), 9);
  assertEquals(array.update(1, (x) => x + 1), 9);
  assertEquals([...array], [4, 9, 2]);
  assertThrows(() => array.add(3, 1), RangeError);
  assertThrows(() => new SharedArray("c", "a").add(0, "b"), TypeError);
  for (const shared of [new SharedArray("float64", 7), new RawArray("float64", 7)]) {
    await all([0, 1].map(() => spawn(WORKERS, "addToArray", shared, 7000)));
    assertEquals([...shared], Array(7).fill(2000));
  }
});

test("SharedArray: char arrays have a text", () => {
  const array = new SharedArray("c", 10);
  array.value = "hello";
  assertEquals(array.value, "hello");
  array.value = "hi";
  assertEquals(array.value, "hi");
  assertEquals(array.get(3), "l");
  assertThrows(() => array.value = "much too long", RangeError);
  assertThrows(() => new SharedArray("i", 1).value, TypeError);
});

test("SharedArray: passes anywhere, nested, and is the same there", async () => {
  const array = new SharedArray("int32", 5, { lock: new Lock() });
  const agent = spawn<number>(WORKERS, "fillThird", { deep: new Map([["list", [array]]]) }, 9);
  assertEquals(await agent.result, 5);
  assertEquals([...array], [9, 9, 9, 0, 0]);
  const same = unpack(pack(array, "x").value) as SharedArray<"int32">;
  array.lock.runSync(() => assert(same.lock.locked));
  const copy = array.copy();
  copy.set(0, 1);
  assertEquals(array.get(0), 9);
  assertEquals([...new RawArray("i", [1]).copy()], [1]);
});

test("SharedArray: is full of zeros when made by its length, however often (CPython: test_array_from_size)", () => {
  for (let i = 0; i < 3; i++) {
    const array = new SharedArray("int32", 10_000);
    assert(array.view.every((element) => element === 0));
    array.view.fill(42);
  }
});

test("SharedArray: typed arrays and arrays of numbers go in as a whole, or not at all", () => {
  const array = new SharedArray("float64", new Float64Array([1, 2.5, NaN, -0]));
  assertEquals(array.slice(), [1, 2.5, NaN, -0]);
  array.set(1, new Float32Array([0.5, 0.25]));
  assertEquals(array.slice(), [1, 0.5, 0.25, -0]);
  array.set(0, array.view.subarray(1)); // of the same memory
  assertEquals(array.slice(), [0.5, 0.25, -0, -0]);
  assertThrows(() => array.set(0, [7, "8" as unknown as number]), TypeError);
  assertEquals(array.get(0), 0.5);
  const small = new SharedArray("int8", [1, 2, 300, -129]);
  assertEquals(small.slice(), [1, 2, 44, 127]);
  assertThrows(() => small.set(0, new Float64Array([1.5])), TypeError);
  assertThrows(() => new SharedArray("uint8", [, 1] as number[]), TypeError);
  const big = new SharedArray("int64", new BigInt64Array([1n, -1n]));
  big.set(0, [2n ** 64n + 5n]);
  assertEquals(big.slice(), [5n, -1n]);
  assertEquals(new SharedArray("uint64", [-1n]).slice(), [2n ** 64n - 1n]);
  assertThrows(() => new SharedArray("bool", new Uint8Array([2]) as unknown as boolean[]), TypeError);
  assertEquals(new SharedArray("bool", [true, false]).slice(-1), [false]);
});
