// imap and imapUnordered: order, backpressure, errors in the middle, and what the iterator can be asked.

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { EncodingError, PoolClosedError, TimeoutError, WorkerCrashedError } from "@manycore/multiprocessing";
import * as tasks from "../fixtures/pool_tasks.ts";
import { withPool } from "../kit/pools.ts";
import { sharedWords, wordReaches } from "../kit/signal_box.ts";
import { eventually, failure, failureOf } from "../kit/wait.ts";

/** How far a pool of two workers may be ahead of what was taken, and one more. */
const WINDOW = 2 * 512 + 1;

/** Counts from 0 for ever, and says how far it got and whether it was closed. */
function counter(): { input: Generator<number>; pulled: () => number; closed: () => number } {
  let pulled = 0;
  let closed = 0;
  const input = (function* (): Generator<number> {
    try {
      for (;;) yield pulled++;
    } finally {
      closed++;
    }
  })();
  return { input, pulled: () => pulled, closed: () => closed };
}

function asyncCounter(): { input: AsyncGenerator<number>; pulled: () => number; closed: () => number } {
  let pulled = 0;
  let closed = 0;
  const input = (async function* (): AsyncGenerator<number> {
    try {
      for (;;) yield await Promise.resolve(pulled++);
    } finally {
      closed++;
    }
  })();
  return { input, pulled: () => pulled, closed: () => closed };
}

async function collect<T>(results: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const result of results) all.push(result);
  return all;
}

describe("Pool.imap()", () => {
  it("gives the results in the order of the items, for every kind of input and chunk size", () =>
    withPool(3, {}, async (pool) => {
      const items = Array.from({ length: 200 }, (_, n) => n);
      const squares = items.map((n) => n * n);
      for (const chunkSize of [1, 7, 500]) {
        assertEquals(await collect(pool.imap(tasks.square, items, { chunkSize })), squares);
        assertEquals(await collect(pool.imap(tasks.square, items.values(), { chunkSize })), squares);
        assertEquals(
          await collect(pool.imap(
            tasks.square,
            (async function* () {
              for (const item of items) yield await Promise.resolve(item);
            })(),
            { chunkSize },
          )),
          squares,
        );
      }
      assertEquals(await collect(pool.imap(tasks.square, new Float64Array([1, 2, 3]))), [1, 4, 9]);
      assertEquals(await collect(pool.imap(tasks.same, "abc")), ["a", "b", "c"]);
      assertEquals(await collect(pool.imap(tasks.square, [])), []);
    }));

  it("keeps the order when later items are done first", () =>
    withPool(2, {}, async (pool) => {
      const words = sharedWords();
      const results = pool.imap(tasks.releaseInOrder, [[words, 0], [words, 1], [words, 2]] as [Int32Array, number][]);
      const first = results.next();
      await wordReaches(words, 0, 2);
      Atomics.store(words, 1, 1);
      assertEquals(await first, { done: false, value: 0 });
      assertEquals(await collect(results), [1, 2]);
    }));

  for (const [kind, make] of [["a sync", counter], ["an async", asyncCounter]] as const) {
    it(`reads ${kind} input only as far as results are taken, and closes it at the end`, () =>
      withPool(2, {}, async (pool) => {
        const { input, pulled, closed } = make();
        const results = pool.imap(tasks.square, input as Generator<number>);
        let taken = 0;
        for await (const value of results) {
          assertEquals(value, taken * taken);
          taken++;
          assert(pulled() - taken <= WINDOW, `${pulled()} pulled, ${taken} taken`);
          if (taken === 3 * WINDOW) break;
        }
        await eventually(() => closed() === 1, "the input is closed");
        const stopped = pulled();
        assertEquals(await pool.apply(tasks.square, [5]), 25);
        assertEquals(pulled(), stopped);
        assertEquals(await results.next(), { done: true, value: undefined });
      }));
  }

  it("stays within its window while nobody takes anything", () =>
    withPool(2, {}, async (pool) => {
      const { input, pulled } = counter();
      const results = pool.imap(tasks.square, input);
      await results.next();
      // Enough turns for a pool that had no limit to run away.
      for (let i = 0; i < 500; i++) await pool.apply(tasks.square, [i]);
      assert(pulled() <= WINDOW, `${pulled()} pulled`);
      await results.return();
    }));

  it("rejects at the place of an error and then goes on, as Python does", () =>
    withPool(2, {}, async (pool) => {
      const results = pool.imap(tasks.failsOnMultiplesOfFive, [3, 4, 5, 6, 10, 11]);
      assertEquals((await results.next()).value, 3);
      assertEquals((await results.next()).value, 4);
      assertEquals((await failureOf(results.next(), RangeError)).message, "item 5");
      assertEquals((await results.next()).value, 6);
      assertEquals((await failureOf(results.next(), RangeError)).message, "item 10");
      assertEquals((await results.next()).value, 11);
      assertEquals(await results.next(), { done: true, value: undefined });
      assertEquals(await results.next(), { done: true, value: undefined });
    }));

  it("rejects only what fails inside a chunk", () =>
    withPool(1, {}, async (pool) => {
      const results = pool.imap(tasks.failsOnMultiplesOfFive, [4, 5, 6, 7], { chunkSize: 4 });
      const seen: unknown[] = [];
      for (let i = 0; i < 4; i++) {
        seen.push(await results.next().then((step) => step.value, (error: Error) => error.message));
      }
      assertEquals(seen, [4, "item 5", 6, 7]);
    }));

  it("rejects at the place of an item or result that cannot be sent, and goes on", () =>
    withPool(1, {}, async (pool) => {
      const inputs = pool.imap(tasks.same, [1, () => 1, 3]);
      assertEquals((await inputs.next()).value, 1);
      assertEquals((await failureOf(inputs.next(), EncodingError)).path, "items[1]");
      assertEquals((await inputs.next()).value, 3);
      const results = pool.imap(tasks.returnsFunctionOnThree, [2, 3, 4]);
      assertEquals((await results.next()).value, 2);
      await failureOf(results.next(), EncodingError);
      assertEquals((await results.next()).value, 4);
      assertEquals((await results.next()).done, true);
    }));

  it("rejects at the place of a task that ended its worker, and goes on", () =>
    withPool(1, {}, async (pool) => {
      const results = pool.imap(tasks.exitsOnThree, [1, 2, 3, 4]);
      assertEquals((await results.next()).value, 1);
      assertEquals((await results.next()).value, 2);
      assertEquals((await failureOf(results.next(), WorkerCrashedError)).exitCode, 4);
      assertEquals((await results.next()).value, 4);
      assertEquals((await results.next()).done, true);
    }));

  it("gives the good items first and then the error of an input that throws, as Python does", () =>
    withPool(1, {}, async (pool) => {
      const reason = new Error("the input fails");
      const sync = function* (): Generator<number> {
        yield 1;
        yield 2;
        throw reason;
      };
      const async = async function* (): AsyncGenerator<number> {
        yield* sync();
      };
      for (const input of [sync(), async()]) {
        const results = pool.imap(tasks.square, input);
        assertEquals([(await results.next()).value, (await results.next()).value], [1, 4]);
        assertStrictEquals(await failure(results.next()), reason);
        assertEquals((await results.next()).done, true);
      }
    }));

  it("next({ timeout }) rejects with TimeoutError, and the next call gives what was waited for", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const results = pool.imap(tasks.releaseInOrder, [[words, 0], [words, 1]] as [Int32Array, number][]);
      await failureOf(results.next({ timeout: 0 }), TimeoutError);
      await failureOf(results.next({ timeout: 5 }), TimeoutError);
      const reason = new Error("enough");
      assertStrictEquals(await failure(results.next({ signal: AbortSignal.abort(reason) })), reason);
      Atomics.store(words, 1, 1);
      assertEquals(await results.next({ timeout: 40_000 }), { done: false, value: 0 });
      assertEquals(await results.next(), { done: false, value: 1 });
      assertEquals((await results.next()).done, true);
    }));

  it("next() refuses a timeout that is none", () =>
    withPool(1, {}, async (pool) => {
      const results = pool.imap(tasks.square, [1]);
      await assertRejects(() => results.next({ timeout: -1 }), RangeError, "timeout");
      await assertRejects(() => results.next({ timeout: NaN }), RangeError, "timeout");
      assertEquals(await results.next(), { done: false, value: 1 });
    }));

  it("an abort of next() while its result is being delivered loses no result", () =>
    withPool(1, {}, async (pool) => {
      const controller = new AbortController();
      const results = pool.imap(tasks.square, [1, 2, 3], { onProgress: () => controller.abort(new Error("enough")) });
      const first = await results.next({ signal: controller.signal }).then((step) => [step.value], () => []);
      assertEquals([...first, ...await collect(results)], [1, 4, 9]);
    }));

  it("several next() at a time are served in order", () =>
    withPool(2, {}, async (pool) => {
      const results = pool.imap(tasks.square, [1, 2, 3, 4]);
      const steps = await Promise.all(Array.from({ length: 6 }, () => results.next()));
      assertEquals(steps.map((step) => step.value), [1, 4, 9, 16, undefined, undefined]);
      assertEquals(steps.map((step) => step.done ?? false), [false, false, false, false, true, true]);
    }));

  it("return() ends the iteration for those who wait as well, and drops what has not started", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const { input, pulled, closed } = counter();
      const pairs = (function* (): Generator<[Int32Array, number]> {
        try {
          for (const n of input) yield [words, n];
        } finally {
          input.return(0);
        }
      })();
      const results = pool.imap(tasks.releaseInOrder, pairs);
      const waiting = results.next();
      await wordReaches(words, 0, 1);
      assertEquals(await results.return(), { done: true, value: undefined });
      assertEquals(await waiting, { done: true, value: undefined });
      assertEquals(closed(), 1);
      const stopped = pulled();
      Atomics.store(words, 1, 1);
      assertEquals(await pool.apply(tasks.square, [2]), 4);
      assertEquals(pulled(), stopped);
      assertEquals(await results.return(), { done: true, value: undefined });
    }));

  it("a signal or a timeout of the call ends the iteration with its reason", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const controller = new AbortController();
      const { input, closed } = counter();
      const pairs = (function* (): Generator<[Int32Array, number]> {
        for (const n of input) yield [words, n];
      })();
      const results = pool.imap(tasks.releaseInOrder, pairs, { signal: controller.signal });
      const waiting = results.next();
      await wordReaches(words, 0, 1);
      const reason = new Error("enough");
      controller.abort(reason);
      assertStrictEquals(await failure(waiting), reason);
      assertEquals((await results.next()).done, true);
      assertEquals(closed(), 1);
      Atomics.store(words, 1, 1);
      const late = pool.imap(tasks.never, [sharedWords()], { timeout: 10 });
      await failureOf(late.next(), TimeoutError);
      const before = pool.imap(tasks.square, [1], { signal: AbortSignal.abort(reason) });
      assertStrictEquals(await failure(before.next()), reason);
    }));

  it("refuses transfer: the input is pulled", () =>
    withPool(1, {}, async (pool) => {
      await assertRejects(async () => await pool.imap(tasks.same, [1], { transfer: [] }).next(), TypeError, "transfer");
    }));
});

describe("Pool.imapUnordered()", () => {
  it("gives every result once", () =>
    withPool(3, {}, async (pool) => {
      const items = Array.from({ length: 300 }, (_, n) => n);
      for (const chunkSize of [1, 7]) {
        const values = await collect(pool.imapUnordered(tasks.square, items.values(), { chunkSize }));
        assertEquals(values.sort((a, b) => a - b), items.map((n) => n * n));
      }
    }));

  it("gives results as they are done", () =>
    withPool(2, {}, async (pool) => {
      const words = sharedWords();
      // The first waits until the others are done.
      const results = pool.imapUnordered(
        tasks.releaseInOrder,
        [[words, -1], [words, 1], [words, 2]] as [Int32Array, number][],
      );
      Atomics.store(words, 3, 1);
      const seen = [(await results.next()).value as number, (await results.next()).value as number].sort();
      Atomics.store(words, 1, 1);
      seen.push((await results.next()).value as number);
      assertEquals(seen, [1, 2, -1]);
      assertEquals((await results.next()).done, true);
    }));

  it("rejects for each error and goes on", () =>
    withPool(2, {}, async (pool) => {
      const results = pool.imapUnordered(tasks.failsOnMultiplesOfFive, Array.from({ length: 20 }, (_, n) => n + 1));
      const values: number[] = [];
      let errors = 0;
      for (let i = 0; i < 20; i++) {
        await results.next().then((step) => values.push(step.value as number), () => errors++);
      }
      assertEquals([values.length, errors], [16, 4]);
      assertEquals((await results.next()).done, true);
    }));

  it("reads its input only as far as results are taken", () =>
    withPool(2, {}, async (pool) => {
      const { input, pulled, closed } = counter();
      let taken = 0;
      for await (const _ of pool.imapUnordered(tasks.square, input)) {
        assert(pulled() - ++taken <= WINDOW, `${pulled()} pulled, ${taken} taken`);
        if (taken === 3 * WINDOW) break;
      }
      assertEquals(closed(), 1);
    }));
});

describe("an imap at the end of its pool", () => {
  it("run() ends an iteration over an endless input that was left in the middle", () =>
    withPool(2, {}, async (pool) => {
      const { input, closed } = counter();
      const results = await pool.run(async (own) => {
        const results = own.imap(tasks.square, input);
        await results.next();
        return { results };
      });
      await failureOf(results.results.next(), PoolClosedError);
      assertEquals(closed(), 1);
    }));

  it("close() and join() compute what is left of a finite input, and it can be taken afterwards", () =>
    withPool(2, {}, async (pool) => {
      const items = Array.from({ length: 500 }, (_, n) => n);
      const results = pool.imap(tasks.square, items.values());
      assertEquals((await results.next()).value, 0);
      pool.close();
      assertEquals(await pool.join(), true);
      assertEquals(await collect(results), items.slice(1).map((n) => n * n));
    }));

  it("terminate() rejects the next() that waits", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const results = pool.imap(tasks.never, [words]);
      const waiting = results.next();
      await wordReaches(words, 0, 1);
      pool.terminate();
      assertEquals((await failureOf(waiting, Error)).name, "CancelledError");
      assertEquals((await results.next()).done, true);
    }));
});
