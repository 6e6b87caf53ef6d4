// A worker learns that a function is short, and looks at the clock only now and then. What it has done must not wait for a later
// call that takes long, and must not be lost with one that never ends.

import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { type AsyncResult, type Pool, TimeoutError, WorkerCrashedError } from "@manycore/multiprocessing";
import { busy, endless, keep, quick, takeTicks } from "../fixtures/learned_tasks.ts";
import { withPool } from "../kit/pools.ts";
import { sharedWords } from "../kit/signal_box.ts";
import { failureOf, within } from "../kit/wait.ts";

const QUICK = [0, 1, 2, 3, 4, 5];

/** A pool whose worker knows the function as a short one. */
async function teach(pool: Pool, fn: typeof quick): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 1000 }, (_, n) => pool.apply(fn, [n, false])));
  }
}

/** Some short calls, and behind them, in the same batch, one that does not end. */
function batch(
  pool: Pool,
  fn: typeof quick,
  timeout?: number,
): { quick: AsyncResult<number>[]; last: Promise<number> } {
  const calls = QUICK.map((n) => pool.apply(fn, [n, false]));
  return { quick: calls, last: pool.apply(fn, [99, true], timeout === undefined ? {} : { timeout }) };
}

describe("results that are done before a call of the same function that blocks its worker", () => {
  it("arrive while it blocks", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      await pool.apply(keep, [words]);
      await teach(pool, quick);
      const calls = batch(pool, quick);
      try {
        assertEquals(await within(Promise.all(calls.quick), "the short calls"), QUICK);
      } finally {
        Atomics.store(words, 0, 1);
        Atomics.notify(words, 0);
      }
      assertEquals(await calls.last, 99);
    }));

  it("are not taken along when taskTimeout ends the worker", () =>
    withPool(1, { taskTimeout: 400 }, async (pool) => {
      await pool.apply(keep, [sharedWords()]);
      await teach(pool, quick);
      const calls = batch(pool, quick);
      await failureOf(calls.last, TimeoutError);
      assertEquals(await within(Promise.all(calls.quick), "the short calls"), QUICK);
    }));

  it("are not taken along when its own timeout ends the worker, and the pool goes on", () =>
    withPool(1, {}, async (pool) => {
      await pool.apply(keep, [sharedWords()]);
      await teach(pool, quick);
      const calls = batch(pool, quick, 300);
      const behind = pool.apply(quick, [7, false]);
      await failureOf(calls.last, TimeoutError);
      assertEquals(await within(Promise.all(calls.quick), "the short calls"), QUICK);
      assertEquals(await within(behind, "the call behind it"), 7);
    }));

  it("are not taken along in workers that are programs either", () =>
    withPool(1, { type: "process", taskTimeout: 1000 }, async (pool) => {
      await teach(pool, endless);
      const calls = batch(pool, endless);
      await failureOf(calls.last, TimeoutError);
      const settled = await within(Promise.allSettled(calls.quick), "the short calls");
      // A program gets one call at a time where a time limit counts: none of them was with the one that was ended.
      assertEquals(settled.map((result) => result.status === "fulfilled" ? result.value : result.reason), QUICK);
    }));

  it("count although this thread was blocked for longer than taskTimeout when they came", () =>
    withPool(1, { type: "process", taskTimeout: 300 }, async (pool) => {
      await pool.apply(busy, [0]);
      for (let round = 0; round < 3; round++) {
        const call = pool.apply(busy, [100]);
        // The watch has seen that it runs.
        await new Promise((resolve) => setTimeout(resolve, 60));
        const end = performance.now() + 600;
        while (performance.now() < end);
        await within(call, "the call");
      }
    }));

  it("are there when the worker ends in the next call", () =>
    withPool(1, {}, async (pool) => {
      await teach(pool, quick);
      const calls = QUICK.map((n) => pool.apply(quick, [n, false]));
      const crash = pool.apply(() => process.exit(3));
      assertEquals((await failureOf(crash, WorkerCrashedError)).exitCode, 3);
      assertEquals(await Promise.all(calls), QUICK);
    }));
});

describe("a function that was short", () => {
  it("leaves the worker's timers their turn when it becomes long", () =>
    withPool(1, {}, async (pool) => {
      for (let round = 0; round < 5; round++) {
        await Promise.all(Array.from({ length: 1000 }, () => pool.apply(busy, [0])));
      }
      await pool.apply(takeTicks);
      const calls = Array.from({ length: 16 }, () => pool.apply(busy, [15]));
      await Promise.all(calls);
      // The event loop turned between most of them: without that the timer fires once, after all.
      const ticks = await pool.apply(takeTicks);
      assert(ticks >= 8, `the timer fired ${ticks} times during 16 calls`);
    }));
});
