// Pools of type "process": the same calls, over programs that share no memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { EncodingError } from "@manycore/multiprocessing";
import * as tasks from "../fixtures/pool_tasks.ts";
import { withPool } from "../kit/pools.ts";
import { failureOf } from "../kit/wait.ts";

const type = "process";

describe('a Pool of type "process"', () => {
  it("applies, maps and iterates as one of threads", () =>
    withPool(2, { type, initializer: tasks.initialize, initArgs: ["hello"] }, async (pool) => {
      assertEquals(await pool.apply(tasks.add, [1, 2]), 3);
      assertEquals(await pool.map(tasks.square, [1, 2, 3]), [1, 4, 9]);
      assertEquals(await pool.starmap(tasks.add, [[1, 2], [3, 4]]), [3, 7]);
      const results: number[] = [];
      for await (const value of pool.imap(tasks.square, [1, 2, 3])) results.push(value);
      assertEquals(results, [1, 4, 9]);
      assertEquals(await pool.apply(tasks.greetingOf), "hello");
      assertEquals((await failureOf(pool.apply(tasks.failsOn, [1, [1]]), RangeError)).message, "item 1");
    }));

  it("maps over a typed array, which is copied", () =>
    withPool(2, { type }, async (pool) => {
      const array = new Float64Array([1, 2, 3, 4]);
      assertEquals(await pool.map(tasks.square, array, { chunkSize: 2 }), [1, 4, 9, 16]);
      assertEquals(array.length, 4);
      assertEquals(await pool.apply(tasks.sum, [array]), 10);
    }));

  it("refuses shared memory, with its path: there is none between programs", () =>
    withPool(1, { type }, async (pool) => {
      const shared = new Float64Array(new SharedArrayBuffer(8));
      const call = (run: () => PromiseLike<unknown>): Promise<EncodingError> =>
        failureOf(Promise.resolve().then(run), EncodingError);
      assertEquals((await call(() => pool.apply(tasks.sum, [shared]))).path, "args[0]");
      assertEquals((await call(() => pool.map(tasks.sum, [shared]))).path, "items[0]");
      assertEquals((await call(() => pool.map(tasks.square, shared))).path, "items");
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("copies what a result was marked with by transfer(): between programs nothing moves", () =>
    withPool(1, { type }, async (pool) => {
      assertEquals(await pool.apply(tasks.moving, [5]), new Uint8Array(5).fill(5));
      assertEquals(await pool.map(tasks.moving, [1, 2]), [new Uint8Array(1).fill(1), new Uint8Array(2).fill(2)]);
    }));

  it("refuses to transfer memory, and says why", () =>
    withPool(1, { type }, async (pool) => {
      const buffer = new ArrayBuffer(8);
      const result = Promise.resolve().then(() => pool.apply(tasks.byteLength, [buffer], { transfer: [buffer] }));
      const error = await failureOf(result, Error);
      assert(error.message.includes("transfer"), error.message);
      assertEquals(await pool.apply(tasks.byteLength, [buffer]), 8);
    }));
});
