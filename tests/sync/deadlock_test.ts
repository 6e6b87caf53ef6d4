/** Deadlock reports: every circle is reported once, to one of its members, and nothing else is. */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { detectDeadlocks } from "../../src/sync/deadlock.ts";
import { DeadlockError } from "../../src/errors.ts";
import { Lock } from "../../src/sync/lock.ts";
import { RLock } from "../../src/sync/rlock.ts";
import { RWLock } from "../../src/sync/rwlock.ts";
import type { Lockable } from "../../src/sync/guard.ts";
import { load, store } from "../../src/memory/atomics.ts";
import { type Agent, all, counters, pause, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { SEED } from "../kit/random.ts";

const WORKERS: string = besides(import.meta, "workers");

interface Report extends Error {
  readonly cycle?: readonly string[];
}

/** Lets the agents end; who got both locks, and what was reported. */
async function outcomes(agents: readonly Agent<string>[]): Promise<{ passed: number; reports: Report[] }> {
  const settled = await Promise.allSettled(agents.map((agent) => agent.result));
  await Promise.all(agents.map((agent) => agent.exited));
  const reports = settled.flatMap((one) => one.status === "rejected" ? [one.reason as Report] : []);
  for (const report of reports) assertEquals(report.name, "DeadlockError", report.message);
  return { passed: settled.length - reports.length, reports };
}

function ring(locks: readonly Lockable[], task: string): Agent<string>[] {
  const words = counters();
  return locks.map((lock, i) => spawn<string>(WORKERS, task, lock, locks[(i + 1) % locks.length], words, locks.length));
}

test("the guide's two locks: one process gets a DeadlockError that names both, the other goes on", async () => {
  const locks = [new Lock({ name: "A" }), new Lock({ name: "B" })];
  const agents = ring(locks, "circle");
  const { passed, reports } = await outcomes(agents);
  assertEquals(passed, 1);
  assertEquals(reports.length, 1);
  const report = reports[0] as Report;
  for (const agent of agents) assert(report.message.includes(agent.name), report.message);
  assert(report.message.includes('Lock "A"') && report.message.includes('Lock "B"'), report.message);
  assertEquals(report.cycle?.length, 2);
});

test("three processes in a ring, with RLocks and asynchronously too", async () => {
  for (const task of ["circle", "circleAsync"]) {
    const { passed, reports } = await outcomes(ring([new RLock(), new RLock(), new RLock()], task));
    assertEquals([passed, reports.length], [2, 1]);
    assertEquals(reports[0]?.cycle?.length, 3);
  }
});

test("a circle through both sides of RWLocks", async () => {
  const [a, b] = [new RWLock(), new RWLock()];
  const words = counters();
  const agents = [
    spawn<string>(WORKERS, "circle", a.read, b.write, words, 2),
    spawn<string>(WORKERS, "circle", b.read, a.write, words, 2),
  ];
  const { passed, reports } = await outcomes(agents);
  assertEquals([passed, reports.length], [1, 1]);
});

test("the blocked main thread is part of a circle as well", async () => {
  const [a, b] = [new Lock({ name: "main's" }), new Lock({ name: "worker's" })];
  const words = counters();
  const agent = spawn<string>(WORKERS, "circle", b, a, words, 2);
  const guard = a.acquireSync();
  while (load(words, 0) < 1) await pause();
  store(words, 0, 2);
  let mine: unknown;
  try {
    b.acquireSync().release();
  } catch (error) {
    mine = error;
  }
  guard.release();
  const { passed } = await outcomes([agent]);
  assertEquals(passed === 1, mine instanceof DeadlockError);
});

test("a wait with a time limit is no deadlock", async () => {
  const [a, b] = [new Lock(), new Lock()];
  const words = counters();
  const agent = spawn<string>(WORKERS, "circle", b, a, words, 1);
  const guard = a.acquireSync();
  await until(words, 0, 1);
  assertEquals(b.acquireSync({ timeout: 500 }), null);
  assertEquals(await b.acquire({ timeout: 100 }), null);
  guard.release();
  assertEquals(await agent.result, "got both");
});

test("an asynchronous wait of the main thread is never called deadlocked", async () => {
  const [a, b] = [new Lock(), new Lock()];
  const words = counters();
  const agent = spawn<string>(WORKERS, "circle", b, a, words, 1);
  const guard = await a.acquire();
  await until(words, 0, 1);
  const pending = b.acquire();
  setTimeout(() => guard.release(), 500); // the event loop is not blocked: it does get here
  (await pending).release();
  assertEquals(await agent.result, "got both");
});

test("detectDeadlocks() switches reports off, for all processes, and sets their interval", async () => {
  const lock = new Lock();
  const guard = lock.acquireSync();
  assertThrows(() => lock.acquireSync(), DeadlockError);
  assertThrows(() => detectDeadlocks(true, { interval: 0 }), RangeError);
  detectDeadlocks(false);
  try {
    const [a, b] = [new Lock(), new Lock()];
    const agents = ring([a, b], "circle");
    const results = Promise.allSettled(agents.map((agent) => agent.result));
    const patience = new Promise<string>((resolve) => setTimeout(() => resolve("nothing"), 700));
    assertEquals(await Promise.race([results, patience]), "nothing");
    detectDeadlocks(true, { interval: 20 });
    const { reports } = await outcomes(agents);
    assertEquals(reports.length, 1);
  } finally {
    detectDeadlocks(true);
    guard.release();
  }
});

test("no report where waits are long but end", async () => {
  const lock = new Lock();
  const words = counters();
  const holder = spawn(WORKERS, "hold", lock, words);
  await until(words, 0, 1);
  const waiters = [0, 1, 2].map(() => spawn(WORKERS, "countSync", lock, counters(), 10));
  await new Promise((resolve) => setTimeout(resolve, 600));
  store(words, 1, 1);
  await Promise.all([holder, ...waiters].map((agent) => agent.result));
});

test("rejections are DeadlockErrors with their circle", async () => {
  const lock = new RWLock();
  const outer = lock.read.acquireSync();
  const error = assertThrows(() => lock.write.acquireSync(), DeadlockError) as unknown as DeadlockError;
  assertEquals(error.cycle.length, 1);
  outer.release();
  await assertRejects(() => Promise.reject(error), DeadlockError);
});

test("no report where everybody takes locks in one order, however hard they are looked for", async () => {
  detectDeadlocks(true, { interval: 1 });
  try {
    const rw = new RWLock();
    const locks = [new Lock(), new RLock(), rw.write, new Lock(), new RLock()];
    const words = counters();
    const agents = [0, 1, 2, 3, 4].map((i) =>
      spawn<number>(WORKERS, i < 3 ? "takeInOrder" : "takeInOrderAsync", locks, words, 100, SEED + i)
    );
    assertEquals(await all(agents), [0, 0, 0, 0, 0], `MANYCORE_SEED=${SEED}`);
    assertEquals(load(words, 0), 500);
    for (const lock of locks) assert(!lock.locked);
  } finally {
    detectDeadlocks(true);
  }
});
