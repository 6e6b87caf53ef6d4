// Chunks that were sent to a worker and taken back again, many more than a worker has claim words for.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import * as tasks from "../fixtures/pool_tasks.ts";
import { withPool } from "../kit/pools.ts";
import { sharedWords, wordReaches } from "../kit/signal_box.ts";
import { within } from "../kit/wait.ts";

describe("taking back", () => {
  it("thousands of cancelled calls, sent to a worker that is busy, disturb none of those that stay", () =>
    withPool(1, {}, async (pool) => {
      // Short calls teach the pool a long window.
      for (let i = 0; i < 3; i++) {
        await Promise.all(Array.from({ length: 3000 }, (_, n) => pool.apply(tasks.square, [n])));
      }
      const words = sharedWords();
      const blocked = pool.apply(tasks.blockUntilReleased, [words]);
      await wordReaches(words, 0, 1);
      const kept: Promise<number>[] = [];
      const cancelled: Promise<unknown>[] = [];
      for (let round = 0; round < 8; round++) {
        const calls = Array.from({ length: 700 }, (_, n) => pool.apply(tasks.square, [round * 700 + n]));
        // Let them be sent.
        await Promise.resolve();
        await Promise.resolve();
        calls.forEach((call, n) => {
          if (n % 100 === 7) kept.push(call);
          else if (call.cancel()) cancelled.push(call.catch((error) => error));
          else kept.push(call);
        });
      }
      Atomics.store(words, 1, 1);
      Atomics.notify(words, 1);
      await blocked;
      const values = await within(Promise.all(kept), "the calls that were kept", 30_000);
      assertEquals(values.length, 56);
      assert(values.every((value, i) => value === (Math.floor(i / 7) * 700 + (i % 7) * 100 + 7) ** 2));
      assertEquals((await Promise.all(cancelled)).every((error) => (error as Error).name === "CancelledError"), true);
    }));

  it("by idle workers from one that does not get on, again and again, loses nothing and runs nothing twice", () =>
    withPool(2, {}, async (pool) => {
      for (let i = 0; i < 3; i++) {
        await Promise.all(Array.from({ length: 3000 }, (_, n) => pool.apply(tasks.square, [n])));
      }
      const words = sharedWords();
      const counts = sharedWords(8);
      const blocked = pool.apply(tasks.blockUntilReleased, [words]);
      await wordReaches(words, 0, 1);
      for (let round = 0; round < 6; round++) {
        const calls = Array.from({ length: 1500 }, (_, n) => pool.apply(tasks.count, [counts, n]));
        const values = await within(Promise.all(calls), `round ${round}`, 30_000);
        assert(values.every((value, n) => value === n));
      }
      Atomics.store(words, 1, 1);
      Atomics.notify(words, 1);
      await blocked;
      assertEquals(Atomics.load(counts, 0), 6 * 1500);
    }));
});
