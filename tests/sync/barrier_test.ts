/** Barrier: CPython's `lock_tests.BarrierTests`, and what is ours. */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { BrokenBarrierError } from "../../src/errors.ts";
import { store } from "../../src/memory/atomics.ts";
import { Barrier } from "../../src/sync/barrier.ts";
import { all, counters, pause, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { within } from "../kit/wait.ts";

const WORKERS: string = besides(import.meta, "workers");

test("Barrier: everyone gets an index of its own, and the next round works", async () => {
  const barrier = new Barrier(3);
  const words = counters();
  for (let round = 0; round < 2; round++) {
    const agents = [
      spawn<number>(WORKERS, "meet", barrier, words),
      spawn<number>(WORKERS, "meetAsync", barrier, words),
    ];
    const here = await barrier.wait();
    const indexes = [here, ...await all(agents)];
    assertEquals(indexes.sort(), [0, 1, 2]);
    assertEquals(barrier.waiting, 0);
  }
});

test("Barrier: thousands of rounds in lock-step", async () => {
  const barrier = new Barrier(3);
  const words = counters();
  const agents = [0, 1, 2].map(() => spawn<number>(WORKERS, "rounds", barrier, words, 1000));
  const sums = await all(agents);
  assertEquals(sums.reduce((a, b) => a + b), 1000 * 3);
});

test("Barrier: counts who waits", async () => {
  const barrier = new Barrier(3);
  assertEquals(barrier.parties, 3);
  const waits = [barrier.wait(), barrier.wait()];
  assertEquals(barrier.waiting, 2);
  assertEquals(await barrier.wait(), 2);
  assertEquals(await Promise.all(waits), [0, 1]);
});

test("Barrier: abort() breaks it for those who wait and those who come, until reset()", async () => {
  const barrier = new Barrier(3);
  const words = counters();
  const agents = [
    spawn<string>(WORKERS, "meet", barrier, words),
    spawn<string>(WORKERS, "meetAsync", barrier, words),
  ];
  await until(words, 0, 2);
  while (barrier.waiting < 2) await pause();
  barrier.abort();
  assertEquals(await all(agents), ["BrokenBarrierError", "BrokenBarrierError"]);
  assert(barrier.broken);
  await assertRejects(() => barrier.wait(), BrokenBarrierError);
  assertThrows(() => barrier.waitSync(), BrokenBarrierError);
  barrier.reset();
  assert(!barrier.broken);
  assertEquals(await Promise.all([barrier.wait(), barrier.wait(), barrier.wait()]), [0, 1, 2]);
});

test("Barrier: reset() breaks it for those who wait only", async () => {
  const barrier = new Barrier(2);
  const words = counters();
  for (let i = 0; i < 3; i++) {
    const agent = spawn<string>(WORKERS, i % 2 ? "meet" : "meetAsync", barrier, words);
    while (barrier.waiting < 1) await pause();
    barrier.reset();
    assertEquals(barrier.broken, false);
    assertEquals(await agent.result, "BrokenBarrierError");
  }
  assertEquals(await Promise.all([barrier.wait(), barrier.wait()]), [0, 1]);
});

test("Barrier: a wait that times out breaks it for all", async () => {
  const barrier = new Barrier(3, { timeout: 20 });
  const words = counters();
  const agent = spawn<string>(WORKERS, "meet", barrier, words, 60000);
  while (barrier.waiting < 1) await pause();
  await assertRejects(() => barrier.wait(), BrokenBarrierError, "time limit");
  assertEquals(await agent.result, "BrokenBarrierError");
  assert(barrier.broken);
  barrier.reset();
  assertThrows(() => barrier.waitSync(), BrokenBarrierError);
});

test("Barrier: an aborted wait rejects with the signal's reason and breaks it", async () => {
  const barrier = new Barrier(2);
  const controller = new AbortController();
  const pending = barrier.wait({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => pending, Error, "enough");
  assert(barrier.broken);
});

test("Barrier: the action runs once a round, before anyone goes on", async () => {
  let runs = 0;
  const barrier = new Barrier(2, { action: () => void runs++ });
  for (let i = 1; i <= 3; i++) {
    const seen = await Promise.all([barrier.wait().then(() => runs), barrier.wait().then(() => runs)]);
    assertEquals(seen, [i, i]);
  }
});

test("Barrier: an action that throws breaks it; its process gets the error", async () => {
  const barrier = new Barrier(2, {
    action: () => {
      throw new Error("bad action");
    },
  });
  const first = barrier.wait();
  await assertRejects(() => barrier.wait(), Error, "bad action");
  await assertRejects(() => first, BrokenBarrierError);
  assert(barrier.broken);
  const single = new Barrier(1, {
    action: () => {
      throw new Error("alone");
    },
  });
  assertThrows(() => single.waitSync(), Error, "alone");
  assert(single.broken);
});

test("Barrier: of one party never waits", async () => {
  const barrier = new Barrier(1);
  assertEquals(barrier.waitSync(), 0);
  assertEquals(await barrier.wait(), 0);
});

test("Barrier: mistakes in arguments are refused", () => {
  assertThrows(() => new Barrier(0), RangeError);
  assertThrows(() => new Barrier(1.5), RangeError);
  assertThrows(() => new Barrier("2" as unknown as number), TypeError);
  assertThrows(() => new Barrier(2, { timeout: NaN }), RangeError);
  assertThrows(() => new Barrier(2, { action: 1 as unknown as () => void }), TypeError);
});

test("Barrier: reset() between two rounds does nothing to the next (CPython: test_reset, with N − 1 waiting before)", async () => {
  const barrier = new Barrier(3);
  const words = counters();
  for (let i = 0; i < 2; i++) {
    barrier.reset();
    assertEquals(await within(Promise.all([barrier.wait(), barrier.wait(), barrier.wait()]), "a round"), [0, 1, 2]);
    barrier.reset();
    const agents = [
      spawn<string>(WORKERS, "meet", barrier, words),
      spawn<string>(WORKERS, "meetAsync", barrier, words),
    ];
    while (barrier.waiting < 2) await pause();
    barrier.reset();
    assertEquals(await all(agents), ["BrokenBarrierError", "BrokenBarrierError"]);
  }
});

test("Barrier: abort, and reset when all know of it (CPython: test_abort_and_reset)", async () => {
  const [first, second] = [new Barrier(3), new Barrier(3)];
  const words = counters();
  const agents = [0, 1].map(() => spawn<string>(WORKERS, "abortAndReset", first, second, words));
  const here = first.wait().then(() => "passed", (error: Error) => error.name);
  assertEquals(await within(here, "the wait"), "BrokenBarrierError");
  assert(first.broken);
  if (await within(second.wait(), "the second barrier") === 2) first.reset();
  await within(second.wait(), "the second barrier");
  await within(first.wait(), "the first barrier");
  assertEquals(await all(agents), ["passed", "passed"]);
});

test("Barrier: who comes while the action of the round before runs waits for it without blocking, and has a time limit", async () => {
  const barrier = new Barrier(2);
  const words = counters();
  const agent = spawn<string>(WORKERS, "meetSlowly", barrier, words);
  const first = barrier.wait();
  await until(words, 0, 1); // the action runs, and goes on until it is told to end
  const early = barrier.wait();
  const controller = new AbortController();
  await pause(); // the event loop turns
  store(words, 1, 1);
  await within(first, "the first round");
  // Who of the two is counted first is open: the early one has to hear that the round is over.
  const places = await within(Promise.all([early, barrier.wait()]), "the second round");
  assertEquals(places.sort(), [0, 1]);
  await agent.result;

  store(words, 1, 0);
  const other = spawn<string>(WORKERS, "meetSlowly", barrier, words);
  const third = barrier.wait();
  third.catch(() => {});
  await until(words, 0, 2);
  const limited = barrier.wait({ timeout: 1 });
  await assertRejects(() => within(limited, "the early one"), BrokenBarrierError, "time limit");
  await assertRejects(() => barrier.wait({ signal: controller.signal }), BrokenBarrierError);
  assertThrows(() => barrier.waitSync({ timeout: 1 }), BrokenBarrierError);
  store(words, 1, 1);
  await assertRejects(() => third, BrokenBarrierError);
  assertEquals(await other.result, "BrokenBarrierError");
});
