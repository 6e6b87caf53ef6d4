// What goes wrong in workers: they exit, are killed, run out of time or memory. Everybody who waits is told, and the
// pool goes on.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import { TaskResolutionError, TimeoutError, WorkerCrashedError } from "@manycore/multiprocessing";
import { setGate } from "../../src/memory/atomics.ts";
import * as tasks from "../fixtures/pool_tasks.ts";
import { withPool } from "../kit/pools.ts";
import { sharedWords, wordReaches } from "../kit/signal_box.ts";
import { eventually, failure, failureOf } from "../kit/wait.ts";
import { skipOn } from "../kit/runtime.ts";

describe("a worker that ends during a call", () => {
  it("by process.exit(n): the call rejects with the code and the worker's name, and the pool refills", () =>
    withPool(2, {}, async (pool) => {
      for (const code of [0, 1, 5]) {
        const error = await failureOf(pool.apply(tasks.exitWith, [code]), WorkerCrashedError);
        assertEquals(error.exitCode, code);
        assertMatch(error.processName, /^PoolWorker-\d+$/);
        assert(error.message.includes(`exit code ${code}`), error.message);
      }
      assertEquals(await pool.map(tasks.square, [1, 2, 3]), [1, 4, 9]);
      assertEquals(pool.stats().crashed, 3);
    }));

  it("by an error in a timer or a rejection that nobody caught: the cause is that error", () =>
    withPool(1, {}, async (pool) => {
      const later = await failureOf(pool.apply(tasks.throwLater), WorkerCrashedError);
      // Under `bun test` the runtime's own report is the cause: it shows the code around the error.
      assert((later.cause as Error).message.includes("thrown later"));
      assertEquals(later.exitCode, 1);
      const rejected = await failureOf(pool.apply(tasks.rejectLater), WorkerCrashedError);
      assert((rejected.cause as Error).message.includes("rejected later"));
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("takes only its own call along: what waits goes on elsewhere", () =>
    withPool(1, {}, async (pool) => {
      const calls = Array.from(
        { length: 100 },
        (_, n) => n === 50 ? pool.apply(tasks.exitWith, [1]) : pool.apply(tasks.square, [n]),
      );
      const settled = await Promise.allSettled(calls);
      settled.forEach((one, n) => {
        if (n === 50) assertEquals(one.status, "rejected");
        else assertEquals(one, { status: "fulfilled", value: n * n });
      });
    }));

  it("when all of them end at once, later calls still run", () =>
    withPool(3, {}, async (pool) => {
      const settled = await Promise.allSettled([1, 1, 1].map((code) => pool.apply(tasks.exitWith, [code])));
      assert(settled.every((one) => one.status === "rejected"));
      assertEquals(await pool.map(tasks.square, [1, 2, 3]), [1, 4, 9]);
    }));

  it("in a map rejects the map; the next map works", () =>
    withPool(2, {}, async (pool) => {
      await failureOf(pool.map(tasks.exitsOnThree, [1, 2, 3, 4]), WorkerCrashedError);
      assertEquals(await pool.map(tasks.square, [1, 2, 3]), [1, 4, 9]);
    }));

  it("after its call was done, while it was idle: it is replaced, and nobody is told", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      assertEquals(await pool.apply(tasks.bombs, [words]), "done");
      await wordReaches(words, 0, 1);
      await eventually(() => pool.stats().crashed === 1, "the death is noticed");
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("results that were done before it ended are not lost", () =>
    withPool(1, {}, async (pool) => {
      for (let i = 0; i < 20; i++) {
        const before = Array.from({ length: 10 }, (_, n) => pool.apply(tasks.square, [n]));
        const end = pool.apply(tasks.exitWith, [2]);
        const settled = await Promise.allSettled([...before, end]);
        assertEquals(settled.map((one) => one.status), [...before.map(() => "fulfilled"), "rejected"]);
      }
    }));
});

describe("retries", () => {
  it("run a call again until it succeeds", () =>
    withPool(2, { retries: 2 }, async (pool) => {
      assertEquals(await pool.apply(tasks.succeedsAt, [sharedWords(), 2]), 2);
      assertEquals(await pool.apply(tasks.succeedsAt, [sharedWords(), 3]), 3);
      assertEquals(pool.stats().retried, 3);
    }));

  it("end: the call then rejects as it would have at once", () =>
    withPool(1, { retries: 2 }, async (pool) => {
      const words = sharedWords();
      const error = await failureOf(pool.apply(tasks.succeedsAt, [words, 100]), WorkerCrashedError);
      assertEquals([error.exitCode, Atomics.load(words, 0)], [5, 3]);
    }));

  it("are for deaths, not for errors", () =>
    withPool(1, { retries: 3 }, async (pool) => {
      const words = sharedWords();
      await failureOf(pool.apply(tasks.failsAt, [words, 100]), RangeError);
      assertEquals(Atomics.load(words, 0), 1);
    }));

  it("are not made for memory that was transferred", () =>
    withPool(1, { retries: 3 }, async (pool) => {
      const words = sharedWords();
      const buffer = new ArrayBuffer(8);
      const error = await failureOf(
        pool.apply(tasks.consumesAndExits, [words, buffer], { transfer: [buffer] }),
        WorkerCrashedError,
      );
      assertEquals([error.exitCode, Atomics.load(words, 0)], [6, 1]);
    }));

  it("save the other items of a chunk whose worker died", () =>
    withPool(1, { retries: 1 }, async (pool) => {
      const results = pool.imap(tasks.exitsOnThree, [1, 2, 3, 4, 5], { chunkSize: 5 });
      const seen: unknown[] = [];
      for (let i = 0; i < 5; i++) {
        seen.push(await results.next().then((step) => step.value, (error: Error) => error.name));
      }
      assertEquals(seen, [1, 2, "WorkerCrashedError", 4, 5]);
    }));

  it("of a map whose items die once each", () =>
    withPool(2, { retries: 1 }, async (pool) => {
      const rows = Array.from({ length: 8 }, () => [sharedWords(), 2] as const);
      assertEquals(await pool.starmap(tasks.succeedsAt, rows, { chunkSize: 1 }), Array(8).fill(2));
    }));
});

describe("taskTimeout", () => {
  it("ends a busy loop, a blocked wait and a promise that never resolves, and the pool goes on", () =>
    withPool(1, { taskTimeout: 100 }, async (pool) => {
      for (const target of [tasks.busyLoop, tasks.blockUntilReleased, tasks.never]) {
        const words = sharedWords();
        const error = await failureOf(pool.apply(target as typeof tasks.never, [words]), TimeoutError);
        assert(error.message.includes("taskTimeout (100 ms)"), error.message);
        Atomics.store(words, 1, 1);
        Atomics.notify(words, 1);
        assertEquals(await pool.apply(tasks.square, [2]), 4);
      }
    }));

  it("leaves calls on other workers, and those that wait, alone", () =>
    withPool(2, { taskTimeout: 200 }, async (pool) => {
      const stuck = failureOf(pool.apply(tasks.never, [sharedWords()]), TimeoutError);
      const others = Array.from({ length: 200 }, (_, n) => pool.apply(tasks.square, [n]));
      assertEquals(await Promise.all(others), Array.from({ length: 200 }, (_, n) => n * n));
      await stuck;
    }));

  it("with concurrency gives up the call that takes too long, and leaves those beside it alone", () =>
    withPool(1, { taskTimeout: 200, concurrency: 4 }, async (pool) => {
      const stuck = failureOf(pool.apply(tasks.never, [sharedWords()]), TimeoutError);
      for (let i = 0; i < 30; i++) assertEquals(await pool.apply(tasks.asyncSquare, [i]), i * i);
      await stuck;
      assertEquals(pool.stats().crashed, 0);
      assertEquals(await pool.apply(tasks.asyncSquare, [9]), 81);
    }));

  it("with concurrency ends a busy loop as well", () =>
    withPool(1, { taskTimeout: 100, concurrency: 4 }, async (pool) => {
      const words = sharedWords();
      await failureOf(pool.apply(tasks.busyLoop, [words]), TimeoutError);
      Atomics.store(words, 1, 1);
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("counts from the start of the call, not from its submission", () =>
    withPool(1, { taskTimeout: 400 }, async (pool) => {
      const calls = Array.from({ length: 12 }, (_, i) => pool.apply(tasks.takes, [100, i]));
      assertEquals(await Promise.all(calls), Array.from({ length: 12 }, (_, i) => i));
    }));

  it("is per call, not per chunk or map", () =>
    withPool(1, { taskTimeout: 400 }, async (pool) => {
      const rows = Array.from({ length: 8 }, (_, i) => [100, i] as const);
      assertEquals(await pool.starmap(tasks.takes, rows, { chunkSize: 8 }), [0, 1, 2, 3, 4, 5, 6, 7]);
      assertEquals(await pool.starmap(tasks.spinsFor, rows, { chunkSize: 8 }), [0, 1, 2, 3, 4, 5, 6, 7]);
    }));

  it("does not count the time in which the pool had nothing to do, nor an import", () =>
    withPool(1, { taskTimeout: 1000 }, async (pool) => {
      assertEquals(await pool.apply(tasks.square, [2]), 4);
      // Longer than the limit, so that a clock that was left running would have run out.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const { slow } = await import("../fixtures/slow_import_tasks.ts");
      assertEquals(await pool.apply(slow, [3]), 6);
    }));
});

describe("signals and timeouts of a call", () => {
  it("that was aborted before: it rejects with the reason and nothing is sent", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      assertStrictEquals(await failure(pool.apply(tasks.count, [words, 1], { signal })), reason);
      assertStrictEquals(await failure(pool.map(tasks.square, [1], { signal })), reason);
      assertStrictEquals(await failure(pool.map(tasks.square, [1].values(), { signal })), reason);
      assertEquals(await pool.apply(tasks.square, [1]), 1);
      assertEquals(Atomics.load(words, 0), 0);
    }));

  it("while it waits: it rejects and never runs, and what runs goes on", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const controller = new AbortController();
      const running = pool.apply(tasks.untilReleased, [words, "ran"]);
      await wordReaches(words, 0, 1);
      const waiting = pool.apply(tasks.count, [words, 1], { signal: controller.signal });
      const reason = new Error("enough");
      controller.abort(reason);
      assertStrictEquals(await failure(waiting), reason);
      Atomics.store(words, 1, 1);
      assertEquals(await running, "ran");
      await pool.apply(tasks.square, [1]);
      assertEquals(Atomics.load(words, 0), 1);
    }));

  it("while it runs: it rejects, and its worker is free again even if the call never ends", () =>
    withPool(1, {}, async (pool) => {
      for (const target of [tasks.never, tasks.busyLoop, tasks.blockUntilReleased]) {
        const words = sharedWords();
        const controller = new AbortController();
        const running = pool.apply(target as typeof tasks.never, [words], { signal: controller.signal });
        await wordReaches(words, 0, 1);
        const reason = new Error("enough");
        controller.abort(reason);
        assertStrictEquals(await failure(running), reason);
        assertEquals(await pool.apply(tasks.square, [3]), 9);
        Atomics.store(words, 1, 1);
        Atomics.notify(words, 1);
      }
      assertEquals(pool.stats().crashed, 0);
    }));

  it("of a map: it rejects with the reason and frees all workers", () =>
    withPool(2, {}, async (pool) => {
      const words = sharedWords();
      const controller = new AbortController();
      const running = pool.map(tasks.never, Array.from({ length: 50 }, () => words), { signal: controller.signal });
      await wordReaches(words, 0, 2);
      controller.abort();
      assertEquals((await failureOf(running, Error)).name, "AbortError");
      assertEquals(await pool.map(tasks.square, [1, 2, 3]), [1, 4, 9]);
    }));

  it("of several calls that share a worker and never end: it is ended, and others run", () =>
    withPool(1, { concurrency: 2 }, async (pool) => {
      const words = sharedWords();
      const controllers = [new AbortController(), new AbortController()];
      const running = controllers.map(({ signal }) => pool.apply(tasks.never, [words], { signal }));
      await wordReaches(words, 0, 2);
      const errors = running.map((one) => failureOf(one, Error));
      for (const controller of controllers) {
        controller.abort();
        // Not in the same moment: each of them comes to its end of patience alone.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      for (const error of errors) assertEquals((await error).name, "AbortError");
      assertEquals(await pool.apply(tasks.square, [3]), 9);
    }));

  it("of thousands of calls behind a long one costs the same for each", () =>
    withPool(1, {}, async (pool) => {
      for (let round = 0; round < 5; round++) {
        await Promise.all(Array.from({ length: 2_000 }, (_, n) => pool.apply(tasks.square, [n])));
      }
      const words = sharedWords();
      const long = pool.apply(tasks.blockUntilReleased, [words]);
      await wordReaches(words, 0, 1);
      const controller = new AbortController();
      const { signal } = controller;
      const calls = Array.from({ length: 4_000 }, (_, n) => pool.apply(tasks.square, [n], { signal }));
      // They are with the worker, as far as it has room.
      await new Promise((resolve) => setTimeout(resolve, 20));
      let operations = 0;
      const count = (): number => ++operations;
      setGate({ step: count, wait: () => "not-equal", notify: count });
      try {
        controller.abort();
      } finally {
        setGate(undefined);
      }
      const settled = await Promise.allSettled(calls);
      assertEquals(settled.filter((one) => one.status === "rejected").length, 4_000);
      assert(operations < 10 * 4_000, `${operations} looks at shared memory`);
      Atomics.store(words, 1, 1);
      Atomics.notify(words, 1);
      await long;
    }));

  it("aborted after the end changes nothing", () =>
    withPool(1, {}, async (pool) => {
      const controller = new AbortController();
      const result = pool.apply(tasks.square, [2], { signal: controller.signal });
      assertEquals(await result, 4);
      controller.abort();
      assertEquals(await result, 4);
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("that many calls have in common: one listener stands for all of them, and goes with the last", () =>
    withPool(1, {}, async (pool) => {
      const { signal } = new AbortController();
      let listening = 0;
      let most = 0;
      const { addEventListener, removeEventListener } = EventTarget.prototype;
      Object.assign(signal, {
        addEventListener(...args: Parameters<typeof addEventListener>) {
          most = Math.max(most, ++listening);
          addEventListener.apply(signal, args);
        },
        removeEventListener(...args: Parameters<typeof removeEventListener>) {
          listening--;
          removeEventListener.apply(signal, args);
        },
      });
      for (let round = 0; round < 2; round++) {
        const calls = Array.from({ length: 1000 }, (_, n) => pool.apply(tasks.square, [n], { signal }));
        assertEquals(await Promise.all(calls), Array.from({ length: 1000 }, (_, n) => n * n));
        assertEquals({ listening, most }, { listening: 0, most: 1 });
      }
    }));

  it("a timeout rejects with TimeoutError, also 0, and frees the worker", () =>
    withPool(1, {}, async (pool) => {
      await failureOf(pool.apply(tasks.never, [sharedWords()], { timeout: 20 }), TimeoutError);
      await failureOf(pool.apply(tasks.never, [sharedWords()], { timeout: 0 }), TimeoutError);
      await failureOf(pool.map(tasks.never, [sharedWords()], { timeout: 20 }), TimeoutError);
      assertEquals(await pool.apply(tasks.square, [2], { timeout: 40_000 }), 4);
      assertEquals(await pool.apply(tasks.square, [2], { timeout: Infinity }), 4);
    }));
});

describe("memory", () => {
  const skip = skipOn({ bun: "Bun has no memory limits for workers: https://github.com/oven-sh/bun/issues/5709" });

  it(
    "a worker that runs out of it takes only its call along",
    { skip },
    () =>
      withPool(1, { resourceLimits: { maxOldGenerationSizeMb: 64 } }, async (pool) => {
        // Once as the first call of the function in its worker, and once as a later one.
        for (const before of [0, 1]) {
          if (before === 1) await pool.apply(tasks.fillMemory, [1]);
          const error = await failureOf(pool.apply(tasks.fillMemory, [1e9], { timeout: 20_000 }), WorkerCrashedError);
          assert(error.exitCode !== 0);
          assertEquals(await pool.apply(tasks.square, [2]), 4);
        }
      }),
  );
});

describe("a function that workers cannot find", () => {
  it("rejects each call, and the pool goes on", () =>
    withPool(1, {}, async (pool) => {
      for (let i = 0; i < 3; i++) {
        // @ts-expect-error -- the variable is missing on purpose
        await failureOf(pool.apply((n: number) => n + notThere, [1]), TaskResolutionError);
      }
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));
});
