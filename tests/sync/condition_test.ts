/** Condition, with each kind of lock: CPython's `lock_tests`, and what is ours. */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NotOwnerError } from "../../src/errors.ts";
import { tokenOf } from "../../src/memory/agents.ts";
import { load, setGate, store } from "../../src/memory/atomics.ts";
import { StopRequested } from "../../src/memory/park.ts";
import { selfAgent } from "../../src/memory/self.ts";
import { Condition } from "../../src/sync/condition.ts";
import type { Lockable } from "../../src/sync/guard.ts";
import { Lock } from "../../src/sync/lock.ts";
import { RLock } from "../../src/sync/rlock.ts";
import { RWLock } from "../../src/sync/rwlock.ts";
import { all, counters, pause, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { wordsOf } from "./words.ts";

const WORKERS: string = besides(import.meta, "workers");

const KINDS: readonly { readonly name: string; readonly make: () => Lockable | undefined }[] = [
  { name: "Condition()", make: () => undefined },
  { name: "Condition(Lock)", make: () => new Lock() },
  { name: "Condition(RWLock.write)", make: () => new RWLock().write },
];

test("Condition: its lock must be one of ours, and not the read side", () => {
  assertThrows(() => new Condition({} as Lockable), TypeError, "must be a Lock");
  assertThrows(() => new Condition(new RWLock().read), TypeError, "write side");
  const lock = new Lock();
  assertEquals(new Condition(lock).lock, lock);
});

for (const { name, make } of KINDS) {
  test(`${name}: waiting and notifying need the lock`, async () => {
    const condition = new Condition(make());
    await assertRejects(() => condition.wait(), NotOwnerError);
    assertThrows(() => condition.waitSync(), NotOwnerError);
    assertThrows(() => condition.notify(), NotOwnerError);
    assertThrows(() => condition.notifyAll(), NotOwnerError);
    assertThrows(() => condition.notify(-1), RangeError);
  });

  test(`${name}: what keeps a waiter from getting the lock back is what its caller sees`, () => {
    const condition = new Condition(make());
    const { table } = selfAgent();
    const other = table.register();
    const words = wordsOf(condition.lock);
    let slept = false;
    // While it sleeps, another takes the lock; while it wants that back, it is asked to stop.
    setGate({
      step: () => {},
      notify: () => 0,
      wait: () => {
        if (slept) table.requestStop(selfAgent());
        else store(words, 0, tokenOf(other));
        slept = true;
        return "timed-out";
      },
    });
    try {
      assertThrows(() => condition.runSync(() => condition.waitSync()), StopRequested);
    } finally {
      setGate(undefined);
      store(table.words, table.stopIndex(selfAgent()), 0);
      table.markDead(other);
    }
    assertEquals(condition.tryAcquire()?.recovered, name !== "Condition(RWLock.write)");
  });

  test(`${name}: a notify that nobody waits for is lost, and a wait times out with the lock held`, async () => {
    const condition = new Condition(make());
    const guard = await condition.acquire();
    condition.notify();
    condition.notifyAll();
    assertEquals(condition.waitSync({ timeout: 10 }), false);
    assert(condition.locked);
    assertEquals(await condition.wait({ timeout: 10 }), false);
    assert(condition.locked);
    guard.release();
    assert(!condition.locked);
  });

  test(`${name}: notify(n) wakes n, the oldest first; notifyAll() the rest`, async () => {
    const condition = new Condition(make());
    const words = counters();
    const agents = [0, 1, 2, 3, 4].map((i) =>
      spawn<boolean>(WORKERS, i < 3 ? "waitOnce" : "waitOnceAsync", condition, words)
    );
    await until(words, 0, 5);
    await condition.run(() => condition.notify(2));
    await until(words, 1, 2);
    await condition.run(() => assertEquals(load(words, 1), 2));
    await condition.run(() => condition.notify());
    await until(words, 1, 3);
    await condition.run(() => condition.notifyAll());
    assertEquals(await all(agents), [true, true, true, true, true]);
  });

  test(`${name}: a wait that has timed out takes no later notify`, async () => {
    const condition = new Condition(make());
    const words = counters();
    const hasty = [0, 1].map(() => spawn<boolean>(WORKERS, "waitOnce", condition, words, 1));
    assertEquals(await all(hasty), [false, false]);
    const patient = spawn<boolean>(WORKERS, "waitOnce", condition, words);
    await until(words, 0, 3);
    await condition.run(() => condition.notify());
    assertEquals(await patient.result, true);
  });

  test(`${name}: waitFor() returns what the predicate returned`, async () => {
    const condition = new Condition(make());
    const guard = condition.acquireSync();
    assertEquals(await condition.waitFor(() => "now"), "now");
    assertEquals(condition.waitForSync(() => "now"), "now");
    assertEquals(await condition.waitFor(() => 0, { timeout: 10 }), 0);
    assertEquals(condition.waitForSync(() => "", { timeout: 10 }), "");
    guard.release();
  });

  test(`${name}: producers and consumers, threads and event loops, pass every item once`, async () => {
    const condition = new Condition(make());
    const words = counters();
    const agents = [
      spawn(WORKERS, "produce", condition, words, 300),
      spawn(WORKERS, "produce", condition, words, 300),
      spawn<number>(WORKERS, "consume", condition, words, 300, false),
      spawn<number>(WORKERS, "consume", condition, words, 300, true),
    ];
    const [, , first, second] = await all(agents) as [void, void, number, number];
    assertEquals(first + second, 300 * 301);
  });

  test(`${name}: an aborted wait rejects with the lock held, and takes no notify`, async () => {
    const condition = new Condition(make());
    const words = counters();
    const agent = spawn<boolean>(WORKERS, "waitOnce", condition, words);
    await until(words, 0, 1);
    const controller = new AbortController();
    const guard = await condition.acquire();
    const pending = condition.wait({ signal: controller.signal });
    await pause();
    controller.abort(new Error("enough"));
    await assertRejects(() => pending, Error, "enough");
    condition.notify();
    guard.release();
    assertEquals(await agent.result, true);
  });
}

test("Condition: an RLock that is held twice is let go entirely, and its depth restored", async () => {
  const lock = new RLock();
  const condition = new Condition(lock);
  const words = counters();
  const agent = spawn<boolean>(WORKERS, "waitOnce", condition, words);
  await until(words, 0, 1);
  lock.acquireSync();
  lock.acquireSync();
  condition.notify();
  const back = spawn(WORKERS, "notifyWhenTold", condition, words);
  assertEquals(condition.waitSync(), true);
  assert(lock.locked);
  lock.release();
  assert(lock.locked);
  lock.release();
  assert(!lock.locked);
  await all<unknown>([agent, back]);
});

for (const { name, make } of KINDS) {
  test(`${name}: waiters do not starve beside threads that take the lock and notify again and again`, async () => {
    const condition = new Condition(make());
    const words = counters();
    const agents = [0, 1].map(() => spawn(WORKERS, "notifyGreedily", condition, words));
    await until(words, 0, 1000);
    for (let i = 0; i < 10; i++) {
      assert(condition.runSync(() => condition.waitSync()));
      assert(await condition.run(() => condition.wait()));
    }
    store(words, 1, 1);
    await all(agents);
  });

  test(`${name}: notify(n) for more than wait wakes those, and the rest is lost (CPython: test_notify)`, async () => {
    const condition = new Condition(make());
    const words = counters();
    const agents = [0, 1, 2].map(() => spawn<boolean>(WORKERS, "waitOnce", condition, words));
    await until(words, 0, 3);
    await condition.run(() => condition.notify(10));
    assertEquals(await all(agents), [true, true, true]);
    assertEquals(await condition.run(() => condition.wait({ timeout: 10 })), false);
  });
}
