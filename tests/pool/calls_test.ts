// apply, map and starmap: what is called with what, and what comes back.

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { AsyncResult, EncodingError, Lock, Pool, remoteStackOf } from "@manycore/multiprocessing";
import * as tasks from "../fixtures/pool_tasks.ts";
import { finish, withPool } from "../kit/pools.ts";
import { sharedWords, wordReaches } from "../kit/signal_box.ts";
import { failure, failureOf, within } from "../kit/wait.ts";

describe("Pool.apply()", () => {
  it("resolves to the result, for functions that return and that await", () =>
    withPool(2, {}, async (pool) => {
      assertEquals(await pool.apply(tasks.add, [1, 2]), 3);
      assertEquals(await pool.apply(tasks.asyncSquare, [3]), 9);
      assertEquals(await pool.apply(tasks.noArguments), 0);
      assertEquals(await pool.apply(tasks.noArguments, [1, undefined, null]), 3);
      assertStrictEquals(await pool.apply(tasks.same, [undefined]), undefined);
      assertStrictEquals(await pool.apply(tasks.same, [null]), null);
    }));

  it("calls a function on nothing, as a call by its name does", () =>
    withPool(1, {}, async (pool) => {
      assertEquals(await pool.apply(tasks.calledOn, [1]), "undefined");
      assertEquals(await pool.apply(tasks.calledOn, [1, 2]), "undefined");
      assertEquals(await pool.map(tasks.calledOn, [1]), ["undefined"]);
      assertEquals(await pool.starmap(tasks.calledOn, [[1, 2]]), ["undefined"]);
    }));

  it("takes an anonymous function, which crosses as its source", () =>
    withPool(2, {}, async (pool) => {
      assertEquals(await pool.apply((a: number, b: number) => a * b, [6, 7]), 42);
      assertEquals(await pool.apply(async (a: string) => await Promise.resolve(`${a}!`), ["é☃"]), "é☃!");
    }));

  it("keeps what structured clone keeps, in both directions", () =>
    withPool(1, {}, async (pool) => {
      const cyclic: Record<string, unknown> = { list: [1, , 3], map: new Map([[{ a: 1 }, new Set([1n])]]) };
      cyclic["self"] = cyclic;
      const back = await pool.apply(tasks.same, [cyclic]) as typeof cyclic;
      assertStrictEquals(back["self"], back);
      assertEquals(Object.keys(back["list"] as object), ["0", "2"]);
      const [[key, value]] = [...(back["map"] as Map<object, Set<bigint>>)] as [[object, Set<bigint>]];
      assertEquals([key, [...value]], [{ a: 1 }, [1n]]);
      assert(Object.is(await pool.apply(tasks.same, [-0]), -0));
      assert(Number.isNaN(await pool.apply(tasks.same, [NaN])));
      assertEquals(await pool.apply(tasks.same, ["\ud800"]), "\ud800");
      assertEquals(await pool.apply(tasks.same, [new Date(5)]), new Date(5));
      assertEquals(await pool.apply(tasks.same, [/x/giu]), /x/giu);
      assertEquals(await pool.apply(tasks.same, [new Float32Array([1, 2])]), new Float32Array([1, 2]));
    }));

  it("moves memory that is named in transfer", () =>
    withPool(1, {}, async (pool) => {
      const buffer = new ArrayBuffer(1000);
      assertEquals(await pool.apply(tasks.byteLength, [buffer], { transfer: [buffer] }), 1000);
      assertEquals(buffer.byteLength, 0);
    }));

  it("carries shared objects that are named properties of arrays, there and back, also where elements are missing", () =>
    withPool(1, {}, async (pool) => {
      for (const elements of [[1, 2], [], Array.from({ length: 100 }, (_, i) => i), [1, , 3] as number[]]) {
        const lock = new Lock();
        const array = Object.assign(elements, { lock });
        const back = await pool.apply(tasks.lockBeside, [array]);
        assert(lock.locked, "the worker took another lock");
        assertEquals([back.length, back.lock instanceof Lock, back.lock?.locked], [elements.length, true, true]);
      }
    }));

  it("runs no listener of a map inside of somebody's apply()", () =>
    withPool(2, {}, async (pool) => {
      // In the first round nobody knows yet how short the calls are.
      for (let round = 0; round < 4; round++) {
        let applying = false;
        let inside = 0;
        const calls: Promise<number>[] = [];
        const mapped = pool.map(tasks.square, Array.from({ length: 500 }, (_, i) => i), {
          chunkSize: 1,
          onProgress: () => {
            if (applying) inside++;
            if (calls.length >= 10_000) return;
            applying = true;
            for (let n = 0; n < 200; n++) calls.push(pool.apply(tasks.square, [n]));
            applying = false;
          },
        });
        assertEquals((await mapped).at(-1), 499 * 499);
        assertEquals((await Promise.all(calls)).findIndex((value, i) => value !== (i % 200) ** 2), -1);
        assertEquals(inside, 0);
      }
    }));

  it("moves what a result was marked with, by transfer()", () =>
    withPool(1, {}, async (pool) => {
      for (const length of [1, 100, 300_000]) {
        assertEquals(await pool.apply(tasks.moving, [length]), new Uint8Array(length).fill(length & 255));
        assertEquals(await pool.apply(tasks.lastMovedLength, []), 0);
      }
      assertEquals(await pool.apply(tasks.movingNested, [3]), { name: "nested", bytes: new Uint8Array([7, 7, 7]) });
      assertEquals(await pool.apply(tasks.lastMovedLength, []), 0);
      assertEquals(
        await pool.map(tasks.moving, [5, 6, 7], { chunkSize: 3 }),
        [5, 6, 7].map((n) => new Uint8Array(n).fill(n)),
      );
      assertEquals(await pool.apply(tasks.lastMovedLength, []), 0);
      const calls = Array.from({ length: 300 }, (_, n) =>
        pool.apply(n % 3 === 0 ? tasks.moving : tasks.same as never, [n]));
      const sizes = (await Promise.all(calls)).map((one: unknown) =>
        one instanceof Uint8Array ? one.length : one
      );
      assertEquals(sizes, Array.from({ length: 300 }, (_, n) => n));
      const wrong = [
        [tasks.movingAgain, "has moved away before"],
        [tasks.movingShared, "never moves"],
        [tasks.movingNothing, "Cannot send the result to another process"],
      ] as const;
      for (const [fn, says] of wrong) {
        const error = await failureOf(pool.apply(fn as () => object, []), TypeError);
        assert(error.message.includes(says), error.message);
      }
      assertEquals(await pool.apply(tasks.same, [1]), 1);
    }));

  it("rejects with the error of the function: its class, message, fields and the worker's stack", () =>
    withPool(1, {}, async (pool) => {
      const error = await failureOf(pool.apply(tasks.failsOn, [1, [1]]), RangeError);
      assertEquals(error.message, "item 1");
      const remote = remoteStackOf(error);
      assert(remote?.processName.startsWith("PoolWorker-"), remote?.processName);
      assert(/pool_tasks\.[jt]s/.test(error.stack ?? ""), error.stack);
    }));

  it("rejects with what was thrown, if that is no error", () =>
    withPool(1, {}, async (pool) => {
      assertStrictEquals(await failure(pool.apply(tasks.throws, ["undefined"])), undefined);
      assertStrictEquals(await failure(pool.apply(tasks.throws, ["null"])), null);
      assertStrictEquals(await failure(pool.apply(tasks.throws, ["text"])), "a text");
      assertStrictEquals(await failure(pool.apply(tasks.throws, ["number"])), 0);
      assertEquals(await failure(pool.apply(tasks.throws, ["object"])), { code: 5 });
      assert(String(await failure(pool.apply(tasks.throws, ["symbol"]))).startsWith("Symbol(s)"));
      assert(String(await failure(pool.apply(tasks.throws, ["function"]))).includes("[not sent: "));
    }));

  it("rejects with EncodingError and a path when the result cannot be sent", () =>
    withPool(1, {}, async (pool) => {
      const refused: [string, string][] = [
        ["function", "result"],
        ["symbol", "result"],
        ["nested function", "result.list[1].callback"],
        ["promise inside", "result.later"],
        ["weak map", "result"],
        ["generator", "result"],
      ];
      for (const [kind, path] of refused) {
        const error = await failureOf(pool.apply(tasks.returns, [kind]), EncodingError);
        assertEquals(error.path, path, kind);
        assert(error.message.includes(path), error.message);
      }
      assertEquals(await pool.apply(tasks.returns, ["still works"]), "still works");
    }));

  it("rejects with what a getter of the result throws, and with a reason for what only the runtime refuses", () =>
    withPool(1, {}, async (pool) => {
      assertEquals((await failureOf(pool.apply(tasks.returns, ["getter"]), Error)).message, "from the getter");
      const error = await failureOf(pool.apply(tasks.returns, ["port"]), Error);
      assert(error.message.includes("result"), error.message);
      assertEquals(await pool.apply(tasks.returns, ["still works"]), "still works");
    }));

  it("gives back an error that was returned as a value", () =>
    withPool(1, {}, async (pool) => {
      const value = await pool.apply(tasks.returns, ["error"]) as Error;
      assert(value instanceof TypeError);
      assertEquals(value.message, "a value");
    }));

  it("gives a stack overflow in the worker back as RangeError, and goes on", () =>
    withPool(1, {}, async (pool) => {
      await failureOf(pool.apply(tasks.recurse), RangeError);
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("one unclonable argument does not disturb the calls of the same turn", () =>
    withPool(1, {}, async (pool) => {
      const port = new MessageChannel().port1;
      const calls = [
        pool.apply(tasks.same, [1]),
        pool.apply(tasks.same, [port]),
        pool.apply(tasks.same, [3]),
      ];
      const settled = await Promise.allSettled(calls);
      port.close();
      assertEquals(settled.map((one) => one.status), ["fulfilled", "rejected", "fulfilled"]);
      assert((settled[1] as PromiseRejectedResult).reason instanceof EncodingError);
    }));

  it("10,000 calls of one turn all come back, each to its own promise", () =>
    withPool(2, {}, async (pool) => {
      const results = await Promise.all(Array.from({ length: 10_000 }, (_, n) => pool.apply(tasks.square, [n])));
      assertEquals(results.every((value, n) => value === n * n), true);
    }));

  it("is also there inside a result's callback, and for calls within calls", () =>
    withPool(1, {}, async (pool) => {
      const four = await pool.apply(tasks.square, [2]).then((n) => pool.apply(tasks.square, [n]));
      assertEquals(four, 16);
    }));
});

describe("AsyncResult", () => {
  it("is a promise; ready() and successful() tell its state", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const result = pool.apply(tasks.untilReleased, [words, 5]);
      assert(result instanceof Promise);
      assertEquals(result.ready(), false);
      const error = await failureOf(Promise.resolve().then(() => result.successful()), Error);
      assertEquals(error.name, "InvalidStateError");
      Atomics.store(words, 1, 1);
      assertEquals(await result, 5);
      assertEquals([result.ready(), result.successful()], [true, true]);
      const failed = pool.apply(tasks.failsOn, [1, [1]]);
      assertEquals(await failed.wait(), true);
      assertEquals([failed.ready(), failed.successful()], [true, false]);
      await failureOf(failed, RangeError);
    }));

  it("is told from other promises by instanceof, also when it is settled; only a pool makes one", () =>
    withPool(1, {}, async (pool) => {
      const result = pool.apply(tasks.square, [3]);
      assert(result instanceof AsyncResult);
      assertEquals(await Promise.all([result, pool.map(tasks.square, [1, 2])]), [9, [1, 4]]);
      assert(result instanceof AsyncResult);
      assert(!(result.then() instanceof AsyncResult));
      assert(!(Promise.resolve(1) instanceof AsyncResult));
      assertThrows(() => Reflect.construct(AsyncResult, [() => {}]), TypeError, "pool");
    }));

  it("each call of a burst that is longer than the ring, given in one turn, gets its own value", () =>
    withPool(2, {}, async (pool) => {
      for (let round = 0; round < 3; round++) {
        const results = Array.from({ length: 30_000 }, (_, i) => pool.apply(tasks.square, [i]));
        assertEquals(await Promise.all(results), results.map((_, i) => i * i));
      }
    }));

  it("wait() and get() with a timeout can be asked again", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const result = pool.apply(tasks.untilReleased, [words, 5]);
      assertEquals(await result.wait({ timeout: 0 }), false);
      assertEquals(await result.wait({ timeout: 3 }), false);
      assertEquals((await failureOf(result.get({ timeout: 3 }), Error)).name, "TimeoutError");
      const reason = new Error("enough");
      assertStrictEquals(await failure(result.get({ signal: AbortSignal.abort(reason) })), reason);
      await assertRejects(() => result.wait({ timeout: -1 }), RangeError, "timeout");
      await assertRejects(() => result.get({ timeout: NaN }), RangeError, "timeout");
      Atomics.store(words, 1, 1);
      assertEquals(await result.get({ timeout: 40_000 }), 5);
      assertEquals(await result.get(), 5);
      assertEquals(await result.wait(), true);
    }));

  it("get() rejects with the error of the call", () =>
    withPool(1, {}, async (pool) => {
      assertEquals((await failureOf(pool.apply(tasks.failsOn, [1, [1]]).get(), RangeError)).message, "item 1");
    }));

  it("cancel() drops a call that waits, and does nothing to one that runs or is done", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const running = pool.apply(tasks.untilReleased, [words, "ran"]);
      await wordReaches(words, 0, 1);
      const waiting = pool.apply(tasks.count, [words, "never"]);
      assertEquals(running.cancel(), false);
      assertEquals(waiting.cancel(), true);
      assertEquals(waiting.cancel(), false);
      assertEquals((await failureOf(waiting, Error)).name, "CancelledError");
      Atomics.store(words, 1, 1);
      assertEquals(await running, "ran");
      assertEquals(running.cancel(), false);
      await pool.apply(tasks.square, [1]);
      assertEquals(Atomics.load(words, 0), 1);
    }));

  it("cancel() also takes back calls that were sent to the worker but have not started", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      // Short calls teach the pool to keep several of them at the worker.
      for (let i = 0; i < 200; i++) await pool.apply(tasks.square, [i]);
      const blocked = pool.apply(tasks.blockUntilReleased, [words]);
      await wordReaches(words, 0, 1);
      const waiting = Array.from({ length: 50 }, (_, i) => pool.apply(tasks.count, [words, i]));
      await Promise.resolve();
      const cancelled = waiting.map((result) => result.cancel());
      assertEquals(cancelled, waiting.map(() => true));
      const settled = await Promise.allSettled(waiting);
      assert(settled.every((one) => one.status === "rejected"));
      Atomics.store(words, 1, 1);
      Atomics.notify(words, 1);
      await blocked;
      await pool.apply(tasks.square, [1]);
      assertEquals(Atomics.load(words, 0), 1);
    }));

  it("cancel() of a map drops what has not started, and rejects the whole", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const result = pool.starmap(tasks.untilReleased, Array.from({ length: 20 }, (_, i) => [words, i] as const), {
        chunkSize: 1,
      });
      await wordReaches(words, 0, 1);
      assertEquals(result.cancel(), true);
      assertEquals((await failureOf(result, Error)).name, "CancelledError");
      Atomics.store(words, 1, 1);
      assertEquals(await pool.apply(tasks.square, [3]), 9);
      assert(Atomics.load(words, 0) < 20);
    }));
});

describe("Pool.map()", () => {
  it("keeps the order of the items, whatever the chunk size", () =>
    withPool(3, {}, async (pool) => {
      const items = Array.from({ length: 1000 }, (_, n) => n);
      const squares = items.map((n) => n * n);
      assertEquals(await pool.map(tasks.square, items), squares);
      for (const chunkSize of [1, 7, 999, 1000, 5000]) {
        assertEquals(await pool.map(tasks.square, items, { chunkSize }), squares, `chunkSize ${chunkSize}`);
      }
    }));

  it("of nothing is nothing, for every kind of input", () =>
    withPool(1, {}, async (pool) => {
      assertEquals(await pool.map(tasks.square, []), []);
      assertEquals(await pool.map(tasks.square, new Set<number>()), []);
      assertEquals(await pool.map(tasks.square, new Float64Array(0)), []);
      assertEquals(await pool.map(tasks.square, (function* (): Generator<number> {})()), []);
      assertEquals(await pool.map(tasks.square, (async function* (): AsyncGenerator<number> {})()), []);
      assertEquals(await pool.starmap(tasks.add, []), []);
    }));

  it("takes sets, maps, strings, iterators, generators and async generators", () =>
    withPool(2, {}, async (pool) => {
      assertEquals(await pool.map(tasks.square, new Set([1, 2, 3])), [1, 4, 9]);
      assertEquals(await pool.map(tasks.same, new Map([["a", 1], ["b", 2]])), [["a", 1], ["b", 2]]);
      assertEquals(await pool.map(tasks.same, "aé😀"), ["a", "é", "😀"]);
      assertEquals(await pool.map(tasks.square, [1, 2, 3].values()), [1, 4, 9]);
      assertEquals(
        await pool.map(
          tasks.square,
          (function* () {
            for (let i = 0; i < 100; i++) yield i;
          })(),
        ),
        Array.from({ length: 100 }, (_, i) => i * i),
      );
      assertEquals(
        await pool.map(
          tasks.square,
          (async function* () {
            for (let i = 0; i < 100; i++) yield await Promise.resolve(i);
          })(),
        ),
        Array.from({ length: 100 }, (_, i) => i * i),
      );
    }));

  it("keeps holes as undefined, and results that are undefined", () =>
    withPool(2, {}, async (pool) => {
      assertEquals(await pool.map(tasks.same, [1, , 3]), [1, undefined, 3]);
      assertEquals(await pool.map(tasks.returns, ["undefined", "x"]), [undefined, "x"]);
    }));

  it("passes one argument, as Python does, not the index and the array", () =>
    withPool(2, {}, async (pool) => {
      assertEquals(await pool.map(tasks.noArguments, [1, 2, 3]), [1, 1, 1]);
    }));

  it("of functions that await", () =>
    withPool(2, {}, async (pool) => {
      assertEquals(await pool.map(tasks.asyncSquare, [1, 2, 3, 4], { chunkSize: 2 }), [1, 4, 9, 16]);
    }));

  it("over every typed array gives its values, as numbers or bigints, and leaves the array as it was", () =>
    withPool(2, {}, async (pool) => {
      const arrays = [
        new Int8Array([-1, 2, 3]),
        new Uint8Array([1, 2, 255]),
        new Uint8ClampedArray([1, 2, 300]),
        new Int16Array([-1, 2]),
        new Uint16Array([1, 2]),
        new Int32Array([-1, 2]),
        new Uint32Array([1, 2 ** 32 - 1]),
        new Float32Array([0.5, -0]),
        new Float64Array([0.1, -0, NaN, 2 ** 53]),
      ];
      for (const array of arrays) {
        const before = [...array];
        assertEquals(await pool.map(tasks.same, array, { chunkSize: 2 }), before);
        assertEquals([...array], before);
      }
      assertEquals(await pool.map(tasks.arrayInfo, new BigInt64Array([-1n, 5n])), ["bigint -1", "bigint 5"]);
      assertEquals(await pool.map(tasks.arrayInfo, new BigUint64Array([5n])), ["bigint 5"]);
    }));

  it("over a part of a buffer sends that part only, and leaves the rest alone", () =>
    withPool(2, {}, async (pool) => {
      const whole = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7]);
      assertEquals(await pool.map(tasks.same, whole.subarray(2, 5)), [2, 3, 4]);
      assertEquals(whole.length, 8);
    }));

  it("over a Buffer, small or large, neither takes its memory away nor disturbs others in the same slab", () =>
    withPool(2, {}, async (pool) => {
      const { Buffer } = await import("node:buffer");
      const neighbour = Buffer.from("neighbour");
      const small = Buffer.from("abc");
      assertEquals(await pool.map(tasks.same, small), [97, 98, 99]);
      const large = Buffer.alloc(20_000, 7);
      assertEquals(await pool.map(tasks.same, large, { chunkSize: 5000 }), Array.from({ length: 20_000 }, () => 7));
      assertEquals([small.toString(), neighbour.toString(), large.length], ["abc", "neighbour", 20_000]);
    }));

  it("over shared memory copies nothing: what a worker writes is seen here", () =>
    withPool(2, {}, async (pool) => {
      const shared = new Float64Array(new SharedArrayBuffer(8 * 100));
      for (let i = 0; i < 100; i++) shared[i] = i;
      const rows = Array.from({ length: 10 }, (_, i) => shared.subarray(i * 10, i * 10 + 10));
      await pool.map(tasks.negate, rows);
      assertEquals([...shared], Array.from({ length: 100 }, (_, i) => -i));
      assertEquals(await pool.map(tasks.same, shared.subarray(1, 4)), [-1, -2, -3]);
    }));

  it("moves what is named in transfer with the chunk that has it", () =>
    withPool(2, {}, async (pool) => {
      const buffers = Array.from({ length: 10 }, (_, i) => new ArrayBuffer(i + 1));
      assertEquals(await pool.map(tasks.byteLength, buffers, { transfer: buffers, chunkSize: 3 }), [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
      ]);
      assertEquals(buffers.every((buffer) => buffer.byteLength === 0), true);
    }));

  it("rejects with the first error and drops what has not started", () =>
    withPool(1, {}, async (pool) => {
      const words = sharedWords();
      const items = Array.from({ length: 1000 }, (_, n) => n);
      assertEquals((await failureOf(pool.map(tasks.failsOnThree, items), RangeError)).message, "item 3");
      const rows = items.map((n) => [words, n === 0 ? 2 : 0] as const);
      await failureOf(pool.starmap(tasks.failsAt, rows, { chunkSize: 1 }), RangeError);
      const before = Atomics.load(words, 0);
      assert(before < 1000, `${before} ran`);
      await pool.apply(tasks.square, [1]);
      assertEquals(Atomics.load(words, 0), before);
    }));

  it("rejects with EncodingError for a result that cannot be sent, with its place in the chunk", () =>
    withPool(1, {}, async (pool) => {
      const error = await failureOf(
        pool.map(tasks.returnsFunctionOnThree, [1, 2, 3, 4], { chunkSize: 4 }),
        EncodingError,
      );
      assert(error.message.includes("function"), error.message);
      assertEquals(error.path, "result[2]");
    }));

  it("refuses an item that cannot be sent at the call, with its path", () =>
    withPool(1, {}, async (pool) => {
      const error = await failureOf((async () => await pool.map(tasks.same, [1, { f: () => 1 }]))(), EncodingError);
      assertEquals(error.path, "items[1].f");
    }));

  it("rejects with the error of an input that throws, sync or async, at once and in the middle", () =>
    withPool(1, {}, async (pool) => {
      const reason = new Error("the input fails");
      const sync = function* (at: number): Generator<number> {
        for (let i = 0; i < at; i++) yield i;
        throw reason;
      };
      const async = async function* (at: number): AsyncGenerator<number> {
        for (let i = 0; i < at; i++) yield await Promise.resolve(i);
        throw reason;
      };
      for (const at of [0, 1, 20]) {
        assertStrictEquals(await failure(pool.map(tasks.square, sync(at))), reason);
        assertStrictEquals(await failure(pool.map(tasks.square, async(at))), reason);
      }
      assertEquals(await pool.apply(tasks.square, [3]), 9);
    }));

  it("closes a generator that it does not read to its end", () =>
    withPool(1, {}, async (pool) => {
      let closed = 0;
      const input = function* (): Generator<number> {
        try {
          for (let i = 0;; i++) yield i;
        } finally {
          closed++;
        }
      };
      await failureOf(pool.map(tasks.failsOnThree, input()), RangeError);
      assertEquals(closed, 1);
    }));

  it("reports progress from 1 to all, and the last report is complete", () =>
    withPool(2, {}, async (pool) => {
      const seen: number[] = [];
      const totals = new Set<number | undefined>();
      await pool.map(tasks.square, Array.from({ length: 50 }, (_, n) => n), {
        chunkSize: 5,
        onProgress: ({ done, total }) => (seen.push(done), totals.add(total)),
      });
      assertEquals(seen, [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]);
      assertEquals([...totals], [50]);
      const streamed: number[] = [];
      await pool.map(tasks.square, [1, 2, 3].values(), {
        onProgress: ({ done, total }) => (streamed.push(done), assertEquals(total, undefined)),
      });
      assertEquals(streamed, [1, 2, 3]);
    }));

  it("rejects with what onProgress throws, and the pool goes on", () =>
    withPool(2, {}, async (pool) => {
      const reason = new Error("from onProgress");
      const onProgress = (): void => {
        throw reason;
      };
      assertStrictEquals(await failure(pool.map(tasks.square, [1, 2, 3], { chunkSize: 1, onProgress })), reason);
      assertStrictEquals(await failure(pool.map(tasks.square, [1, 2, 3].values(), { onProgress })), reason);
      assertStrictEquals(await failure(pool.imap(tasks.square, [1, 2, 3], { onProgress }).next()), reason);
      assertEquals(await pool.map(tasks.square, [1, 2, 3]), [1, 4, 9]);
    }));
});

describe("Pool.starmap()", () => {
  it("spreads each item over the arguments", () =>
    withPool(2, {}, async (pool) => {
      assertEquals(await pool.starmap(tasks.add, [[1, 2], [3, 4]]), [3, 7]);
      assertEquals(await pool.starmap(tasks.add, [[1, 2], [3, 4]].values() as Iterable<[number, number]>), [3, 7]);
      assertEquals(await pool.starmap(tasks.noArguments, [[], [1], [1, 2]]), [0, 1, 2]);
    }));

  it("names an item that is no array of arguments", () =>
    withPool(1, {}, async (pool) => {
      const rows = [[1, 2], 5] as unknown as [number, number][];
      assertEquals(
        (await failureOf((async () => await pool.starmap(tasks.add, rows))(), TypeError)).message,
        "Pool.starmap(fn, items): item 1 must be an array of arguments, got number.",
      );
      const error = await failureOf(pool.starmap(tasks.add, rows.values()), TypeError);
      assert(error.message.includes("item 1"), error.message);
    }));
});

describe("several pools", () => {
  it("work beside each other, and results keep to their own", async () => {
    const pools = Array.from({ length: 6 }, () => new Pool(1));
    const all = await within(
      Promise.all(pools.map((pool, i) => pool.map(tasks.square, Array.from({ length: 20 }, (_, n) => n + i)))),
      "maps of six pools",
    );
    all.forEach((values, i) => assertEquals(values, Array.from({ length: 20 }, (_, n) => (n + i) ** 2)));
    for (const pool of pools) await finish(pool);
  });
});
