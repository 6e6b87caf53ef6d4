/**
 * A holder's death is told to somebody: where the agent that takes the lock over has nobody to tell (a condition that takes its
 * lock back, an operation of a shared value), the next acquisition says it.
 */
import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { OwnerDiedError } from "../../src/errors.ts";
import { SharedArray } from "../../src/shared/array.ts";
import { Value } from "../../src/shared/value.ts";
import { tokenOf } from "../../src/memory/agents.ts";
import { store } from "../../src/memory/atomics.ts";
import { selfAgent } from "../../src/memory/self.ts";
import { Condition } from "../../src/sync/condition.ts";
import type { Lockable } from "../../src/sync/guard.ts";
import { Lock } from "../../src/sync/lock.ts";
import { RLock } from "../../src/sync/rlock.ts";
import { RWLock } from "../../src/sync/rwlock.ts";
import { within } from "../kit/wait.ts";
import { wordsOf } from "./words.ts";

const { table } = selfAgent();
/** In an `RWLock`: says that a writer is past the readers. */
const WRITING = 10;

/** Another agent has the lock, and is dead; as it stands in memory. */
function dieHolding(lock: Lockable, writing = false): void {
  const dead = table.register();
  const words = wordsOf(lock);
  store(words, 0, tokenOf(dead));
  if (writing) store(words, WRITING, 1);
  table.markDead(dead);
}

const KINDS: readonly (readonly [string, () => Lockable, boolean])[] = [
  ["Lock", () => new Lock(), false],
  ["RLock", () => new RLock(), false],
  ["RWLock.write", () => new RWLock().write, true],
];

for (const [name, make, writing] of KINDS) {
  test(`Condition(${name}): a holder that dies while one waits is told to the next acquisition`, async () => {
    const lock = make();
    const condition = new Condition(lock);
    for (const rounds of [1, 2]) {
      const guard = lock.acquireSync();
      for (let i = 0; i < rounds; i++) {
        const pending = condition.wait({ timeout: 1 });
        if (i === 0) dieHolding(lock, writing);
        assertEquals(await within(pending, "the wait"), false);
      }
      assertEquals(condition.waitSync({ timeout: 1 }), false);
      assertEquals(guard.recovered, false);
      guard.release();
      const next = lock.acquireSync();
      assertEquals(next.recovered, true);
      next.release();
      assertEquals((await within(lock.acquire(), "the lock")).recovered, false);
      lock.release();
    }
    assert(!lock.locked);
  });
}

test("Value and SharedArray: an operation after a holder's death leaves it to the next acquisition to say so", async () => {
  for (const type of [Lock, RLock]) {
    const lock = new type() as Lock;
    const value = new Value("int32", 0, { lock });
    const array = new SharedArray("int32", 2, { lock });
    dieHolding(lock);
    assertEquals([value.add(1), value.add(1), array.add(1, 5), value.update((x) => x + 1)], [0, 1, 0, 3]);
    const pending = lock.acquire();
    assertEquals((await within(pending, "the lock")).recovered, true);
    value.add(1); // with the lock held
    lock.release();
    assertEquals(lock.acquireSync().recovered, false);
    lock.release();

    const strict = new type({ onOwnerDeath: "throw" }) as Lock;
    const other = new Value("float64", 0, { lock: strict });
    dieHolding(strict);
    other.add(1.5);
    assertThrows(() => strict.acquireSync(), OwnerDiedError);
    strict.acquireSync().release();
    assertEquals(other.value, 1.5);
  }
});

test("Value: without a lock of the user's, a death is over with the next operation", () => {
  const value = new Value("int32", 0, { lock: false });
  dieHolding(value as unknown as Lockable);
  value.add(1);
  assertEquals(wordsOf(value)[0], 0);
});

test("RWLock: a writer that takes the lock over and gives up leaves it to the next to say so", () => {
  const lock = new RWLock();
  dieHolding(lock.write, true);
  const reader = table.register();
  const words = wordsOf(lock.write);
  store(words, 9, 1); // HIGH: one node
  store(words, 12, tokenOf(reader));
  store(words, 13, 1);
  assertEquals(lock.write.tryAcquire(), null);
  assertEquals(lock.write.acquireSync({ timeout: 1 }), null);
  store(words, 13, 0);
  assertEquals(lock.write.acquireSync().recovered, true);
  lock.write.release();
  assertEquals(lock.write.acquireSync().recovered, false);
  lock.write.release();
  table.markDead(reader);
});

test("RWLock: the place of a reader that may still run is not given to another", () => {
  const lock = new RWLock();
  const words = wordsOf(lock.read);
  const [fenced, left, gone] = [table.register(), table.register(), table.register()];
  [fenced, left, gone].forEach((agent, i) => store(words, 12 + 2 * i, tokenOf(agent)));
  table.markDead(fenced, true);
  table.markLeft(left, false);
  table.markDead(gone);
  lock.read.acquireSync().release();
  assertEquals([words[12], words[14], words[16]], [tokenOf(fenced), tokenOf(left), tokenOf(selfAgent())]);
});
