/** What all three queues promise, written once; each class binds it in a line. */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { JoinableQueue } from "../../src/channel/joinable_queue.ts";
import { Queue } from "../../src/channel/queue.ts";
import { SimpleQueue } from "../../src/channel/simple_queue.ts";
import { EncodingError, QueueClosedError, QueueEmptyError } from "../../src/errors.ts";
import { Lock } from "../../src/sync/lock.ts";
import { Value } from "../../src/shared/value.ts";
import { pack, unpack } from "../../src/transport/handles.ts";
import { all, counters, pause, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { within } from "../kit/wait.ts";

const TASKS: string = besides(import.meta, "queue_tasks");

const CLASSES: readonly (readonly [string, <T>() => SimpleQueue<T>])[] = [
  ["Queue", <T>() => new Queue<T>() as unknown as SimpleQueue<T>],
  ["JoinableQueue", <T>() => new JoinableQueue<T>() as unknown as SimpleQueue<T>],
  ["SimpleQueue", <T>() => new SimpleQueue<T>()],
];

/** What reads and writes in special ways, and what does not. */
const VALUES: readonly unknown[] = [
  0,
  -0,
  1,
  -1,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 31,
  0.1,
  NaN,
  Infinity,
  Number.MIN_VALUE,
  true,
  false,
  null,
  undefined,
  "",
  "a",
  "abcd",
  "äöü \u{1f600} \ud800",
  "x".repeat(1000),
  "y".repeat(300_000),
  12345678901234567890n,
  [],
  [1, , 3],
  { a: { b: [undefined] } },
  new Map<unknown, unknown>([[1, new Set([2])]]),
  new Date(1e12),
  /x+/gi,
  new Uint8Array([1, 2, 3]),
  new Float64Array(20_000).fill(0.5),
];

for (const [name, make] of CLASSES) {
  test(`${name}: items come out as they were put, first in first out`, async () => {
    const queue = make<unknown>();
    assert(queue.empty);
    for (const value of VALUES) queue.putSync(value);
    assert(!queue.empty);
    for (const value of VALUES) assertEquals(await queue.get(), value);
    assert(queue.empty);
    for (const value of VALUES) await queue.put(value);
    for (const value of VALUES) {
      const got = queue.getSync();
      assert(Object.is(got, value) || typeof value === "object");
      assertEquals(got, value);
    }
    assert(queue.empty);
  });

  test(`${name}: an item is copied by the call of put()`, async () => {
    const queue = make<{ list: number[] }>();
    const item = { list: [1] };
    const promise = queue.put(item);
    item.list.push(2);
    queue.putSync(item);
    item.list.push(3);
    await promise;
    assertEquals([await queue.get(), queue.getSync()], [{ list: [1] }, { list: [1, 2] }]);
  });

  test(`${name}: what cannot be sent fails in put(), with its path, and leaves no trace`, async () => {
    const queue = make<unknown>();
    const bad = { handlers: { click: () => 1 } };
    const error = assertThrows(() => queue.putSync(bad), EncodingError, "item.handlers.click");
    assertEquals(error.path, "item.handlers.click");
    await assertRejects(() => queue.put([Symbol("s")]), EncodingError, "item[0]");
    await assertRejects(() => queue.put(Promise.resolve(1)), EncodingError);
    assert(queue.empty);
    queue.putSync(1);
    assertEquals(queue.getSync(), 1);
  });

  test(`${name}: a getter of an item may use the queue`, () => {
    const queue = make<unknown>();
    const item = {
      get a() {
        queue.putSync({ inner: [1, 2, 3] });
        return "a";
      },
    };
    queue.putSync(item);
    assertEquals([queue.getSync(), queue.getSync()], [{ inner: [1, 2, 3] }, { a: "a" }]);
  });

  test(`${name}: get() of an empty queue ends with QueueEmptyError when the time limit passes`, async () => {
    const queue = make<number>();
    for (const timeout of [10, 0, -5]) {
      await assertRejects(() => queue.get({ timeout }), QueueEmptyError, `within ${timeout} ms`);
      assertThrows(() => queue.getSync({ timeout }), QueueEmptyError);
    }
    queue.putSync(1);
    assertEquals(await queue.get({ timeout: 0 }), 1);
    queue.putSync(2);
    assertEquals(queue.getSync({ timeout: 0 }), 2);
    await assertRejects(() => queue.get({ timeout: "1" as unknown as number }), TypeError, "timeout");
    assertThrows(() => queue.getSync({ timeout: NaN }), RangeError, "NaN");
    await assertRejects(() => queue.put(1, { timeout: NaN }), RangeError);
    assert(queue.empty);
  });

  test(`${name}: get() waits for an item, and many gets get one each`, async () => {
    const queue = make<number>();
    const gets = Array.from({ length: 20 }, () => queue.get());
    await pause();
    for (let i = 0; i < 20; i++) queue.putSync(i);
    const got = await within(Promise.all(gets), "the gets");
    assertEquals(got.sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i));
  });

  test(`${name}: aborting ends a get() with the signal's reason; no item is lost to it`, async () => {
    const queue = make<number>();
    const controller = new AbortController();
    const aborted = queue.get({ signal: controller.signal });
    const waiting = queue.get();
    await pause();
    controller.abort(new Error("enough"));
    await assertRejects(() => aborted, Error, "enough");
    queue.putSync(1);
    assertEquals(await within(waiting, "the other get"), 1);
    await assertRejects(() => queue.get({ signal: controller.signal }), Error, "enough");
    assertThrows(() => queue.getSync({ signal: controller.signal }), Error, "enough");
    await assertRejects(() => queue.put(2, { signal: controller.signal }), Error, "enough");
    assert(queue.empty);
  });

  test(`${name}: a get() that is aborted while an item is put does not keep it`, async () => {
    for (let i = 0; i < 50; i++) {
      const queue = make<number>();
      const controller = new AbortController();
      const first = queue.get({ signal: controller.signal }).catch(() => "aborted");
      const second = queue.get();
      await pause();
      queue.putSync(7);
      controller.abort();
      const outcome = await within(first, "the aborted get");
      if (outcome === "aborted") assertEquals(await within(second, "the second get"), 7);
      else {
        queue.putSync(8);
        assertEquals([outcome, await within(second, "the second get")], [7, 8]);
      }
    }
  });

  test(`${name}: close() lets readers drain, then ends for await and throws in get()`, async () => {
    const queue = make<number>();
    for (let i = 0; i < 5; i++) queue.putSync(i);
    queue.close();
    queue.close();
    const error = assertThrows(() => queue.putSync(9), QueueClosedError, "closed");
    assertEquals(error.item, 9);
    const object = { a: 1 };
    const rejection = await assertRejects(() => queue.put(object as unknown as number), QueueClosedError);
    assert(rejection.item === object);
    const got: number[] = [];
    for await (const item of queue) {
      got.push(item);
      if (item === 1) break;
    }
    for (const item of queue.itemsSync()) got.push(item);
    assertEquals(got, [0, 1, 2, 3, 4]);
    assertThrows(() => queue.getSync(), QueueClosedError, "all its items have been got");
    await assertRejects(() => queue.get(), QueueClosedError);
    await assertRejects(() => queue.get({ timeout: 5 }), QueueClosedError);
    for await (const _ of queue) throw new Error("nothing is left");
    assert(queue.empty);
  });

  test(`${name}: close() reaches readers that wait, in this thread and in others`, async () => {
    const queue = make<number>();
    const words = counters();
    const agents = [0, 1].map(() => spawn<string>(TASKS, "getFails", queue, words));
    const here = [queue.get(), queue.get()];
    const iteration = queue[Symbol.asyncIterator]().next();
    await until(words, 0, 2);
    queue.close();
    for (const get of here) await assertRejects(() => within(get, "a get"), QueueClosedError);
    assertEquals(await within(iteration, "an iteration"), { value: undefined, done: true });
    assertEquals(await within(all(agents), "the others"), ["QueueClosedError", "QueueClosedError"]);
  });

  test(`${name}: for await that always finds an item lets timers run`, async () => {
    const queue = make<number>();
    let timers = 0;
    const timer = setInterval(() => {
      if (++timers === 5) queue.close();
    }, 1);
    queue.putSync(0);
    let count = 0;
    const start = performance.now();
    for await (const _ of queue) {
      count++;
      if (timers < 5) await queue.put(count);
      if (performance.now() - start > 30_000) break;
    }
    clearInterval(timer);
    assertEquals(timers, 5);
  });

  test(`${name}: gets and puts that are awaited one by one let timers run`, async () => {
    const queue = make<number>();
    let over = false;
    const timer = setTimeout(() => over = true, 5);
    const start = performance.now();
    while (!over && performance.now() - start < 30_000) {
      await queue.put(1);
      await queue.get();
    }
    clearTimeout(timer);
    assert(over);
  });

  test(`${name}: getSync in a thread and get here, putSync there and put here`, async () => {
    const there = make<unknown>();
    const back = make<unknown>();
    const agents = [spawn(TASKS, "echo", there, back)];
    for (let i = 0; i < 200; i++) {
      await there.put(i);
      assertEquals(await within(back.get(), "the answer"), [i]);
    }
    for (const value of VALUES) there.putSync(value);
    for (const value of VALUES) assertEquals(back.getSync({ timeout: 40_000 }), [value]);
    there.close();
    for await (const _ of back) throw new Error("closed by the other");
    await all(agents);
  });

  test(`${name}: both ends asynchronous`, async () => {
    const there = make<unknown>();
    const back = make<unknown>();
    const agents = [spawn(TASKS, "echoAsync", there, back)];
    for (let i = 0; i < 100; i++) {
      await there.put(i);
      assertEquals(await within(back.get(), "the answer"), [i]);
    }
    there.close();
    await within(all(agents), "the echo");
  });

  test(`${name}: it may be passed in anything, and be an item of itself`, async () => {
    const queue = make<unknown>();
    const again = unpack(pack({ deep: [new Map([["queue", queue]])] }, "args").value) as {
      deep: Map<string, typeof queue>[];
    };
    const same = again.deep[0]!.get("queue") as typeof queue;
    assert(same instanceof (queue.constructor as new () => object));
    same.putSync(1);
    assertEquals(queue.getSync(), 1);
    queue.putSync({ queue });
    const { queue: item } = await same.get() as { queue: typeof queue };
    assert(item instanceof (queue.constructor as new () => object));
    item.putSync(2);
    assertEquals(queue.getSync(), 2);
  });

  test(`${name}: locks, values and queues in items are the same on the other side`, async () => {
    const queue = make<unknown>();
    const back = make<{ lock: Lock; value: Value<"int32">; through: typeof queue }>();
    const agents = [spawn(TASKS, "useItems", queue)];
    const lock = new Lock();
    const value = new Value("int32", 0);
    for (let i = 1; i <= 20; i++) {
      queue.putSync({ lock, value, back });
      const answer = await within(back.get(), "the answer");
      assertEquals([answer.value.value, value.value], [i, i]);
      answer.value.value = i;
      const guard = lock.acquireSync();
      assert(answer.lock.locked);
      guard.release();
      answer.through.putSync({ lock, value, through: queue });
      assertEquals(back.getSync().value.value, i);
    }
    queue.putSync(null);
    await all(agents);
  });

  test(`${name}: errors are items like others`, async () => {
    const queue = make<Error>();
    queue.putSync(Object.assign(new RangeError("an error", { cause: [1] }), { code: 7 }));
    const error = await queue.get() as RangeError & { code: number };
    assert(error instanceof RangeError);
    assertEquals([error.message, error.cause, error.code], ["an error", [1], 7]);
  });

  test(`${name}: every put wakes a thread that waits`, async () => {
    const queue = make<number>();
    for (let round = 0; round < 3; round++) {
      const words = counters();
      const agents = [0, 1].map(() => spawn<number>(TASKS, "getOne", queue, words));
      await until(words, 0, 2);
      queue.putSync(1);
      await queue.put(2);
      assertEquals((await within(all(agents), "both")).sort(), [1, 2]);
      assert(queue.empty);
    }
  });
}
