/** Semaphore and BoundedSemaphore: CPython's `lock_tests`, and what is ours. */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { BoundedSemaphore, Semaphore } from "../../src/sync/semaphore.ts";
import { pack, unpack } from "../../src/transport/handles.ts";
import { load, store } from "../../src/memory/atomics.ts";
import { all, counters, pause, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { eventually, within } from "../kit/wait.ts";
import { wordsOf } from "./words.ts";

const WORKERS: string = besides(import.meta, "workers");

test("Semaphore: permits are counted, with guards and without", async () => {
  const semaphore = new Semaphore(2);
  assertEquals(semaphore.value, 2);
  const first = semaphore.acquireSync();
  const second = await semaphore.acquire();
  assertEquals(semaphore.value, 0);
  assertEquals(semaphore.tryAcquire(), null);
  assertEquals(semaphore.acquireSync({ timeout: 5 }), null);
  assertEquals(semaphore.acquireSync({ timeout: 0 }), null);
  assertEquals(await semaphore.acquire({ timeout: 5 }), null);
  assertEquals(await semaphore.acquire({ timeout: -5 }), null);
  first.release();
  first.release();
  assertEquals(semaphore.value, 1);
  second.release();
  semaphore.release(3);
  assertEquals(semaphore.value, 5);
});

test("Semaphore: 0 permits, then a release by anyone, is a signal", async () => {
  const semaphore = new Semaphore(0);
  const waits = [semaphore.acquire(), semaphore.acquire(), semaphore.acquire()];
  await pause();
  semaphore.release(2);
  await Promise.race([Promise.all(waits.slice(0, 2)), waits[2]]);
  assertEquals(semaphore.value, 0);
  semaphore.release();
  await Promise.all(waits);
});

test("Semaphore: mistakes in arguments are refused", () => {
  assertThrows(() => new Semaphore(-1), RangeError, "-1");
  assertThrows(() => new Semaphore(1.5), RangeError);
  assertThrows(() => new Semaphore("1" as unknown as number), TypeError);
  const semaphore = new Semaphore();
  assertEquals(semaphore.value, 1);
  assertThrows(() => semaphore.release(0), RangeError);
  assertThrows(() => semaphore.release("2" as unknown as number), TypeError);
});

test("BoundedSemaphore: releasing more than was acquired is a RangeError", async () => {
  const semaphore = new BoundedSemaphore(2);
  assertThrows(() => semaphore.release(), RangeError, "at most 2");
  const guard = semaphore.acquireSync();
  assertThrows(() => semaphore.release(2), RangeError);
  guard.release();
  assertEquals(semaphore.value, 2);
  const copy = unpack(pack([semaphore], "x").value) as [BoundedSemaphore];
  assert(copy[0] instanceof BoundedSemaphore);
  assertThrows(() => copy[0].release(), RangeError, "at most 2");
  assertEquals(await semaphore.run(() => copy[0].value), 1);
  assertEquals(semaphore.runSync(() => copy[0].value), 1);
});

test("Semaphore: never more than n are out, and none is lost, between threads and event loops", async () => {
  const semaphore = new Semaphore(2);
  const words = counters();
  const agents = [
    spawn(WORKERS, "permits", semaphore, words, 10000),
    spawn(WORKERS, "permits", semaphore, words, 10000),
    spawn(WORKERS, "permits", semaphore, words, 10000),
    spawn(WORKERS, "permitsAsync", semaphore, words, 1000),
    spawn(WORKERS, "permitsAsync", semaphore, words, 1000),
  ];
  await all(agents);
  assertEquals(semaphore.value, 2);
  assert(load(words, 1) <= 2, `${load(words, 1)} were out`);
});

test("Semaphore: an aborted wait rejects, and hands its wake on", async () => {
  const semaphore = new Semaphore(0);
  for (let i = 0; i < 50; i++) {
    const controller = new AbortController();
    const first = semaphore.acquire({ signal: controller.signal });
    const second = semaphore.acquire();
    if (i % 2) await pause();
    semaphore.release();
    controller.abort(new Error("enough"));
    const outcome = await first.then(() => "got", () => "aborted");
    if (outcome === "got") semaphore.release();
    await second;
    assertEquals(semaphore.value, 0);
  }
});

test("Semaphore: a waiter does not starve beside threads that take the permit again and again", async () => {
  const semaphore = new Semaphore(1);
  const words = counters();
  const agents = [0, 1].map(() => spawn(WORKERS, "greedy", semaphore, words));
  await until(words, 0, 1000);
  for (let i = 0; i < 20; i++) {
    (await semaphore.acquire()).release();
    semaphore.acquireSync().release();
  }
  store(words, 1, 1);
  await all(agents);
  assertEquals(semaphore.value, 1);
});

test("Semaphore: a wait with an aborted signal does not begin", async () => {
  const semaphore = new Semaphore(0);
  const signal = AbortSignal.abort(new Error("before"));
  await assertRejects(() => semaphore.acquire({ signal }), Error, "before");
  assertThrows(() => semaphore.acquireSync({ signal }), Error, "before");
});

test("BoundedSemaphore: a release of too many is refused as a whole, also while somebody waits", async () => {
  for (const surplus of [1, 2]) {
    const semaphore = new BoundedSemaphore(2);
    semaphore.acquireSync();
    semaphore.acquireSync();
    const words = wordsOf(semaphore);
    const pending = semaphore.acquire();
    await eventually(() => load(words, 1) !== 0, "the waiter's claim");
    assertThrows(() => semaphore.release(2 + surplus), RangeError, "at most 2");
    assertEquals(semaphore.value, 0);
    semaphore.release(2); // one for the waiter
    (await within(pending, "the waiter")).release();
    assertEquals(semaphore.value, 2);
    assertThrows(() => semaphore.release(), RangeError, "at most 2");
  }
});

test("Semaphore: release(n) reaches n waiters, and no more (CPython: test_multirelease, test_acquire_contended)", async () => {
  const semaphore = new Semaphore(7);
  for (let i = 0; i < 7; i++) semaphore.acquireSync();
  const words = counters();
  const agents = Array.from({ length: 10 }, () => spawn(WORKERS, "takePermits", semaphore, words, 1));
  await until(words, 0, 10);
  for (const [n, sum] of [[7, 7], [1, 8], [2, 10]] as const) {
    semaphore.release(n);
    await eventually(() => load(words, 1) === sum, `${sum} permits`);
    assertEquals(semaphore.value, 0);
  }
  await all(agents);
  semaphore.release(3);
  assertEquals(semaphore.value, 3);
});
