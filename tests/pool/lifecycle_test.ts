// A pool's life: its options, its workers, and close, terminate, join and dispose in every order.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  BrokenPoolError,
  CancelledError,
  cpuCount,
  InvalidStateError,
  Pool,
  PoolClosedError,
  ProcessError,
  TimeoutError,
} from "@manycore/multiprocessing";
import * as tasks from "../fixtures/pool_tasks.ts";
import { finish, withPool } from "../kit/pools.ts";
import { sharedWords, wordReaches } from "../kit/signal_box.ts";
import { eventually, failure, failureOf, within } from "../kit/wait.ts";

/** Written as `initializer: (value) => …` it would have a name, and workers would look for it in this module. */
function anonymous<F>(fn: F): F {
  return fn;
}

describe("Pool: workers", () => {
  it("new Pool() without a number has as many workers as there are CPUs", async () => {
    const pool = new Pool();
    await pool.apply(tasks.square, [1]);
    await eventually(() => pool.stats().workers === cpuCount(), "all workers are there");
    await finish(pool);
  });

  it("new Pool(n) starts n workers at once, before there is work", () =>
    withPool(3, {}, async (pool) => {
      await eventually(() => pool.stats().workers === 3, "three workers are there");
      assertEquals(pool.stats().idle, 3);
    }));

  it("uses all its workers", () =>
    withPool(3, {}, async (pool) => {
      const words = sharedWords();
      const names = await Promise.all([1, 2, 3].map(() => pool.apply(tasks.overlap, [words, 3])));
      assertEquals(new Set(names).size, 3);
    }));

  it("names its workers PoolWorker-n, or as told", () =>
    withPool(1, { name: "Digger" }, async (pool) => {
      assertMatch(await pool.apply(tasks.processName), /^Digger-\d+$/);
      const other = new Pool(1);
      assertMatch(await other.apply(tasks.processName), /^PoolWorker-\d+$/);
      await finish(other);
    }));

  it("minWorkers starts fewer, and more come with the work", () =>
    withPool(3, { minWorkers: 0 }, async (pool) => {
      assertEquals(pool.stats().workers, 0);
      assertEquals(await pool.apply(tasks.square, [2]), 4);
      assertEquals(pool.stats().workers, 1);
      const words = sharedWords();
      await Promise.all([1, 2, 3].map(() => pool.apply(tasks.overlap, [words, 3])));
      assertEquals(pool.stats().workers, 3);
    }));

  it("idleTimeout ends workers above minWorkers, and new work starts them again", () =>
    withPool(2, { minWorkers: 0, idleTimeout: 10 }, async (pool) => {
      assertEquals(await pool.map(tasks.square, [1, 2, 3]), [1, 4, 9]);
      await eventually(() => pool.stats().workers === 0, "the idle workers are gone");
      assertEquals(pool.stats().crashed, 0);
      assertEquals(await pool.map(tasks.square, [1, 2, 3]), [1, 4, 9]);
    }));

  it("concurrency lets a worker run as many awaiting calls at a time", () =>
    withPool(1, { concurrency: 5 }, async (pool) => {
      const words = sharedWords();
      await Promise.all(Array.from({ length: 5 }, () => pool.apply(tasks.overlap, [words, 5])));
      assertEquals(words[1], 5);
      const fresh = sharedWords();
      await pool.starmap(tasks.overlap, Array.from({ length: 30 }, () => [fresh, 5] as const));
      assertEquals(fresh[1], 5);
    }));

  it("without concurrency a worker runs one call at a time, also while it awaits", () =>
    withPool(2, {}, async (pool) => {
      const words = sharedWords();
      await Promise.all(Array.from({ length: 20 }, () => pool.apply(tasks.overlap, [words, 2])));
      assertEquals(words[1], 2);
    }));

  it("maxTasksPerChild replaces each worker after exactly as many calls, however they are chunked", async () => {
    for (const chunkSize of [undefined, 1, 3, 10]) {
      await withPool(1, { maxTasksPerChild: 2 }, async (pool) => {
        const names = await pool.map(
          tasks.processNameOf,
          [1, 2, 3, 4, 5, 6],
          chunkSize === undefined ? {} : { chunkSize },
        );
        assertEquals([names[0], names[2], names[4]], [names[1], names[3], names[5]]);
        assertEquals(new Set(names).size, 3, `chunkSize ${chunkSize}`);
        assertEquals(pool.stats().crashed, 0);
      });
    }
  });

  it("maxTasksPerChild counts the calls of apply and imap as well, on several workers", () =>
    withPool(2, { maxTasksPerChild: 3 }, async (pool) => {
      const names: string[] = [];
      for (let i = 0; i < 6; i++) names.push(await pool.apply(tasks.processName));
      for await (const name of pool.imap(tasks.processNameOf, [1, 2, 3, 4, 5, 6])) names.push(name);
      const calls = new Map<string, number>();
      for (const name of names) calls.set(name, (calls.get(name) ?? 0) + 1);
      assert([...calls.values()].every((count) => count <= 3), JSON.stringify([...calls]));
      await eventually(() => pool.stats().recycled >= 2, "workers were recycled");
      assertEquals(pool.stats().completed, 12);
    }));

  it("maxTasksPerChild: 1 gives every call a worker of its own", () =>
    withPool(2, { maxTasksPerChild: 1 }, async (pool) => {
      const names = await pool.map(tasks.processNameOf, [1, 2, 3, 4, 5]);
      assertEquals(new Set(names).size, 5);
    }));
});

describe("Pool: initializer", () => {
  it("runs in each worker before its first task, with its arguments; the first call waits for one that awaits", async () => {
    for (const initializer of [tasks.initialize, tasks.initializeLater]) {
      await withPool(2, { initializer, initArgs: ["hello"] }, async (pool) => {
        assertEquals(await pool.map(tasks.greetingOf, [1, 2, 3, 4], { chunkSize: 1 }), Array(4).fill("hello"));
      });
    }
  });

  it("can be an anonymous function", () =>
    withPool(1, {
      initializer: anonymous((value: number) => void ((globalThis as Record<string, unknown>)["initialized"] = value)),
      initArgs: [7],
    }, async (pool) => {
      assertEquals(await pool.apply(() => (globalThis as Record<string, unknown>)["initialized"]), 7);
    }));

  it("runs again in the worker that replaces another", async () => {
    const words = sharedWords();
    await withPool(1, { initializer: tasks.countInitializer, initArgs: [words], maxTasksPerChild: 2 }, async (pool) => {
      for (let i = 0; i < 6; i++) await pool.apply(tasks.square, [i]);
    });
    assert(Atomics.load(words, 3) >= 3);
  });

  it("that throws, rejects or exits breaks the pool at once, and everything says why", async () => {
    const ways = [
      [tasks.initializerThrows, ["no config"], "RangeError: no config"],
      [tasks.initializerRejects, ["no config"], "RangeError: no config"],
      [tasks.exitWith, [3], "exit code 3"],
    ] as const;
    for (const [initializer, initArgs, reason] of ways) {
      const pool = new Pool(2, { initializer, initArgs });
      const error = await failureOf(pool.apply(tasks.square, [1]), BrokenPoolError);
      assert(error.message.includes(reason), error.message);
      assertThrows(() => pool.apply(tasks.square, [1]), BrokenPoolError, reason);
      assertThrows(() => pool.map(tasks.square, [1]), BrokenPoolError, reason);
      assertThrows(() => pool.imap(tasks.square, [1]), BrokenPoolError, reason);
      await finish(pool);
      assertEquals(pool.stats().workers, 0);
    }
  });

  it("that throws has its error as the cause", async () => {
    const pool = new Pool(1, { initializer: tasks.initializerThrows, initArgs: ["no config"] });
    const error = await failureOf(pool.apply(tasks.square, [1]), BrokenPoolError);
    assert(error.cause instanceof RangeError);
    assertEquals(error.cause.message, "no config");
    await finish(pool);
  });

  it("that fails in a later worker breaks the pool for what is not done", async () => {
    const words = sharedWords();
    const pool = new Pool(1, {
      initializer: tasks.initializerThrowsSecondTime,
      initArgs: [words],
      maxTasksPerChild: 1,
    });
    assertEquals(await within(pool.apply(tasks.square, [3]), "the first call"), 9);
    await failureOf((async () => await pool.apply(tasks.square, [3]))(), BrokenPoolError);
    await finish(pool);
  });
});

describe("Pool: close(), terminate(), join()", () => {
  it("close() refuses new work and finishes what there is", async () => {
    const pool = new Pool(1);
    const results = Array.from({ length: 50 }, (_, n) => pool.apply(tasks.square, [n]));
    pool.close();
    pool.close();
    for (
      const submit of [
        () => pool.apply(tasks.square, [1]),
        () => pool.map(tasks.square, [1]),
        () => pool.starmap(tasks.add, [[1, 2]]),
        () => pool.imap(tasks.square, [1]),
        () => pool.imapUnordered(tasks.square, [1]),
      ]
    ) {
      assertThrows(submit, PoolClosedError, "takes no more work");
    }
    assertEquals(await within(pool.join(), "join"), true);
    assertEquals(await Promise.all(results), Array.from({ length: 50 }, (_, n) => n * n));
    assertEquals(pool.stats(), { ...pool.stats(), workers: 0, queued: 0, running: 0, completed: 50, failed: 0 });
  });

  it("join() before close() is refused", () =>
    withPool(1, {}, async (pool) => {
      const error = await failureOf(pool.join(), InvalidStateError);
      assertStrictEquals(error.message.includes("call close() or terminate()"), true);
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("join() can be called again, at the same time, with a timeout and a signal", async () => {
    const words = sharedWords();
    const pool = new Pool(1);
    const result = pool.apply(tasks.untilReleased, [words, 1]);
    pool.close();
    assertEquals(await pool.join({ timeout: 0 }), false);
    assertEquals(await pool.join({ timeout: 5 }), false);
    const reason = new Error("enough");
    assertStrictEquals(await failure(pool.join({ signal: AbortSignal.abort(reason) })), reason);
    await assertRejects(() => pool.join({ timeout: -1 }), RangeError, "timeout");
    Atomics.store(words, 1, 1);
    assertEquals(await within(Promise.all([pool.join(), pool.join()]), "joins"), [true, true]);
    assertEquals(await result, 1);
    assertEquals(await pool.join(), true);
  });

  it("terminate() rejects what waits and what runs with CancelledError, and refuses new work", async () => {
    const words = sharedWords();
    const pool = new Pool(1);
    const running = pool.apply(tasks.never, [words]);
    const queued = pool.map(tasks.square, [1, 2, 3]);
    const streamed = pool.imap(tasks.square, [1, 2, 3]).next();
    await wordReaches(words, 0, 1);
    pool.terminate();
    await Promise.all([running, queued, streamed].map((result) => failureOf(result, CancelledError)));
    assertThrows(() => pool.apply(tasks.square, [1]), PoolClosedError);
    assertEquals(await within(pool.join(), "join"), true);
    pool.terminate();
    pool.close();
    assertEquals(await pool.join(), true);
    assertEquals(pool.stats().workers, 0);
  });

  it("terminate() ends workers in a busy loop and in a blocked wait", async () => {
    const words = sharedWords();
    const pool = new Pool(2);
    const results = [pool.apply(tasks.busyLoop, [words]), pool.apply(tasks.blockUntilReleased, [words])];
    await wordReaches(words, 0, 2);
    pool.terminate();
    await Promise.all(results.map((result) => failureOf(result, CancelledError)));
    await within(pool.join(), "join");
    Atomics.store(words, 1, 1);
    Atomics.notify(words, 1);
  });

  it("terminate() right after the pool was made, and after close()", async () => {
    const fresh = new Pool(3);
    fresh.terminate();
    assertEquals(await within(fresh.join(), "join of a fresh pool"), true);
    const words = sharedWords();
    const closed = new Pool(1);
    const result = closed.apply(tasks.never, [words]);
    closed.close();
    await wordReaches(words, 0, 1);
    closed.terminate();
    await failureOf(result, CancelledError);
    assertEquals(await within(closed.join(), "join of a closed pool"), true);
  });

  it("terminate() while join() waits lets it resolve", async () => {
    const words = sharedWords();
    const pool = new Pool(1);
    const result = pool.apply(tasks.never, [words]);
    await wordReaches(words, 0, 1);
    pool.close();
    const joined = pool.join();
    pool.terminate();
    await failureOf(result, CancelledError);
    assertEquals(await within(joined, "join"), true);
  });

  it("close() of a pool that was never used", async () => {
    const pool = new Pool(2);
    await finish(pool);
    assertEquals(pool.stats().workers, 0);
  });

  it("run() resolves to what its function returns, and has closed and joined the pool", async () => {
    const pool = new Pool(2);
    assertEquals(await within(pool.run((own) => own.map(tasks.square, [1, 2, 3])), "run"), [1, 4, 9]);
    assertThrows(() => pool.apply(tasks.square, [1]), PoolClosedError);
    assertEquals(pool.stats().workers, 0);
  });

  it("run() rejects with the error of its function, and finishes work that was left", async () => {
    const pool = new Pool(1);
    const reason = new Error("from the block");
    let left: Promise<number> | undefined;
    assertStrictEquals(
      await failure(pool.run((own) => {
        left = own.apply(tasks.square, [5]);
        throw reason;
      })),
      reason,
    );
    assertEquals(await left, 25);
    assertEquals(pool.stats().workers, 0);
  });

  it("Symbol.asyncDispose closes and joins, where Python terminates; twice is fine", async () => {
    const pool = new Pool(1);
    const result = pool.apply(tasks.asyncSquare, [5]);
    await within(pool[Symbol.asyncDispose](), "dispose");
    await within(pool[Symbol.asyncDispose](), "dispose again");
    assertEquals(await result, 25);
    assertEquals(Object.prototype.toString.call(pool), "[object Pool]");
  });
});

describe("Pool: stats()", () => {
  it("counts what waits, runs, succeeds and fails", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const running = pool.apply(tasks.untilReleased, [words, 1]);
      await wordReaches(words, 0, 1);
      const rest = [pool.apply(tasks.square, [1]), pool.apply(tasks.square, [2])];
      assertEquals(pool.stats().queued + pool.stats().running, 3);
      Atomics.store(words, 1, 1);
      await running;
      await Promise.all(rest);
      await failure(pool.apply(tasks.failsOn, [1, [1]]));
      await pool.map(tasks.square, [1, 2, 3, 4, 5]);
      await failure(pool.apply(tasks.exitWith, [1]));
      await eventually(() => pool.stats().idle === 1, "the new worker is there");
      assertEquals(pool.stats(), {
        workers: 1,
        idle: 1,
        queued: 0,
        running: 0,
        completed: 8,
        failed: 2,
        crashed: 1,
        retried: 0,
        recycled: 0,
      });
    }));

  it("counts a call that took too long as failed", () =>
    withPool(1, { taskTimeout: 50 }, async (pool) => {
      await failureOf(pool.apply(tasks.never, [sharedWords()]), TimeoutError);
      assertEquals(pool.stats().failed, 1);
    }));
});

describe("Pool: nested", () => {
  it("a task may make no pool and start no process: it runs in a daemon", () =>
    withPool(1, {}, async (pool) => {
      const error = await failureOf(pool.apply(tasks.makesPool), ProcessError);
      assertMatch(error.message, /daemonic processes are not allowed to have children/);
      assertMatch(
        (await failureOf(pool.apply(tasks.startsProcess), ProcessError)).message,
        /daemonic processes are not allowed to have children/,
      );
    }));
});
