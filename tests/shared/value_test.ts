/** Value, RawValue: CPython's `_TestValue` and `_TestSharedCTypes`, and what is ours. */
import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Process } from "@manycore/multiprocessing";
import { RawArray } from "../../src/shared/array.ts";
import { RawValue, Value } from "../../src/shared/value.ts";
import type { Typecode, ValueOf } from "../../src/shared/typecodes.ts";
import { Lock } from "../../src/sync/lock.ts";
import { RLock } from "../../src/sync/rlock.ts";
import { pack, unpack } from "../../src/transport/handles.ts";
import { all, spawn } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { within } from "../kit/wait.ts";
import * as tasks from "./tasks.ts";

const WORKERS: string = besides(import.meta, "workers");

test("Value: typecodes and names mean the same types", () => {
  const pairs: [Typecode, string][] = [
    ["b", "int8"],
    ["B", "uint8"],
    ["h", "int16"],
    ["H", "uint16"],
    ["i", "int32"],
    ["I", "uint32"],
    ["l", "int64"],
    ["L", "uint64"],
    ["q", "int64"],
    ["Q", "uint64"],
    ["f", "float32"],
    ["d", "float64"],
    ["?", "bool"],
    ["c", "char"],
    ["u", "wchar"],
  ];
  for (const [code, name] of pairs) assertEquals(new Value(code).type, name);
  assertThrows(() => new Value("x" as "d"), TypeError, "Python's typecodes");
  assertThrows(() => new Value(5 as unknown as "d"), TypeError);
});

test("Value: keeps its first value, and the next", () => {
  const d = new Value("d", 3.25);
  const number: number = d.value;
  assertEquals(number, 3.25);
  const q = new Value("int64", 1n << 40n);
  const big: bigint = q.value;
  assertEquals(big, 1n << 40n);
  const flag = new Value("bool", true);
  const boolean: boolean = flag.value;
  assertEquals(boolean, true);
  flag.value = false;
  assertEquals(flag.value, false);
  const c = new Value("c", "x");
  assertEquals(c.value, "x");
  c.value = "ÿ";
  assertEquals(c.value, "ÿ");
  assertEquals(new Value("u", "😀").value, "😀");
  assertEquals([new Value("i").value, new Value("q").value, new Value("?").value, new Value("c").value], [
    0,
    0n,
    false,
    "\0",
  ]);
});

test("Value: integers wrap around like ctypes", () => {
  const cases: [Typecode, number | bigint, number | bigint][] = [
    ["B", 300, 44],
    ["b", 128, -128],
    ["H", -1, 65535],
    ["h", 32768, -32768],
    ["i", 2 ** 31, -(2 ** 31)],
    ["I", -1, 2 ** 32 - 1],
    ["i", 2 ** 40 + 5, 5],
    ["q", 2n ** 63n, -(2n ** 63n)],
    ["Q", -1n, 2n ** 64n - 1n],
  ];
  for (const [type, put, get] of cases) {
    assertEquals(new Value(type, put as ValueOf<Typecode>).value, get);
    const value = new Value(type);
    value.value = put as ValueOf<Typecode>;
    assertEquals(value.value, get);
    const added = new Value(type);
    added.add(put as ValueOf<Typecode>);
    assertEquals(added.value, get);
  }
  assertEquals(new Value("f", 0.1).value, Math.fround(0.1));
});

test("Value: what is not of the type is refused", () => {
  const i = new Value("i", 0);
  assertThrows(() => i.value = 1.5, TypeError, "integer");
  assertThrows(() => i.value = NaN, TypeError);
  assertThrows(() => i.value = "1" as unknown as number, TypeError, '"1"');
  assertThrows(() => i.value = 1n as unknown as number, TypeError);
  assertThrows(() => new Value("q", 0.5 as unknown as bigint), TypeError);
  assertEquals(new Value("q", 5 as unknown as bigint).value, 5n);
  assertThrows(() => new Value("c", "ab"), TypeError);
  assertThrows(() => new Value("c", "Ā"), TypeError);
  assertThrows(() => new Value("?", 1 as unknown as boolean), TypeError);
  assertThrows(() => new Value("?", true).add(true), TypeError);
  assertEquals(i.value, 0);
});

test("Value: atomic operations return the value from before", () => {
  const v = new Value("float64", 10);
  assertEquals(v.add(5), 10);
  assertEquals(v.sub(1), 15);
  assertEquals(v.min(7), 14);
  assertEquals(v.min(9), 7);
  assertEquals(v.max(9), 7);
  assertEquals(v.exchange(1), 9);
  assertEquals(v.compareExchange(2, 3), 1);
  assertEquals(v.compareExchange(1, NaN), 1);
  assert(Number.isNaN(v.compareExchange(NaN, 4)));
  assertEquals(v.update((x) => x * 2), 8);
  assertThrows(
    () =>
      v.update(() => {
        throw new Error("no");
      }),
    Error,
    "no",
  );
  assertThrows(() => v.update(() => "x" as unknown as number), TypeError);
  assertEquals(v.value, 8);
  assert(!v.lock.locked);
  const q = new Value("int64", -3n);
  assertEquals(q.add(2n), -3n);
  assertEquals(q.max(5n), -1n);
  assertEquals(q.compareExchange(5n, 2n ** 63n), 5n);
  assertEquals(q.value, -(2n ** 63n));
  const b = new Value("uint8", 255);
  assertEquals(b.compareExchange(-1, 3), 255);
  assertEquals(b.value, 3);
});

for (const type of ["int8", "uint32", "int64", "float32", "float64"] as const) {
  test(`Value: add() of ${type} by threads loses nothing`, async () => {
    const value = new Value(type);
    const one = (type === "int64" ? 1n : 1) as ValueOf<Typecode>;
    await all([0, 1].map(() => spawn(WORKERS, "addMany", value, one, 20000)));
    assertEquals(value.value, new Value(type, (type === "int64" ? 40000n : 40000) as never).value);
  });
}

test("Value: the lock, update, compareExchange and add exclude each other", async () => {
  for (const lock of [true, new Lock(), new RLock()]) {
    const value = new Value("float64", 0, { lock });
    await all([0, 1].map(() => spawn(WORKERS, "changeMany", value, 8000)));
    assertEquals(value.value, 16000);
  }
});

test("Value: lock: an RLock by default, another, or none", () => {
  assert(new Value("i").lock instanceof RLock);
  const lock = new Lock();
  const value = new Value("i", 1, { lock });
  assert(value.lock === lock);
  value.lock.runSync(() => value.add(1)); // the holder's own operations go on
  assertEquals(value.value, 2);
  assertThrows(() => new Value("i", 1, { lock: false }).lock, TypeError, "no lock");
  assertThrows(() => new Value("i", 1, { lock: 5 as unknown as Lock }), TypeError, "Lock or an RLock");
});

test("RawValue: has atomic operations too", async () => {
  const value = new RawValue("float64", 0.5);
  await all([0, 1].map(() => spawn(WORKERS, "addMany", value, 1, 20000)));
  assertEquals(value.value, 40000.5);
  assertEquals(value.copy().value, 40000.5);
});

test("Value: copy() is another value; pack and unpack keep it the same", () => {
  const value = new Value("int32", 5);
  const copy = value.copy();
  copy.add(1);
  assertEquals([value.value, copy.value], [5, 6]);
  const same = unpack(pack({ v: [value] }, "x").value) as { v: [Value<"int32">] };
  same.v[0].add(10);
  assertEquals(value.value, 15);
  const guard = value.lock.acquireSync();
  assert(same.v[0].lock.locked);
  guard.release();
});

test("Value and RawArray: every type is changed by a child (CPython: test_value, test_array)", async () => {
  const cases = [
    ...["b", "B", "h", "H", "i", "I", "int8", "uint16", "int32"].map((code) => [code, 24, 42] as const),
    ...["q", "Q", "l", "L", "int64", "uint64"].map((code) => [code, 2n ** 33n, 2n ** 34n] as const),
    ...["f", "d", "float32", "float64"].map((code) => [code, 3.125, -9.75] as const),
    ["?", false, true] as const,
    ["c", "x", "y"] as const,
    ["u", "x", "\u{1f600}"] as const,
  ];
  const made = cases.map(([code, first, next]) => {
    const value = new Value(code as Typecode, first);
    const array = new RawArray(code as Typecode, 3);
    array.set(0, first);
    return { value, array, next, first };
  });
  for (let i = 0; i < made.length; i += 6) {
    const processes = made.slice(i, i + 6).map(({ value, array, next }) =>
      new Process(tasks.change, [value, array, next])
    );
    for (const process of processes) process.start();
    await within(Promise.all(processes.map((process) => process.join())), "the processes");
  }
  for (const { value, array, next, first } of made) {
    assertEquals([value.value, array.get(0), array.get(2)], [next, first, next]);
  }
});
