/** Event: CPython's `lock_tests`, and what is ours. */
import { test } from "node:test";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Event } from "../../src/sync/event.ts";
import { all, counters, pause, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { SOAK } from "../kit/runtime.ts";

const WORKERS: string = besides(import.meta, "workers");

test("Event: is set, cleared and set again, and waits say whether it was", async () => {
  const event = new Event();
  assertEquals(event.isSet, false);
  assertEquals(event.waitSync({ timeout: 5 }), false);
  assertEquals(await event.wait({ timeout: 5 }), false);
  assertEquals(await event.wait({ timeout: 0 }), false);
  event.set();
  event.set();
  assertEquals(event.isSet, true);
  assertEquals(event.waitSync(), true);
  assertEquals(await event.wait(), true);
  event.clear();
  event.clear();
  assertEquals(event.isSet, false);
  assertEquals(event.waitSync({ timeout: 0 }), false);
});

test("Event: set() wakes every waiter, threads and event loops", async () => {
  const event = new Event();
  const words = counters();
  const agents = [0, 1, 2].map(() => spawn<boolean>(WORKERS, "waitEvent", event, words));
  const here = [event.wait(), event.wait()];
  await until(words, 0, 3);
  event.set();
  assertEquals(await all(agents), [true, true, true]);
  assertEquals(await Promise.all(here), [true, true]);
});

test("Event: a pulse, set() and clear() at once, reaches everyone who waits", async () => {
  for (let i = 0; i < 10; i++) {
    const event = new Event();
    const words = counters();
    const here = event.wait();
    const agent = i === 0 ? spawn<boolean>(WORKERS, "waitEvent", event, words) : undefined;
    if (agent) await until(words, 0, 1);
    // The agent is about to sleep, or sleeps: a slice of time is long enough for it to have looked once.
    for (let turn = 0; agent && turn < 20; turn++) await pause();
    event.set();
    event.clear();
    assertEquals(await here, true);
    if (agent) assertEquals(await agent.result, true);
  }
});

test("Event: ping-pong over two events loses none", async () => {
  const [ping, pong] = [new Event(), new Event()];
  const agent = spawn(WORKERS, "echoEvents", ping, pong, 2000);
  for (let i = 0; i < 2000; i++) {
    ping.set();
    if (i % 2) pong.waitSync();
    else await pong.wait();
    pong.clear();
  }
  await agent.result;
});

test("Event: an aborted wait rejects with the signal's reason", async () => {
  const event = new Event();
  const controller = new AbortController();
  const pending = event.wait({ signal: controller.signal });
  await pause();
  controller.abort(new Error("enough"));
  await assertRejects(() => pending, Error, "enough");
  assertThrows(() => event.waitSync({ signal: controller.signal }), Error, "enough");
});

test("Event: set() on an event that is set is not lost beside a clear() (litmus: store buffering)", async () => {
  const event = new Event();
  const words = new Int32Array(new SharedArrayBuffer(1024));
  const times = SOAK ? 1_000_000 : 50_000;
  const lost = await all(
    [0, 1].map((side) => spawn<number>(WORKERS, "storeBuffering", event, words, times, side)),
  );
  assertEquals(lost, [0, 0]);
});
