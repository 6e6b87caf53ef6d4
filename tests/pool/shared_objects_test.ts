import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Lock, Pool, Process, SharedArray, Value } from "@manycore/multiprocessing";
import { addInside, addOne, makeValue, nest, type Parcel } from "../fixtures/shared_tasks.ts";

describe("shared objects", () => {
  it("keep their state through task arguments and results, however deep they lie", async () => {
    const pool = new Pool(2);
    const value = new Value("int32", 0);
    const lock = new Lock();
    const parcel: Parcel = { inside: new Map([["here", [value, lock]]]) };
    const back = await pool.map(addInside, Array.from({ length: 50 }, () => parcel));
    assertEquals(value.value, 50);
    const [sameValue, sameLock] = back[0]?.inside.get("here") as [Value<"int32">, Lock];
    assert(sameValue instanceof Value && sameLock instanceof Lock);
    sameValue.value = 7;
    assertEquals(value.value, 7);
    lock.acquireSync();
    assert(sameLock.locked);
    assertEquals(await pool.apply((other) => other.tryAcquire() === null, [lock]), true);
    lock.release();
    pool.close();
    await pool.join();
  });

  it("outlive the worker that made them, as results", async () => {
    const pool = new Pool(2);
    const { made } = await pool.apply(makeValue, [5]);
    await pool.apply(addOne, [made]);
    assertEquals(made.value, 6);
    pool.close();
    await pool.join();
    made.add(1);
    assertEquals(made.value, 7);
  });

  it("reach the child of a child", async () => {
    const value = new Value("int32", 0);
    const process = new Process(nest, [value]);
    process.start();
    await process.join();
    assertEquals(process.exitCode, 0);
    assertEquals(value.value, 11);
  });

  it("are seen by functions that crossed as source text", async () => {
    const pool = new Pool(2);
    const array = new SharedArray("float64", [1, 2, 3]);
    assertEquals(await pool.apply((shared) => shared.add(1, 40), [array]), 2);
    assertEquals([...array], [1, 42, 3]);
    pool.close();
    await pool.join();
  });
});
