// What goes wrong in pools over shared memory: other calls' values, windows and arenas that are too small, lost wakes, functions that
// are mixed up. Long forms run with MANYCORE_SOAK=1.

import { describe, it } from "node:test";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { CancelledError, Pool, TimeoutError, WorkerCrashedError } from "@manycore/multiprocessing";
import * as tasks from "../fixtures/lane_tasks.ts";
import { slow } from "../fixtures/slow_import_tasks.ts";
import { finish, withPool } from "../kit/pools.ts";
import { choose, randomNumbers, SEED } from "../kit/random.ts";
import { SOAK } from "../kit/runtime.ts";
import { sharedWords } from "../kit/signal_box.ts";
import { within } from "../kit/wait.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe("calls in flight", () => {
  it("70,000 of one turn each get their own value", () =>
    withPool(2, {}, async (pool) => {
      const values = await Promise.all(numbers(70_000).map((n) => pool.apply(tasks.double, [n])));
      assertEquals(values.findIndex((value, n) => value !== n * 2), -1);
    }));

  it("of every kind of small value keep it, −0 and the edges of integers too", () =>
    withPool(1, {}, async (pool) => {
      const values = [
        0,
        -0,
        1,
        -1,
        2 ** 31 - 1,
        -(2 ** 31),
        2 ** 31,
        0.5,
        NaN,
        Infinity,
        -Infinity,
        true,
        false,
        null,
        undefined,
        "",
      ];
      const back = await Promise.all(values.map((value) => pool.apply(tasks.echo, [value])));
      back.forEach((value, i) =>
        assert(Object.is(value, values[i]), `${String(values[i])} came back as ${String(value)}`)
      );
      const mapped = await pool.map(tasks.double, [1, -0, 0.25, 2 ** 31, NaN]);
      mapped.forEach((value, i) => assert(Object.is(value, [2, -0, 0.5, 2 ** 32, NaN][i]), String(value)));
      assertEquals(await pool.map(tasks.echo, [1, , 3, "4", null] as unknown[]), [1, undefined, 3, "4", null]);
    }));

  it("with values of 0 to 5,000 characters, more than the rings hold, arrive whole", () =>
    withPool(2, {}, async (pool) => {
      const texts = numbers(4_000).map((n) => `${n}é`.padEnd((n * 37) % 5_000, "☃"));
      const back = await Promise.all(texts.map((text) => pool.apply(tasks.echo, [text])));
      assertEquals(back.findIndex((value, n) => value !== texts[n]), -1);
    }));

  it("with more payload than any memory of fixed size would hold: 48 × 2 MB, both ways", () =>
    withPool(2, {}, async (pool) => {
      const calls = numbers(48).map((n) => pool.apply(tasks.echo, [new Uint8Array(2 * 2 ** 20).fill(n)]));
      for (const [n, value] of (await Promise.all(calls) as Uint8Array[]).entries()) {
        assert(value.length === 2 * 2 ** 20 && value.every((byte) => byte === n), `call ${n}`);
      }
    }));

  it("made by a getter of another call's argument keep to themselves", () =>
    withPool(1, {}, async (pool) => {
      const inner: Promise<number>[] = [];
      const outer = numbers(50).map((n) =>
        pool.apply(tasks.echo, [{
          before: n,
          get value() {
            inner.push(pool.apply(tasks.double, [n]));
            return n;
          },
          after: "x".repeat(n * 100),
        }])
      );
      const values = await Promise.all(outer);
      values.forEach((value, n) => assertEquals(value, { before: n, value: n, after: "x".repeat(n * 100) }));
      assert(inner.length >= 50);
      const doubled = await Promise.all(inner);
      assert(doubled.every((value) => value % 2 === 0 && value < 100));
    }));

  it("made by a getter while another call's argument is cloned for a message keep to themselves", () =>
    withPool(1, {}, async (pool) => {
      await pool.apply(tasks.double, [1]);
      let made = 0;
      // A getter is called when the value is looked at, encoded, packed and cloned: one call in one of these, as more would wait in the queue.
      for (let wanted = 1; wanted <= 6; wanted++) {
        const inner: [n: number, doubled: Promise<number>][] = [];
        const outer = numbers(20).map((n) => {
          let looks = 0;
          return pool.apply(tasks.numberIn, [{
            // New memory, so that the value goes by message.
            memory: new SharedArrayBuffer(8),
            get n() {
              if (++looks === wanted) inner.push([n, pool.apply(tasks.double, [n])]);
              return n;
            },
          }]);
        });
        assertEquals(await Promise.all(outer), numbers(20));
        for (const [n, doubled] of inner) assertEquals(await doubled, n * 2);
        made += inner.length;
      }
      // Over messages it is only cloned and packed.
      assert(made >= 40, `${made} calls by getters`);
    }));

  it("start in their order, those too whose values go by message", () =>
    withPool(1, {}, async (pool) => {
      // Memory that is new each time: what is known to the worker goes otherwise (`lane_memories_test.ts`).
      const one = (n: number): [number, SharedArrayBuffer?] => n % 7 === 3 ? [n, new SharedArrayBuffer(8)] : [n];
      for (let round = 0; round < 3; round++) {
        await Promise.all(numbers(600).map((n) => pool.apply(tasks.note, one(n))));
        assertEquals(await pool.apply(tasks.noted), numbers(600));
      }
    }));

  it("that are cancelled while their values are under way by message disturb no others", () =>
    withPool(1, {}, async (pool) => {
      const memory = new SharedArrayBuffer(8);
      const calls = numbers(300).map((n) => pool.apply(tasks.echo, [[n, memory]]));
      const dropped = calls.filter((call, n) => n % 3 === 1 && call.cancel());
      const settled = await Promise.allSettled(calls);
      assertEquals(settled.filter((one) => one.status === "rejected").length, dropped.length);
      settled.forEach((one, n) => {
        if (one.status === "fulfilled") assertEquals((one.value as [number])[0], n);
        else assert(one.reason instanceof CancelledError, String(one.reason));
      });
    }));
});

describe("functions", () => {
  it("that are called hundreds of times before their module has been imported run each time", () =>
    withPool(2, {}, async (pool) => {
      const late = numbers(300).map((n) => pool.apply(slow, [n]));
      const quick = numbers(300).map((n) => pool.apply(tasks.double, [n]));
      assertEquals(await Promise.all(quick), numbers(300).map((n) => n * 2));
      assertEquals(await Promise.all(late), numbers(300).map((n) => n * 2));
    }));

  it("with the same text stay apart, called by turns", () =>
    withPool(2, {}, async (pool) => {
      const functions = [tasks.plusOne, tasks.plusTwo, tasks.plusThree];
      const values = await Promise.all(
        numbers(3_000).map((n) => pool.apply(functions[n % 3] as (n: number) => number, [n])),
      );
      assertEquals(values.findIndex((value, n) => value !== n + n % 3 + 1), -1);
    }));

  it("whose source has characters beyond Latin-1 cross as they are", () =>
    withPool(1, {}, async (pool) => {
      assertEquals(await pool.apply((n: number) => `é☃𝄞\u{1F600}`.repeat(n), [2]), "é☃𝄞\u{1F600}é☃𝄞\u{1F600}");
    }));
});

describe("event loops", () => {
  it("of the host turns while calls follow each other in microtasks", () =>
    withPool(1, {}, async (pool) => {
      for (let round = 0; round < 3; round++) {
        let fired = false;
        setTimeout(() => fired = true, 1);
        while (!fired) await pool.apply(tasks.double, [1]);
      }
    }));

  it("of a worker turns while short calls keep it busy", () =>
    withPool(1, { concurrency: 2 }, async (pool) => {
      for (let round = 0; round < 3; round++) {
        let done = false;
        const timed = pool.apply(tasks.afterTimer, [round]).then((value) => {
          done = true;
          return value;
        });
        while (!done) await Promise.all(numbers(2_000).map((n) => pool.apply(tasks.double, [n])));
        assertEquals(await timed, round);
      }
    }));

  it("of the host may be blocked: workers go on until their results fill the ring, and then wait for room", () =>
    withPool(2, {}, async (pool) => {
      // The pool learns that these calls are short, and keeps many of them at its workers.
      const words = sharedWords();
      await Promise.all(numbers(3_000).map((n) => pool.apply(tasks.textAndCount, [words, n])));
      Atomics.store(words, 0, 0);
      const calls = numbers(6_000).map((n) => pool.apply(tasks.textAndCount, [words, n]));
      await Promise.resolve();
      await Promise.resolve();
      // In one turn, until nothing moves any more.
      for (let before = -1, now = Atomics.load(words, 0); now !== before;) {
        before = now;
        Atomics.wait(words, 0, now, 200);
        now = Atomics.load(words, 0);
      }
      const values = await Promise.all(calls);
      assertEquals(values.findIndex((value, n) => value !== `${n}:`.padEnd(200, "x")), -1);
    }));

  it("terminate() ends a pool whose workers wait for room", async () => {
    const pool = new Pool(2);
    await Promise.all(numbers(2_000).map((n) => pool.apply(tasks.double, [n])));
    const calls = numbers(20_000).map((n) => pool.apply(tasks.repeat, ["x", 500 + n % 100]));
    await Promise.resolve();
    Atomics.wait(sharedWords(), 0, 0, 50);
    pool.terminate();
    const settled = await within(Promise.allSettled(calls), "the calls");
    for (const one of settled) {
      assert(one.status === "fulfilled" || one.reason instanceof CancelledError, JSON.stringify(one));
    }
    await within(pool.join(), "join()");
  });
});

/**
 * Calls of random size and length. Some end their worker, and some never end, so that their worker is ended from outside when their time
 * is over: all settle, every result is right, and no other call is lost.
 */
async function storm(total: number, workers: number, retries: number): Promise<void> {
  const random = randomNumbers(SEED);
  const pool = new Pool(workers, { retries });
  const used = (): number => process.memoryUsage().rss / 2 ** 20;
  const sizes: number[] = [];
  let crashed = 0;
  let killed = 0;
  const ROUND = 5_000;
  for (let first = 0; first < total; first += ROUND) {
    const plans = numbers(Math.min(ROUND, total - first)).map((i) => ({
      n: first + i,
      microseconds: choose(random, [[0, 90], [30, 8], [2_000, 1]]),
      exits: random() < 0.0008,
      hangs: random() < 0.0006,
      size: choose(random, [[0, 90], [100, 6], [3_000, 3], [200_000, 0.2]]),
    }));
    const settled = await within(
      Promise.allSettled(
        plans.map(({ n, microseconds, exits, hangs, size }) =>
          hangs
            ? pool.apply(tasks.hang, [n], { timeout: 20 })
            : pool.apply(tasks.random, [n, microseconds, exits, size])
        ),
      ),
      `the calls from ${first}, seed ${SEED}`,
      120_000,
    );
    settled.forEach((one, i) => {
      const { n, exits, hangs, size } = plans[i] as typeof plans[number];
      if (hangs) {
        assert(one.status === "rejected" && one.reason instanceof TimeoutError, `call ${n} never ends, seed ${SEED}`);
        killed++;
      } else if (one.status === "fulfilled") {
        assertEquals(one.value, size === 0 ? n : `${n}`.padEnd(size, "é"), `seed ${SEED}`);
        assert(!exits, `call ${n} ended its worker and was fulfilled, seed ${SEED}`);
      } else {
        assert(exits && one.reason instanceof WorkerCrashedError, `call ${n}: ${String(one.reason)}, seed ${SEED}`);
        crashed++;
      }
    });
    (globalThis as { gc?: () => void }).gc?.();
    sizes.push(Math.round(used()));
  }
  await finish(pool);
  const stats = pool.stats();
  assertEquals([stats.failed, stats.workers, stats.queued, stats.running], [crashed, 0, 0, 0], `seed ${SEED}`);
  assert(crashed > 0 && killed > 0, `${crashed} workers died, ${killed} were ended, seed ${SEED}`);
  if (sizes.length > 50) {
    const [early, late] = [Math.max(...sizes.slice(10, 30)), Math.max(...sizes.slice(-20))];
    assert(late < early * 1.3 + 50, `MB after each round: ${sizes}`);
  }
}

describe("storms of calls of random size and length, some of which end their worker", () => {
  it("20,000 calls, two workers: all settle and every result is right", () => storm(20_000, 2, 0));
  it("10,000 calls, three workers that steal from each other, with retries", () => storm(10_000, 3, 1));
});

describe("soak", { skip: SOAK ? false : "long: runs with MANYCORE_SOAK=1" }, () => {
  it("10⁶ calls of random size and length, with deaths: all settle, every result is right, memory is flat", () =>
    storm(1_000_000, 2, 0));
});

describe("long strings", () => {
  it("arrive whole on both ways, between other calls, and with a worker that ends", () =>
    withPool(1, {}, async (pool) => {
      const long = ["x".repeat(300_000), "é☃".repeat(200_000), "y".repeat(2 ** 18), "z".repeat(2 ** 18 - 1)];
      const values = long.flatMap((text, i) => [i, text, `short ${i}`, [text]]);
      const back = await Promise.all(values.map((value) => pool.apply(tasks.echo, [value])));
      assertEquals(back.findIndex((value, i) => String(value) !== String(values[i])), -1);
      assertEquals(await pool.map(tasks.echo, long), long);
      assertEquals((await pool.apply(tasks.repeat, ["☃", 400_000])).length, 400_000);
      const calls = [
        pool.apply(tasks.echo, [long[0]]),
        pool.apply(tasks.random, [1, 0, true, 0]),
        pool.apply(tasks.echo, [long[1]]),
      ];
      const settled = await Promise.allSettled(calls);
      assertEquals(settled.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
      assertEquals((settled[2] as PromiseFulfilledResult<unknown>).value, long[1]);
    }));
});
