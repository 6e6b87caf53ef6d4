// The known traps of other libraries' pools, each under its name: what was seen there, or lies near, and must not be here.

import { describe, it } from "node:test";
import timers from "node:timers";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Pool, TaskResolutionError, WorkerCrashedError } from "@manycore/multiprocessing";
import * as tasks from "../fixtures/lane_tasks.ts";
import { slow } from "../fixtures/slow_import_tasks.ts";
import * as twins from "../fixtures/twin_callers.ts";
import { withPool } from "../kit/pools.ts";
import { wordReaches } from "../kit/signal_box.ts";
import { failureOf } from "../kit/wait.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const words = (count = 8): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(count * 4));

function release(memory: Int32Array): void {
  Atomics.store(memory, 1, 1);
  Atomics.notify(memory, 1);
}

async function teach(pool: Pool): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await Promise.all(numbers(2_000).map((n) => pool.apply(tasks.blockIf, [false, n])));
  }
}

/** While it runs no memory of WebAssembly grows in this thread: there is none left. */
async function withoutMemory(body: () => Promise<void>): Promise<void> {
  const giveBack = tasks.takeMemory();
  try {
    await body();
  } finally {
    giveBack();
  }
}

describe("known traps", () => {
  it("a ring that gives calls another call's value: 70,000 calls in flight, each with its own", () =>
    withPool(2, {}, async (pool) => {
      const values = await Promise.all(numbers(70_000).map((n) => pool.apply(tasks.echo, [n])));
      assertEquals(values.findIndex((value, n) => value !== n), -1);
      const texts = await Promise.all(numbers(20_000).map((n) => pool.apply(tasks.repeat, [`${n} `, n % 9])));
      assertEquals(texts.findIndex((value, n) => value !== `${n} `.repeat(n % 9)), -1);
    }));

  it("a window of 32 slots that collapses when its worker is kept off its core: far more short calls are with it", () =>
    withPool(1, {}, async (pool) => {
      await teach(pool);
      const memory = words();
      const held = pool.apply(tasks.blockIf, [true, -1, memory]);
      await wordReaches(memory, 0, 1);
      const calls = numbers(1_000).map((n) => pool.apply(tasks.blockIf, [false, n]));
      await new Promise((resolve) => setTimeout(resolve, 1));
      const { running, queued } = pool.stats();
      assertEquals(running + queued, 1_001);
      assert(running > 64, `${running} calls are with the worker that is held`);
      release(memory);
      assertEquals([await held, await Promise.all(calls)], [-1, numbers(1_000)]);
    }));

  it("back-off timers of 10 ms: calls after pauses of every length need no timer, of the host or of the worker", () =>
    withPool(1, {}, async (pool) => {
      const original = timers.setTimeout;
      await pool.apply(tasks.countTimers);
      let made = 0;
      timers.setTimeout = ((...rest: Parameters<typeof original>) => {
        made++;
        return original(...rest);
      }) as typeof original;
      try {
        for (let pause = 0; pause < 30; pause++) {
          if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause % 10));
          for (let n = 0; n < 20; n++) assertEquals(await pool.apply(tasks.double, [n]), n * 2);
        }
      } finally {
        timers.setTimeout = original;
      }
      assertEquals([made, await pool.apply(tasks.countTimers)], [0, 0]);
    }));

  it("more payload in flight than the memory beside the rings holds: what finds no room goes by message, both ways", () =>
    withPool(2, {}, async (pool) => {
      const large = numbers(24).map((n) => "é☃".repeat(150_000 + n));
      await withoutMemory(async () => {
        assertEquals(
          await Promise.all(large.map((text) => pool.apply(tasks.lengthOf, [text]))),
          large.map((text) => text.length),
        );
        const back = await Promise.all(large.map((text) => pool.apply(tasks.echo, [text])));
        assert(back.every((text, n) => text === large[n]));
      });
      await Promise.all(numbers(8).map(() => pool.apply(tasks.refuseMemory)));
      const back = await Promise.all(large.map((text) => pool.apply(tasks.echo, [text])));
      assert(back.every((text, n) => text === large[n]));
      // And among small ones, whose order they keep.
      const mixed = numbers(200).map((n) => n % 20 === 7 ? `${n}`.padEnd(400_000, "x") : n);
      await withoutMemory(async () =>
        assertEquals(await Promise.all(mixed.map((one) => pool.apply(tasks.echo, [one]))), mixed)
      );
    }));

  it("a function that arrives while its first import is still running", () =>
    withPool(1, { concurrency: 3 }, async (pool) => {
      const early = numbers(40).map((n) => pool.apply(slow, [n]));
      await pool.apply(tasks.double, [1]);
      const late = numbers(40).map((n) => pool.apply(slow, [n]));
      assertEquals(await Promise.all([...early, ...late]), [...numbers(40), ...numbers(40)].map((n) => n * 2));
    }));

  it("two functions with the same source text from different modules: never the other's result", () =>
    withPool(2, {}, async (pool) => {
      for (const [name, [fn, adds]] of Object.entries(twins.functions)) {
        const answer = await twins.applyWith(pool, fn, 10).catch((error) => error);
        if (answer instanceof TaskResolutionError) assertMatch(answer.message, /task\(import\.meta, addStep\)/);
        else assertEquals(answer, 10 + adds, name);
      }
    }));

  it("source text beyond Latin-1", () =>
    withPool(1, {}, async (pool) => {
      const [fn] = [(größe: number): string => "日本語 ☃ \u{1F600} ñ".repeat(größe)] as const;
      assertEquals(await pool.apply(fn, [2]), fn(2));
      assertEquals(await pool.map((n: number) => `Ж${n}\u{10FFFF}`, [1, 2]), ["Ж1\u{10FFFF}", "Ж2\u{10FFFF}"]);
    }));

  it("a worker that dies while the others steal its work: what it had not begun runs once, elsewhere", () =>
    withPool(3, {}, async (pool) => {
      await teach(pool);
      for (let round = 0; round < 5; round++) {
        const memory = words(8 + 60);
        const doomed = pool.apply(tasks.exitWhenReleased, [memory]);
        // The first of them that is stolen has the worker exit from which the rest is being stolen.
        const behind = numbers(60).map((n) => pool.apply(tasks.countAndRelease, [memory, n]));
        const error = await failureOf(doomed, WorkerCrashedError);
        assertEquals(error.exitCode, 3);
        assertEquals(await Promise.all(behind), numbers(60));
        assertEquals([...memory.subarray(8)], numbers(60).map(() => 1), `round ${round}`);
      }
      assertEquals([pool.stats().crashed, pool.stats().failed], [5, 5]);
    }));
});
