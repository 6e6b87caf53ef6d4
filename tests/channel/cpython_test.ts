/** CPython's cases of queues and `wait` that need a module, or a process, of their own. */
import { test } from "node:test";
import { assertEquals } from "@std/assert";
import { Event, Pipe, Process, Queue, SimpleQueue, wait } from "@manycore/multiprocessing";
import { within } from "../kit/wait.ts";
import { nothing, tellEmpty } from "./pipe_tasks.ts";
import { answer, got, tell } from "./queue_at_import.ts";

test("CPython test_no_import_lock_contention: a queue is used while a module is imported, here and in a child", async () => {
  assertEquals([got, answer], ["knock knock", "who is there?"]);
  const back = new Queue<string>();
  const process = new Process(tell, [back]);
  process.start();
  assertEquals(await within(back.get(), "the child"), "knock knock who is there?");
  await process.join();
  assertEquals(process.exitCode, 0);
});

test("CPython TestSimpleQueue.test_empty: two processes take turns", async () => {
  const queue = new SimpleQueue<boolean>();
  const [childMay, parentMay] = [new Event(), new Event()];
  const process = new Process(tellEmpty, [queue, childMay, parentMay]);
  process.start();
  assertEquals(queue.empty, true);
  childMay.set();
  await within(parentMay.wait(), "the child");
  assertEquals(queue.empty, false);
  assertEquals([await queue.get(), await queue.get()], [true, false]);
  assertEquals(queue.empty, true);
  await process.join();
});

test("CPython test_closed_queue_empty_exceptions: a closed queue says whether there is an item, as documented", () => {
  for (const queue of [new Queue<number>(), new SimpleQueue<number>()]) {
    queue.putSync(1);
    queue.close();
    assertEquals(queue.empty, false);
    queue.getSync();
    assertEquals(queue.empty, true);
  }
});

test("CPython TestWait.test_wait_integer: connections and a process, ready one after the other", async () => {
  const [a, b] = Pipe<null>();
  const process = new Process(nothing, []);
  const things = [a, process, b];
  process.start();
  assertEquals(await within(wait(things, { timeout: 20_000 }), "the process"), [process]);
  assertEquals(await wait([a, b], { timeout: 20 }), []);
  await a.send(null);
  assertEquals(await wait(things, { timeout: 20_000 }), [process, b]);
  await b.send(null);
  assertEquals(await wait(things, { timeout: 20_000 }), things);
  await process.join();
});
