/** `Queue` and `JoinableQueue`: limits, order of waiting puts, exact sizes, join; and CPython's cases. */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { JoinableQueue } from "../../src/channel/joinable_queue.ts";
import { Queue } from "../../src/channel/queue.ts";
import type { QueueEnd } from "../../src/channel/queue_end.ts";
import { QueueClosedError, QueueEmptyError, QueueError, QueueFullError } from "../../src/errors.ts";
import { load, store } from "../../src/memory/atomics.ts";
import { decodeError, encodeError } from "../../src/transport/remote_error.ts";
import { all, counters, pause, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { randomNumbers, SEED } from "../kit/random.ts";
import { eventually, failureOf, within } from "../kit/wait.ts";

const TASKS: string = besides(import.meta, "queue_tasks");

function segmentsOf(queue: Queue<never>): number {
  return (Queue.endOf(queue) as QueueEnd).core.arena.segments;
}

test("Queue: maxSize is checked", () => {
  for (const bad of [-1, 1.5, NaN, 2 ** 30]) assertThrows(() => new Queue(bad), RangeError, `${bad}`);
  assertThrows(() => new Queue("3" as unknown as number), TypeError, "string 3");
  assertThrows(() => new JoinableQueue(-1), RangeError, "JoinableQueue");
  assertEquals([new Queue().maxSize, new Queue(0).maxSize, new Queue(Infinity).maxSize], [0, 0, 0]);
  assertEquals([new Queue(3).maxSize, new JoinableQueue(4).maxSize], [3, 4]);
});

test("Queue: size, empty and full are exact after every call", async () => {
  const queue = new Queue<number>(3);
  const state = (): unknown[] => [queue.size, queue.empty, queue.full];
  assertEquals(state(), [0, true, false]);
  queue.putSync(1);
  assertEquals(state(), [1, false, false]);
  await queue.put(2);
  queue.putNowait(3);
  assertEquals(state(), [3, false, true]);
  assertThrows(() => queue.putNowait(4), QueueFullError, "3 of at most 3");
  assertEquals(state(), [3, false, true]);
  queue.getSync();
  assertEquals(state(), [2, false, false]);
  await queue.get();
  queue.getNowait();
  assertEquals(state(), [0, true, false]);
  assertThrows(() => queue.getNowait(), QueueEmptyError, "empty");
  const endless = new Queue<number>();
  for (let i = 0; i < 1000; i++) endless.putSync(i);
  assertEquals([endless.size, endless.full], [1000, false]);
  endless.close();
  assertEquals([endless.size, endless.closed, queue.closed], [1000, true, false]);
  assertThrows(() => endless.putNowait(1), QueueClosedError);
});

test("Queue: a put into a full queue fails in time, and gives the item back", async () => {
  const queue = new Queue<object>(1);
  queue.putSync({});
  const item = { a: 1 };
  for (const timeout of [10, 0, -1]) {
    const rejection = await failureOf(queue.put(item, { timeout }), QueueFullError);
    assert(rejection.item === item);
    const error = assertThrows(() => queue.putSync(item, { timeout }), QueueFullError, "1 of at most 1 items");
    assert(error.item === item);
  }
  assertEquals(queue.size, 1);
});

test("Queue: puts of one thread keep their order, awaited or not, blocking or not", async () => {
  const queue = new Queue<number>(2);
  const puts = [1, 2, 3, 4, 5].map((item) => queue.put(item));
  assertThrows(() => queue.putNowait(99), QueueFullError);
  assertEquals([await queue.get(), await queue.get()], [1, 2]);
  await within(Promise.all(puts.slice(0, 4)), "four puts");
  queue.getSync();
  queue.getSync();
  // 5 may still be in the line: both forms put it first.
  queue.putSync(6);
  assertEquals([queue.getSync(), queue.getSync()], [5, 6]);
  const more = [7, 8, 9].map((item) => queue.put(item));
  queue.getSync();
  queue.getSync();
  queue.putNowait(10);
  assertEquals([queue.getSync(), queue.getSync()], [9, 10]);
  await within(Promise.all([...puts, ...more]), "all puts");
  assert(queue.empty);
});

test("Queue: a blocking put behind waiting puts is done when another thread makes space", async () => {
  const queue = new Queue<number>(1);
  const puts = [1, 2, 3].map((item) => queue.put(item));
  const answers = new Queue<unknown>();
  const agent = spawn(TASKS, "echo", queue, answers);
  for (let i = 4; i < 20; i++) queue.putSync(i);
  await within(Promise.all(puts), "the waiting puts");
  queue.close();
  await all([agent]);
  const got: unknown[] = [];
  for await (const answer of answers) got.push(answer);
  assertEquals(got, Array.from({ length: 19 }, (_, i) => [i + 1]));
});

test("Queue: a waiting put may time out or be aborted, and the others go on", async () => {
  const queue = new Queue<number>(1);
  queue.putSync(0);
  const controller = new AbortController();
  const puts = [
    queue.put(1, { timeout: 20 }),
    queue.put(2, { signal: controller.signal }),
    queue.put(3),
    queue.put(4, { timeout: 30_000 }),
  ] as const;
  assertEquals((await failureOf(puts[0], QueueFullError)).item, 1);
  controller.abort(new RangeError("enough"));
  await failureOf(puts[1], RangeError);
  assertEquals([await queue.get(), await within(queue.get(), "3"), await within(queue.get(), "4")], [0, 3, 4]);
  await Promise.all([puts[2], puts[3]]);
  assert(queue.empty);
  queue.putSync(5);
  const lonely = queue.put(6, { timeout: 5 });
  await failureOf(lonely, QueueFullError);
  await within(queue.get(), "5");
  const later = queue.put(7);
  await within(later, "a put after the line was empty");
  assertEquals(queue.getSync(), 7);
});

test("Queue: close() fails the puts that wait, here and in other threads, and gives the items back", async () => {
  const queue = new Queue<unknown>(1);
  queue.putSync(0);
  const words = counters();
  const agent = spawn<string>(TASKS, "putOne", queue, words, { b: 2 });
  const item = { a: 1 };
  const put = queue.put(item);
  await until(words, 0, 1);
  await pause();
  queue.close();
  assert((await failureOf(put, QueueClosedError)).item === item);
  assertEquals(await within(all([agent]), "the other"), ['QueueClosedError {"b":2}']);
  assertEquals(queue.size, 1);
});

test("Queue: a bounded queue never holds more than maxSize items, whoever puts", async () => {
  const queue = new Queue<[number, number]>(5);
  const agents = [0, 1, 2].map((writer) => spawn(TASKS, "produce", queue, writer, 400));
  let most = 0;
  for (let i = 0; i < 1200; i++) {
    most = Math.max(most, queue.size);
    await within(queue.get(), "an item");
    if (i % 100 === 0) await pause();
  }
  await all(agents);
  assert(most <= 5, `${most}`);
  assert(queue.empty);
});

test("Queue: sizes are never negative nor too large while two others put and get", async () => {
  const queue = new Queue<[number, number]>(50);
  const agents = [spawn(TASKS, "produce", queue, 0, 20_000), spawn(TASKS, "consume", queue)];
  const seen = new Set<number>();
  let over = false;
  void agents[0]!.exited.then(() => over = true);
  while (!over) {
    for (let i = 0; i < 5000; i++) {
      const { size } = queue;
      assert(size >= 0 && size <= 50, `${size}`);
      seen.add(size);
    }
    await pause();
  }
  queue.close();
  await within(all(agents), "both");
  assert(seen.size > 1);
});

test("Queue: items of every size come back whole, across the borders of segments", () => {
  const random = randomNumbers(SEED);
  const queue = new Queue<unknown>();
  const waiting: unknown[] = [];
  const sizes = [1, 3, 4, 5, 100, 255, 256, 257, 5000, 65_500, 65_528, 65_529, 65_536, 131_072, 200_001];
  for (let i = 0; i < 3000; i++) {
    if (random() < 0.52) {
      const kind = random();
      const size = sizes[Math.floor(random() * (random() < 0.05 ? sizes.length : 9))] as number;
      const item = kind < 0.3
        ? i
        : kind < 0.5
        ? i + 0.5
        : kind < 0.6
        ? [null, undefined, true, false][i & 3]
        : kind < 0.8
        ? String.fromCharCode(97 + i % 26).repeat(size)
        : new Uint8Array(size).fill(i);
      queue.putSync(item);
      waiting.push(item);
    } else if (waiting.length > 0) assertEquals(queue.getSync(), waiting.shift(), `seed ${SEED}, step ${i}`);
    assertEquals(queue.size, waiting.length);
  }
  for (const item of waiting) assertEquals(queue.getNowait(), item, `seed ${SEED}`);
  assert(queue.empty);
});

test("Queue: 200 MB that were put and drained are used again", () => {
  const queue = new Queue<Uint8Array>();
  const chunk = new Uint8Array(1 << 20);
  const round = (): number => {
    for (let i = 0; i < 200; i++) queue.putSync(chunk);
    for (let i = 0; i < 200; i++) assertEquals(queue.getSync().length, chunk.length);
    return segmentsOf(queue as unknown as Queue<never>);
  };
  const first = round();
  assertEquals(first, round());
  for (let i = 0; i < 50_000; i++) {
    queue.putSync(new Uint8Array(8));
    queue.getSync();
  }
  assertEquals(segmentsOf(queue as unknown as Queue<never>), first);
});

test("Queue: a queue that is never long takes two segments, however much goes through it", () => {
  const queue = new Queue<number>(10);
  for (let i = 0; i < 100_000; i++) {
    queue.putSync(i);
    queue.getSync();
  }
  assert(segmentsOf(queue as unknown as Queue<never>) <= 3);
});

test("Queue: a breakable for await takes no item that it does not give", async () => {
  const queue = new Queue<number>();
  for (let i = 0; i < 10; i++) queue.putSync(i);
  for await (const item of queue) if (item === 3) break;
  assertEquals(queue.size, 6);
  const iterator = queue[Symbol.asyncIterator]();
  assertEquals(await iterator.next(), { value: 4, done: false });
  assertEquals(await iterator.return?.("over"), { value: "over", done: true });
  assertEquals(await iterator.next(), { value: undefined, done: true });
  assertEquals(queue.size, 5);
});

test("Queue: its errors cross to other processes as themselves", () => {
  const closed = decodeError(encodeError(new QueueClosedError("closed", { a: 1 })), "Worker") as QueueClosedError;
  assert(closed instanceof QueueClosedError && closed instanceof QueueError);
  assertEquals(closed.item, { a: 1 });
  assert(decodeError(encodeError(new QueueFullError("full")), "Worker") instanceof QueueFullError);
  assert(decodeError(encodeError(new QueueEmptyError("empty")), "Worker") instanceof QueueEmptyError);
});

test("JoinableQueue: join() waits until every item is done", async () => {
  const queue = new JoinableQueue<number>();
  assert(await queue.join());
  assert(queue.joinSync());
  for (let i = 0; i < 3; i++) queue.putSync(i);
  assertEquals(queue.unfinished, 3);
  assertEquals([await queue.join({ timeout: 5 }), queue.joinSync({ timeout: 5 }), await queue.join({ timeout: 0 })], [
    false,
    false,
    false,
  ]);
  const joins = [queue.join(), queue.join()];
  for (let i = 0; i < 3; i++) {
    queue.getSync();
    assertEquals(queue.unfinished, 3 - i);
    queue.taskDone();
  }
  assertEquals(await within(Promise.all(joins), "the joins"), [true, true]);
  assertThrows(() => queue.taskDone(), QueueError, "every item");
  const controller = new AbortController();
  queue.putSync(1);
  const aborted = queue.join({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => aborted, Error, "enough");
});

test("JoinableQueue: closing it does not change what is left to do", async () => {
  const queue = new JoinableQueue<number>();
  queue.putSync(1);
  queue.close();
  assertEquals(queue.unfinished, 1);
  const join = queue.join();
  queue.getSync();
  queue.taskDone();
  assert(await within(join, "join"));
  assertThrows(() => queue.taskDone(), QueueError);
});

// CPython's cases, from `_TestQueue` in `_test_multiprocessing.py`.

test("CPython test_put: six forms of put, all of them refused by a full queue, and nothing lost", async () => {
  const queue = new Queue<number>(6);
  const words = counters();
  const agent = spawn(TASKS, "getSix", queue, words);
  assertEquals([queue.empty, queue.full], [true, false]);
  await queue.put(1);
  await queue.put(2, {});
  queue.putSync(3);
  queue.putSync(4, { timeout: 100 });
  await queue.put(5, { timeout: 100 });
  queue.putNowait(6);
  assertEquals([queue.empty, queue.full], [false, true]);
  assertThrows(() => queue.putNowait(7), QueueFullError);
  assertThrows(() => queue.putSync(7, { timeout: 0 }), QueueFullError);
  await assertRejects(() => queue.put(7, { timeout: 0 }), QueueFullError);
  const start = performance.now();
  assertThrows(() => queue.putSync(7, { timeout: 20 }), QueueFullError);
  await assertRejects(() => queue.put(7, { timeout: 20 }), QueueFullError);
  assert(performance.now() - start >= 38);
  store(words, 0, 1);
  Atomics.notify(words, 0);
  await eventually(() => load(words, 1) === 1, "the child has taken six");
  assertEquals([queue.empty, queue.full], [true, false]);
  await all([agent]);
});

test("CPython test_get: every form of get, in order, and Empty when there is nothing", async () => {
  const queue = new Queue<number>();
  const agent = spawn(TASKS, "produce", queue, 0, 4);
  await all([agent]);
  assert(!queue.empty);
  const got = [
    await queue.get(),
    queue.getSync({ timeout: 1000 }),
    queue.getNowait(),
    await queue.get({ timeout: 1000 }),
  ];
  assertEquals(got.map((item) => (item as unknown as number[])[1]), [0, 1, 2, 3]);
  assert(queue.empty);
  assertThrows(() => queue.getNowait(), QueueEmptyError);
  assertThrows(() => queue.getSync({ timeout: 0 }), QueueEmptyError);
  const start = performance.now();
  assertThrows(() => queue.getSync({ timeout: 20 }), QueueEmptyError);
  await assertRejects(() => queue.get({ timeout: 20 }), QueueEmptyError);
  assert(performance.now() - start >= 38);
});

test("CPython test_fork: what was put before a child starts is put once", async () => {
  const queue = new Queue<number | [number, number]>();
  for (let i = 0; i < 10; i++) queue.putSync(i);
  await all([spawn(TASKS, "produce", queue, 0, 10)]);
  const got = Array.from({ length: 20 }, () => queue.getNowait());
  assertEquals(got.slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(got.slice(10).map((item) => (item as [number, number])[1]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertThrows(() => queue.getNowait(), QueueEmptyError);
});

test("CPython test_qsize: sizes on every platform", () => {
  const queue = new Queue<number>();
  assertEquals(queue.size, 0);
  queue.putSync(1);
  assertEquals(queue.size, 1);
  queue.putSync(5);
  assertEquals(queue.size, 2);
  queue.getSync();
  assertEquals(queue.size, 1);
  queue.getNowait();
  assertEquals(queue.size, 0);
});

test("CPython test_task_done: join() after the workers have done all, twice", async () => {
  const queue = new JoinableQueue<number | null>();
  const agents = Array.from({ length: 4 }, () => spawn(TASKS, "work", queue));
  for (let i = 0; i < 10; i++) queue.putSync(i);
  await within(queue.join(), "join");
  for (let i = 0; i < 10; i++) queue.putSync(i);
  assert(queue.joinSync({ timeout: 40_000 }));
  for (const _ of agents) queue.putSync(null);
  await within(all(agents), "the workers");
});

test("CPython test_timeout: a get waits as long as it was told", async () => {
  const queue = new Queue<number>();
  const start = performance.now();
  assertThrows(() => queue.getSync({ timeout: 200 }), QueueEmptyError);
  assert(performance.now() - start >= 199);
  const again = performance.now();
  await assertRejects(() => queue.get({ timeout: 200 }), QueueEmptyError);
  assert(performance.now() - again >= 199);
});

test("CPython test_queue_feeder_donot_stop_onexc: an item that cannot be sent stops nothing", async () => {
  const queue = new Queue<unknown>();
  await assertRejects(() => queue.put(() => 1));
  queue.putSync(true);
  assertEquals([await queue.get({ timeout: 1000 }), queue.size], [true, 0]);
});

test("CPython test_closed_queue_put_get_exceptions: both fail on a closed queue", () => {
  for (const queue of [new Queue<string>(), new JoinableQueue<string>()]) {
    queue.close();
    assertThrows(() => queue.putSync("foo"), QueueClosedError, "is closed");
    assertThrows(() => queue.getSync(), QueueClosedError, "is closed");
  }
});
