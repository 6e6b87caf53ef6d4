// Workers die at random while thousands of calls are under way. What is counted: every promise settles, no result is
// wrong, nothing fails that did not have to, and the pool's numbers add up.

import { describe, it } from "node:test";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { CancelledError, EncodingError, Pool, TimeoutError, WorkerCrashedError } from "@manycore/multiprocessing";
import * as tasks from "../fixtures/pool_tasks.ts";
import { finish } from "../kit/pools.ts";
import { choose, randomNumbers, SEED } from "../kit/random.ts";
import { SOAK } from "../kit/runtime.ts";
import { within } from "../kit/wait.ts";

const PATIENCE = 150_000;

/** Over messages (`messages_chaos_test.ts`) a fifth of it: what is looked for there is the same, and each call takes longer. */
const PART = process.env["MANYCORE_TRANSPORT"] === "messages" ? 5 : 1;

type Fate = "" | "exit" | "throw" | "later" | "await" | "function";

/** What may become of a call, as a sentence about what is wrong; undefined when it is right. */
function wrong(n: number, fate: Fate, one: PromiseSettledResult<unknown>, bombs: boolean): string | undefined {
  if (one.status === "fulfilled") {
    if (fate === "exit" || fate === "throw" || fate === "function") return `call ${n} (${fate}) was fulfilled`;
    return one.value === n * 2 ? undefined : `call ${n} gave ${String(one.value)}`;
  }
  const error: unknown = one.reason;
  if (fate === "throw" && error instanceof RangeError && error.message === `chaos ${n}`) return undefined;
  if (fate === "function" && error instanceof EncodingError) return undefined;
  if (fate === "exit" && error instanceof WorkerCrashedError && (bombs || error.exitCode === n % 7)) return undefined;
  if (bombs && error instanceof WorkerCrashedError) return undefined;
  return `call ${n} (${fate}) rejected with ${String(error)}`;
}

async function storm(
  most: number,
  options: { retries: number; concurrency: number; bombs: boolean },
): Promise<void> {
  const total = most / PART;
  const random = randomNumbers(SEED);
  const { bombs } = options;
  const fates = Array.from({ length: total }, () =>
    choose<Fate>(random, [
      ["", 960],
      ["await", 20],
      ["throw", 8],
      ["function", 4],
      ["exit", options.retries > 0 ? 2 : 5],
      ["later", bombs ? 3 : 0],
    ]));
  const pool = new Pool(2, { retries: options.retries, concurrency: options.concurrency });
  const settled = await within(
    Promise.allSettled(fates.map((fate, n) => pool.apply(tasks.chaos, [n, fate]))),
    `${total} calls`,
    PATIENCE,
  );
  const complaints = settled.map((one, n) => wrong(n, fates[n] as Fate, one, bombs)).filter((text) =>
    text !== undefined
  );
  assertEquals(complaints, [], `seed ${SEED}`);
  await finish(pool);
  const stats = pool.stats();
  assertEquals([stats.workers, stats.queued, stats.running], [0, 0, 0], `seed ${SEED}`);
  assertEquals(stats.completed + stats.failed, total, `seed ${SEED}: ${JSON.stringify(stats)}`);
  const fulfilled = settled.filter((one) => one.status === "fulfilled").length;
  assertEquals(stats.completed, fulfilled, `seed ${SEED}`);
  if (!bombs) {
    const exits = fates.filter((fate) => fate === "exit").length;
    assertEquals(stats.crashed, exits * (1 + options.retries), `seed ${SEED}`);
  }
}

describe("10,000 calls of which some end their worker", () => {
  it("without retries: each settles, and only those that ended their worker are lost", () =>
    storm(10_000, { retries: 0, concurrency: 1, bombs: false }));

  it("with retries: the same, and each that ended its worker was tried again", () =>
    storm(10_000, { retries: 1, concurrency: 1, bombs: false }));

  it("with errors thrown later, which hit whatever runs then: each settles and no result is wrong", () =>
    storm(10_000, { retries: 0, concurrency: 1, bombs: true }));

  it("with several calls in flight in each worker: each settles and no result is wrong", () =>
    storm(4_000, { retries: 0, concurrency: 4, bombs: true }));
});

describe("a map of 10,000 items whose workers die", () => {
  it("is right with retries, item by item", async () => {
    const words = new Int32Array(new SharedArrayBuffer(4 * 10_000));
    const pool = new Pool(2, { retries: 4 });
    const rows = Array.from({ length: 10_000 }, (_, n) => [words, n] as const);
    const doubled = await within(pool.starmap(tasks.diesOnce, rows), "the map", PATIENCE);
    assert(doubled.every((value, n) => value === n * 2));
    assertEquals(doubled.length, 10_000);
    assert(pool.stats().crashed > 0 && pool.stats().retried > 0);
    await finish(pool);
  });

  it("as an imap gives each result once and in order", async () => {
    const words = new Int32Array(new SharedArrayBuffer(4 * 3_000));
    const pool = new Pool(2, { retries: 4 });
    let n = 0;
    const rows = (function* (): Generator<[Int32Array, number]> {
      for (let i = 0; i < 3_000; i++) yield [words, i];
    })();
    for await (const value of pool.imap(tasks.diesOnceRow, rows, { chunkSize: 5 })) assertEquals(value, n++ * 2);
    assertEquals(n, 3_000);
    await finish(pool);
  });
});

describe("workers of type process that are killed from outside", () => {
  it("during 3,000 calls: each settles, and what is fulfilled is right", async () => {
    const random = randomNumbers(SEED);
    const pool = new Pool(2, { type: "process" });
    let kills = 0;
    const calls = Array.from({ length: 3_000 }, (_, n) =>
      pool.apply(tasks.pidAfter, [n]).then((answer) => {
        if (kills < 6 && random() < 0.01) {
          kills++;
          try {
            process.kill((answer as [number, number])[1], "SIGKILL");
          } catch {
            // It has ended meanwhile.
          }
        }
        return answer;
      }));
    const settled = await within(Promise.allSettled(calls), "the calls", PATIENCE);
    settled.forEach((one, n) => {
      if (one.status === "fulfilled") assertEquals((one.value as [number, number])[0], n);
      else assert(one.reason instanceof WorkerCrashedError && one.reason.exitCode === -9, String(one.reason));
    });
    const lost = settled.filter((one) => one.status === "rejected").length;
    assert(lost <= kills, `${lost} lost by ${kills} kills, seed ${SEED}`);
    await finish(pool);
  });

  it("with retries nothing is lost", async () => {
    const random = randomNumbers(SEED + 1);
    const pool = new Pool(2, { type: "process", retries: 10 });
    let kills = 0;
    const calls = Array.from({ length: 2_000 }, (_, n) =>
      pool.apply(tasks.pidAfter, [n]).then((answer) => {
        if (kills < 4 && random() < 0.01) {
          kills++;
          try {
            process.kill((answer as [number, number])[1], "SIGKILL");
          } catch {
            // It has ended meanwhile.
          }
        }
        return (answer as [number, number])[0];
      }));
    const answers = await within(Promise.all(calls), "the calls", PATIENCE);
    assert(answers.every((answer, n) => answer === n));
    await finish(pool);
  });
});

/** One random use of a pool; resolves when all of it has settled. Rejects only with what must not happen. */
async function anything(pool: Pool, random: () => number): Promise<void> {
  const n = Math.floor(random() * 1000);
  const items = Array.from({ length: Math.floor(random() * 40) }, (_, i) => n + i);
  const controller = new AbortController();
  const options = choose<{ signal?: AbortSignal; timeout?: number }>(random, [
    [{}, 6],
    [{ signal: controller.signal }, 2],
    [{ timeout: Math.floor(random() * 4) }, 1],
    [{ timeout: 60_000, signal: controller.signal }, 1],
  ]);
  const chunkSize = 1 + Math.floor(random() * 5);
  const abort = (): void => controller.abort(new CancelledError("aborted"));
  if (options.signal !== undefined) {
    choose(random, [[() => queueMicrotask(abort), 1], [() => setTimeout(abort, 1), 2]])();
  }
  const expected = (error: unknown): void => {
    if (error instanceof CancelledError || error instanceof TimeoutError || error instanceof WorkerCrashedError) return;
    if (error instanceof RangeError && error.message.startsWith("item")) return;
    throw error;
  };
  const mode = choose(random, [["apply", 3], ["exit", 1], ["map", 3], ["mapGen", 2], ["imap", 3], ["unordered", 2]]);
  switch (mode) {
    case "apply":
    case "exit": {
      const result = pool.apply(tasks.chaos, [n, mode === "exit" && random() < 0.2 ? "exit" : "await"], options);
      if (random() < 0.2) result.cancel();
      return await result.then((value) => assertEquals(value, n * 2), expected);
    }
    case "map":
    case "mapGen": {
      const fn: (n: number) => number | Promise<number> = random() < 0.3
        ? tasks.failsOnMultiplesOfFive
        : tasks.asyncSquare;
      const result = pool.map(fn, mode === "map" ? items : items.values(), { ...options, chunkSize });
      if (random() < 0.2) setTimeout(() => result.cancel(), 1);
      const right = items.map((item) => fn === tasks.asyncSquare ? item * item : item);
      return await result.then((values) => assertEquals(values, right), expected);
    }
    default: {
      const ordered = mode === "imap";
      const leaveAt = random() < 0.3 ? Math.floor(random() * items.length) : Infinity;
      const results = pool[ordered ? "imap" : "imapUnordered"](
        tasks.failsOnMultiplesOfFive,
        random() < 0.5 ? items : items.values(),
        { ...options, chunkSize },
      );
      const seen: number[] = [];
      for (let i = 0; i <= items.length + 1; i++) {
        if (i === leaveAt) {
          await results.return();
          break;
        }
        const step = await results.next().catch((error) => expected(error));
        if (step === undefined) continue;
        if (step.done === true) break;
        seen.push(step.value);
      }
      assert(seen.every((value) => items.includes(value) && value % 5 !== 0));
      if (ordered) assertEquals(seen, [...seen].sort((a, b) => a - b));
      assertEquals(new Set(seen).size, seen.length);
    }
  }
}

describe("a random mix of everything", () => {
  it("settles, adds up, and join() resolves", async () => {
    const random = randomNumbers(SEED);
    const pool = new Pool(2, { maxTasksPerChild: 50, concurrency: 2, minWorkers: 1, idleTimeout: 20 });
    for (let round = 0; round < 10; round++) {
      await within(
        Promise.all(Array.from({ length: 40 }, () => anything(pool, random))),
        `round ${round}, seed ${SEED}`,
        PATIENCE,
      );
    }
    await finish(pool);
    const { workers, queued, running, idle } = pool.stats();
    assertEquals({ workers, queued, running, idle }, { workers: 0, queued: 0, running: 0, idle: 0 }, `seed ${SEED}`);
  });

  it("is ended by terminate() at any moment: everything settles", async () => {
    const random = randomNumbers(SEED + 2);
    for (let round = 0; round < 8; round++) {
      const pool = new Pool(2, { retries: 1 });
      const all = Promise.all(Array.from({ length: 30 }, () => anything(pool, random)));
      await new Promise((resolve) => setTimeout(resolve, random() * 60));
      pool.terminate();
      await within(all, `round ${round}, seed ${SEED}`, PATIENCE);
      await within(pool.join(), "join");
      assertEquals(pool.stats().workers, 0);
    }
  });
});

describe("soak", { skip: SOAK ? false : "long: runs with MANYCORE_SOAK=1" }, () => {
  it("a million calls, with deaths, leave the memory of the host flat", async () => {
    const pool = new Pool(2, {});
    const used = (): number => {
      (globalThis as { gc?: () => void }).gc?.();
      return process.memoryUsage().rss / 2 ** 20;
    };
    const sizes: number[] = [];
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 5; i++) {
        await Promise.all(Array.from({ length: 10_000 }, (_, n) => pool.apply(tasks.square, [n])));
        await pool.apply(tasks.exitWith, [1]).catch(() => {});
      }
      sizes.push(Math.round(used()));
    }
    await finish(pool);
    const [early, late] = [Math.max(...sizes.slice(3, 8)), Math.max(...sizes.slice(-5))];
    assert(late < early * 1.3 + 30, `MB after each round: ${sizes}`);
  });

  it("five minutes of everything", async () => {
    const random = randomNumbers(SEED);
    const pool = new Pool(3, { maxTasksPerChild: 200, concurrency: 2 });
    for (const end = Date.now() + 150_000; Date.now() < end;) {
      await within(Promise.all(Array.from({ length: 60 }, () => anything(pool, random))), `seed ${SEED}`, PATIENCE);
    }
    await finish(pool);
  });
});
