/**
 * The fault matrix: a process dies in each way {throw, exit, terminate, memory: out of it}, at each place {holding, waiting,
 * between}, and everyone else goes on.
 */
import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Process } from "@manycore/multiprocessing";
import { OwnerDiedError } from "../../src/errors.ts";
import { load } from "../../src/memory/atomics.ts";
import { Barrier } from "../../src/sync/barrier.ts";
import { Condition } from "../../src/sync/condition.ts";
import { Event } from "../../src/sync/event.ts";
import type { Lockable } from "../../src/sync/guard.ts";
import { Lock } from "../../src/sync/lock.ts";
import { RLock } from "../../src/sync/rlock.ts";
import { RWLock } from "../../src/sync/rwlock.ts";
import { Semaphore } from "../../src/sync/semaphore.ts";
import { counters, until } from "../kit/agents.ts";
import { skipOn } from "../kit/runtime.ts";
import { within } from "../kit/wait.ts";
import * as tasks from "./fault_tasks.ts";

type Words = Int32Array<SharedArrayBuffer>;

const FAULTS: readonly tasks.Fault[] = ["throw", "exit", "terminate", "memory"];

/** Where a fault cannot be had, and why. */
const SKIPS: Partial<Record<tasks.Fault, string | false>> = {
  memory: skipOn({ bun: "Bun has no memory limits for workers: https://github.com/oven-sh/bun/issues/5709" }),
};

const LOCKS: readonly (readonly [string, () => Lockable])[] = [
  ["Lock", () => new Lock()],
  ["RLock", () => new RLock()],
  ["RWLock.write", () => new RWLock().write],
];

// deno-lint-ignore no-explicit-any -- a victim is started with whatever it takes
type Target = (...args: any[]) => void;

/** Starts a victim and waits until it is at its place. */
async function victim(target: Target, words: Words, fault: tasks.Fault, what: unknown): Promise<Process> {
  const resourceLimits = fault === "memory" ? { maxOldGenerationSizeMb: 32 } : undefined;
  const process = new Process(target, [words, fault, what], { resourceLimits });
  process.start();
  await within(until(words, 0, 1), "the victim");
  return process as unknown as Process;
}

/** Sees to it that the victim is dead. */
async function death(process: Process, fault: tasks.Fault): Promise<void> {
  if (fault === "terminate") process.terminate();
  assert(await within(process.join(), "the victim's end"));
  const { exitCode } = process;
  if (fault === "memory") assert(exitCode !== null && exitCode !== 0, `exit code ${exitCode}`);
  else assertEquals(exitCode, fault === "throw" ? 1 : fault === "exit" ? 3 : -15);
}

function start(target: Target, ...args: unknown[]): Process {
  const process = new Process(target, args);
  process.start();
  return process as unknown as Process;
}

for (const fault of FAULTS) {
  const skip = SKIPS[fault] ?? false;
  for (const [name, make] of LOCKS) {
    test(`${name}: ${fault} while holding: waiters get it, the first with recovered: true`, { skip }, async () => {
      const lock = make();
      const words = counters();
      const process = await victim(tasks.holding, words, fault, lock);
      const survivors = [start(tasks.survive, words, lock), start(tasks.survive, words, lock)];
      await until(words, 1, 2);
      await death(process, fault);
      await within(Promise.all(survivors.map((p) => p.join())), "the survivors");
      assertEquals([words[2], words[3], words[4]], [0, 1, 1]);
      assert(!lock.locked);
      lock.acquireSync({ timeout: 0 })?.release();
    });

    test(`${name}: ${fault} while waiting: the lock goes on`, { skip }, async () => {
      const lock = make();
      const words = counters();
      const guard = lock.acquireSync();
      const process = await victim(tasks.waiting, words, fault, lock);
      const survivor = start(tasks.survive, words, lock);
      await until(words, 1, 1);
      await death(process, fault);
      guard.release();
      await within(survivor.join(), "the survivor");
      assertEquals([words[2], words[3], words[4]], [0, 0, 1]);
      const last = await within(lock.acquire({ timeout: 10000 }), "the lock");
      assert(last !== null && !last.recovered);
      last.release();
    });

    test(`${name}: ${fault} between two acquisitions leaves nothing behind`, { skip }, async () => {
      const lock = make();
      const words = counters();
      await death(await victim(tasks.between, words, fault, lock), fault);
      const guard = lock.tryAcquire();
      assert(guard !== null && !guard.recovered);
      guard.release();
    });
  }

  test(`RWLock.read: ${fault} while holding or waiting: a writer gets in`, { skip }, async () => {
    const lock = new RWLock();
    const words = counters();
    const reader = await victim(tasks.holding, words, fault, lock.read);
    const writer = start(tasks.survive, words, lock.write);
    await until(words, 1, 1);
    await death(reader, fault);
    await within(writer.join(), "the writer");
    assertEquals([words[2], words[3], words[4]], [0, 0, 1]);
    const guard = lock.write.acquireSync();
    const second = counters();
    await death(await victim(tasks.waiting, second, fault, lock.read), fault);
    guard.release();
    lock.write.acquireSync({ timeout: 10000 })?.release();
    assert(!lock.write.locked && !lock.read.locked);
  });

  test(`Semaphore: ${fault} while waiting takes no permit`, { skip }, async () => {
    const semaphore = new Semaphore(0);
    const words = counters();
    const process = await victim(tasks.waiting, words, fault, semaphore);
    await death(process, fault);
    semaphore.release(2);
    assert(await within(semaphore.acquire({ timeout: 10000 }), "the first permit") !== null);
    assert(semaphore.acquireSync({ timeout: 10000 }) !== null);
    const second = counters();
    semaphore.release();
    await death(await victim(tasks.between, second, fault, semaphore), fault);
    assertEquals(semaphore.value, 1);
  });

  test(`Event: ${fault} while waiting: set() reaches the others`, { skip }, async () => {
    const event = new Event();
    const words = counters();
    const process = await victim(tasks.waiting, words, fault, event);
    const here = event.wait({ timeout: 10000 });
    await death(process, fault);
    event.set();
    assertEquals(await within(here, "the wait"), true);
    const second = counters();
    event.clear();
    await death(await victim(tasks.between, second, fault, event), fault);
    event.set();
    assert(event.waitSync({ timeout: 10000 }));
  });

  for (const [name, make] of LOCKS) {
    test(`Condition(${name}): ${fault} while waiting: notify(1) reaches the next waiter`, { skip }, async () => {
      const condition = new Condition(make());
      const words = counters();
      const process = await victim(tasks.waiting, words, fault, condition);
      await within(condition.run(() => {}), "the lock");
      const survivor = start(tasks.waitFor, words, condition);
      await until(words, 1, 1);
      await within(condition.run(() => {}), "the lock"); // the survivor waits: it has let go of the lock
      await death(process, fault);
      await within(condition.run(() => condition.notify(1)), "the notify");
      await within(survivor.join(), "the survivor");
      assertEquals(words[2], 1);
    });
  }

  test(`Barrier: ${fault} while waiting breaks it for the others`, { skip }, async () => {
    const barrier = new Barrier(3);
    const words = counters();
    const process = await victim(tasks.waiting, words, fault, barrier);
    const survivor = start(tasks.meet, words, barrier, false);
    while (barrier.waiting < 2) await until(words, 1, 1).then(() => new Promise((resolve) => setTimeout(resolve, 1)));
    await death(process, fault);
    await within(survivor.join(), "the survivor");
    assertEquals([words[2], words[3], words[4]], [0, 1, 0]);
    barrier.reset();
    assertEquals(await within(Promise.all([barrier.wait(), barrier.wait(), barrier.wait()]), "a round"), [0, 1, 2]);
  });

  test(`Barrier: ${fault} between two rounds breaks it for the others`, { skip }, async () => {
    const barrier = new Barrier(2);
    const words = counters();
    const survivor = start(tasks.meet, words, barrier, true);
    const process = await victim(tasks.between, words, fault, barrier);
    await until(words, 1, 1);
    await death(process, fault);
    await within(survivor.join(), "the survivor");
    assertEquals([words[2], words[3], words[4]], [0, 1, 0]);
  });

  test(`Barrier: ${fault} between two rounds is forgotten by reset(), also when nobody waits`, { skip }, async () => {
    const barrier = new Barrier(2);
    const words = counters();
    const first = barrier.wait();
    const process = await victim(tasks.between, words, fault, barrier);
    await within(first, "the first round");
    await death(process, fault);
    barrier.reset();
    const pending = barrier.wait();
    pending.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300)); // long enough to notice a death, were it one still
    assertEquals(await within(barrier.wait(), "the second round"), 1);
    assertEquals(await pending, 0);
  });
}

test('onOwnerDeath: "throw" gives OwnerDiedError, and frees the lock', async () => {
  for (const lock of [new Lock({ onOwnerDeath: "throw" }), new Lock()]) {
    const words = counters();
    await death(await victim(tasks.holding, words, "throw", lock), "throw");
    assertThrows(() => lock.acquireSync({ onOwnerDeath: "throw" }), OwnerDiedError, "free again");
    const guard = lock.acquireSync();
    assertEquals(guard.recovered, false);
    guard.release();
  }
  assertThrows(() => new Lock({ onOwnerDeath: "x" as "throw" }), TypeError);
});

test("Barrier: a party whose work has returned may be replaced by another", async () => {
  const barrier = new Barrier(2);
  const words = counters();
  const first = start(tasks.returning, words, barrier);
  await within(barrier.wait(), "the first round");
  await within(first.join(), "the first party");
  const pending = barrier.wait({ timeout: 10000 });
  await new Promise((resolve) => setTimeout(resolve, 300)); // long enough to notice a death, were it one
  const second = start(tasks.returning, words, barrier);
  assertEquals(await within(pending, "the second round"), 0);
  await within(second.join(), "the second party");
  assertEquals(load(words, 0), 2);
});
