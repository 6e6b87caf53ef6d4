/**
 * The rows of the fault matrix in which the parent's thread is blocked, so that it hears of no exit: a process that ends in
 * order says so itself. (One that is ended by force, or runs out of memory, cannot: see ARCHITECTURE.md.)
 */
import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Process } from "@manycore/multiprocessing";
import { BrokenBarrierError } from "../../src/errors.ts";
import { store } from "../../src/memory/atomics.ts";
import { selfAgent } from "../../src/memory/self.ts";
import { Barrier } from "../../src/sync/barrier.ts";
import { Event } from "../../src/sync/event.ts";
import type { Lockable } from "../../src/sync/guard.ts";
import { Lock } from "../../src/sync/lock.ts";
import { RLock } from "../../src/sync/rlock.ts";
import { RWLock } from "../../src/sync/rwlock.ts";
import { counters, until } from "../kit/agents.ts";
import { LIMIT, within } from "../kit/wait.ts";
import * as tasks from "./fault_tasks.ts";

type Words = Int32Array<SharedArrayBuffer>;

const ENDS: readonly tasks.End[] = ["throw", "exit", "return"];

const LOCKS: readonly (readonly [string, () => Lockable])[] = [
  ["Lock", () => new Lock()],
  ["RLock", () => new RLock()],
  ["RWLock.write", () => new RWLock().write],
];

/** A wait of this thread that would be a hang, and not a deadlock: nobody's event loop can help it. */
const limit = { timeout: LIMIT };

/** Starts a process and waits until it is where it is to end. */
async function start(target: (...args: never[]) => void, words: Words, ...args: unknown[]): Promise<Process> {
  const process = new Process(target as (...args: unknown[]) => void, [words, ...args]);
  process.start();
  await within(until(words, 0, 1), "the process");
  return process as unknown as Process;
}

for (const end of ENDS) {
  for (const [name, make] of LOCKS) {
    test(`${name}: ${end} while holding: the parent's blocked thread gets it, with recovered: true`, async () => {
      const lock = make();
      const words = counters();
      const process = await start(tasks.endHolding, words, end, lock);
      store(words, 5, 1);
      const guard = lock.acquireSync(limit);
      assertEquals(guard?.recovered, true);
      guard?.release();
      await within(process.join(), "the end");
      assert(!lock.locked);
      assertEquals(lock.tryAcquire()?.recovered, false);
    });
  }

  test(`Lock: ${end} while holding: a sibling gets it while their parent is blocked`, async () => {
    const [lock, told, words] = [new Lock(), new Event(), counters()];
    const process = await start(tasks.endHolding, words, end, lock);
    const sibling = new Process(tasks.acquireAndTell, [words, lock, told]);
    sibling.start();
    await until(words, 1, 1);
    store(words, 5, 1);
    assert(told.waitSync(limit));
    assertEquals([words[3], words[4]], [1, 0]);
    await within(Promise.all([process.join(), sibling.join()]), "the ends");
  });

  test(`Barrier: ${end} between two rounds, while its parent is blocked in the second`, async () => {
    const [barrier, words] = [new Barrier(2), counters()];
    const first = barrier.wait();
    const process = await start(tasks.endBetween, words, end, barrier);
    await first;
    store(words, 5, 1);
    // Who returned is no dead party: another may take its place, so that only the time limit ends this wait.
    const patience = end === "return" ? { timeout: 200 } : limit;
    const wanted = end === "return" ? "time limit" : `${process.name}, one of its parties, died`;
    assertThrows(() => barrier.waitSync(patience), BrokenBarrierError, wanted);
    await within(process.join(), "the end");
  });

  test(`Lock: ${end}: a process is not dead before its exit handlers have run`, async () => {
    const [lock, words] = [new Lock(), counters()];
    const process = await start(tasks.releaseAtExit, words, end, lock);
    store(words, 5, 1);
    const guard = lock.acquireSync(limit);
    assertEquals(guard?.recovered, false);
    guard?.release();
    await within(process.join(), "the end");
  });
}

test("a process whose exit handler throws ends all the same", async () => {
  const process = await start(tasks.failTwice, counters());
  assert(await within(process.join(), "the end"));
  assertEquals(process.exitCode, 1);
});

test("a process that has said that it is dead is counted once, and keeps its place until its parent has seen the exit", () => {
  const { table } = selfAgent();
  const agent = table.register();
  const before = table.deaths;
  table.markLeft(agent, false);
  assert(!table.isAlive(agent.slot, agent.generation));
  for (let i = 0; i < 3; i++) assert(table.register().slot !== agent.slot);
  table.markDead(agent);
  table.markDead(agent);
  table.markLeft(agent, true);
  assertEquals(table.deaths, before + 1);
});
