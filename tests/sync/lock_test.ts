/** Lock, RLock and the sides of an RWLock, by one suite: CPython's `lock_tests`, and what is ours. */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DeadlockError, NotOwnerError } from "../../src/errors.ts";
import type { Lockable } from "../../src/sync/guard.ts";
import { Lock } from "../../src/sync/lock.ts";
import { RLock } from "../../src/sync/rlock.ts";
import { RWLock } from "../../src/sync/rwlock.ts";
import { Semaphore } from "../../src/sync/semaphore.ts";
import { pack, unpack } from "../../src/transport/handles.ts";
import { store } from "../../src/memory/atomics.ts";
import { all, counters, pause, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";

const WORKERS: string = besides(import.meta, "workers");

interface Kind {
  readonly name: string;
  readonly make: () => Lockable;
  readonly reentrant: boolean;
}

const KINDS: readonly Kind[] = [
  { name: "Lock", make: () => new Lock(), reentrant: false },
  { name: "RLock", make: () => new RLock(), reentrant: true },
  { name: "RWLock.write", make: () => new RWLock().write, reentrant: false },
];

for (const { name, make, reentrant } of KINDS) {
  test(`${name}: a guard releases once, and the lock is free again`, async () => {
    const lock = make();
    assert(!lock.locked);
    const guard = await lock.acquire();
    assert(lock.locked);
    assertEquals(guard.recovered, false);
    guard.release();
    guard.release();
    guard[Symbol.dispose]?.();
    assert(!lock.locked);
    const second = lock.acquireSync();
    guard.release(); // an old guard does nothing to a new acquisition
    assert(lock.locked);
    second.release();
    assert(!lock.locked);
  });

  test(`${name}: release() without holding it throws NotOwnerError, here and elsewhere`, async () => {
    const lock = make();
    assertThrows(() => lock.release(), NotOwnerError, "nobody holds it");
    const words = counters();
    const agent = spawn(WORKERS, "hold", lock, words);
    await until(words, 0, 1);
    assertThrows(() => lock.release(), NotOwnerError, agent.name);
    store(words, 1, 1);
    await agent.result;
  });

  test(`${name}: attempts at a held lock end in null when their time is over`, async () => {
    const lock = make();
    const words = counters();
    const agent = spawn(WORKERS, "hold", lock, words);
    await until(words, 0, 1);
    assertEquals(lock.tryAcquire(), null);
    assertEquals(await lock.acquire({ timeout: 0 }), null);
    assertEquals(await lock.acquire({ timeout: -1 }), null);
    assertEquals(await lock.acquire({ timeout: 20 }), null);
    assertEquals(lock.acquireSync({ timeout: 20 }), null);
    assertEquals(lock.acquireSync({ timeout: 0 }), null);
    store(words, 1, 1);
    await agent.result;
    (await lock.acquire({ timeout: 10000 }))?.release();
    lock.acquireSync({ timeout: 10000 })?.release();
  });

  test(`${name}: run() and runSync() release whatever happens`, async () => {
    const lock = make();
    assertEquals(await lock.run(() => 1), 1);
    assertEquals(await lock.run(() => Promise.resolve(2)), 2);
    assertEquals(lock.runSync(() => 3), 3);
    await assertRejects(() => lock.run(() => Promise.reject(new Error("a"))), Error, "a");
    assertThrows(
      () =>
        lock.runSync(() => {
          throw new Error("b");
        }),
      Error,
      "b",
    );
    assert(!lock.locked);
  });

  test(`${name}: excludes two threads and two event loops`, async () => {
    const lock = make();
    const words = counters();
    const agents = [
      spawn(WORKERS, "countSync", lock, words, 20000),
      spawn(WORKERS, "countSync", lock, words, 20000),
      spawn(WORKERS, "countAsync", lock, words, 2000),
    ];
    for (let i = 0; i < 300; i++) {
      const guard = await lock.acquire();
      words[0] = (words[0] as number) + 1;
      guard.release();
    }
    await all(agents);
    assertEquals(words[0], 42300);
  });

  test(`${name}: time limits, aborts and tries in a crowd lose no wake and no increment`, async () => {
    const lock = make();
    const words = counters();
    const agents = [0, 1, 2].map(() => spawn<number>(WORKERS, "countHastily", lock, words, 400));
    const got = await all(agents);
    assertEquals(words[0], got.reduce((a, b) => a + b));
    assert(!lock.locked);
  });

  test(`${name}: an aborted acquire rejects with the signal's reason`, async () => {
    const lock = make();
    const words = counters();
    const agent = spawn(WORKERS, "hold", lock, words);
    await until(words, 0, 1);
    const controller = new AbortController();
    const first = lock.acquire({ signal: controller.signal });
    const second = lock.acquire({ timeout: 60000 });
    await pause();
    controller.abort(new Error("enough"));
    await assertRejects(() => first, Error, "enough");
    await assertRejects(() => lock.acquire({ signal: controller.signal }), Error, "enough");
    assertThrows(() => lock.acquireSync({ signal: controller.signal }), Error, "enough");
    store(words, 1, 1);
    (await second)?.release();
    await agent.result;
  });

  test(`${name}: mistakes in arguments are refused at the call`, async () => {
    const lock = make();
    assertThrows(() => lock.acquireSync({ timeout: "1" as unknown as number }), TypeError, "milliseconds");
    assertThrows(() => lock.acquireSync({ timeout: NaN }), RangeError, "NaN");
    await assertRejects(() => lock.acquire({ timeout: NaN }), RangeError, "NaN");
    assert(!lock.locked);
  });

  if (reentrant) {
    test(`${name}: may be acquired again by its holder, and is free when released as often`, async () => {
      const lock = make();
      const outer = lock.acquireSync();
      const inner = await lock.acquire();
      assert(lock.tryAcquire() !== null);
      lock.release();
      const words = counters();
      const agent = spawn<number>(WORKERS, "countHastily", lock, words, 2); // a short time limit, a try
      assertEquals(await agent.result, 0);
      inner.release();
      assert(lock.locked);
      outer.release();
      assert(!lock.locked);
      assertThrows(() => lock.release(), NotOwnerError);
    });
  } else {
    test(`${name}: a thread that blocks for what it holds gets a DeadlockError at once`, () => {
      const lock = make();
      const guard = lock.acquireSync();
      assertThrows(() => lock.acquireSync(), DeadlockError, "MainProcess holds");
      assertEquals(lock.acquireSync({ timeout: 5 }), null);
      guard.release();
      assert(!lock.locked);
    });
  }

  test(`${name}: waiters of one event loop get it in the order in which they asked`, async () => {
    const lock = make();
    const words = counters();
    const agent = spawn(WORKERS, "hold", lock, words);
    await until(words, 0, 1);
    const order: number[] = [];
    const waits = Array.from({ length: 50 }, (_, i) =>
      lock.run(async () => {
        order.push(i);
        await Promise.resolve();
      }));
    await pause();
    store(words, 1, 1);
    await Promise.all(waits);
    await agent.result;
    if (!reentrant) assertEquals(order, Array.from({ length: 50 }, (_, i) => i));
    assertEquals(order.length, 50);
  });
}

for (
  const [name, make] of [...KINDS.map(({ name, make }) => [name, make] as const), ["RWLock.read", undefined] as const]
) {
  test(`${name}: a waiter does not starve beside threads that take the lock again and again`, async () => {
    const rw = new RWLock();
    const lock = make?.() ?? rw.read;
    const words = counters();
    const agents = [0, 1].map(() => spawn(WORKERS, "greedy", make === undefined ? rw.write : lock, words));
    await until(words, 0, 1000);
    for (let i = 0; i < 20; i++) {
      (await lock.acquire()).release();
      lock.acquireSync().release();
    }
    store(words, 1, 1);
    await all(agents);
  });
}

test("RWLock: a writer does not starve beside readers that come again and again", async () => {
  const lock = new RWLock();
  const words = counters();
  const agents = [0, 1].map(() => spawn(WORKERS, "greedy", lock.read, words));
  await until(words, 0, 1000);
  for (let i = 0; i < 20; i++) {
    (await lock.write.acquire()).release();
    lock.write.acquireSync().release();
  }
  store(words, 1, 1);
  await all(agents);
});

test("an asynchronous request of a process whose thread then blocks for the same lock does not stop it", async () => {
  const lock = new Lock();
  const words = counters();
  const agents = [0, 1].map(() => spawn(WORKERS, "greedy", lock, words));
  await until(words, 0, 100);
  for (let i = 0; i < 50; i++) {
    const pending = lock.acquire();
    const guard = await Promise.race([pending, pause()]);
    if (guard) {
      guard.release();
      continue;
    }
    lock.acquireSync({ timeout: 50 })?.release();
    (await pending).release();
  }
  store(words, 1, 1);
  await all(agents);
  assert(!lock.locked);
});

test("RWLock: readers share, a writer is alone, and nobody sees half a change", async () => {
  const lock = new RWLock();
  const words = counters();
  const agents = [
    spawn<number>(WORKERS, "readAndWrite", lock, words, 8000, false),
    spawn<number>(WORKERS, "readAndWrite", lock, words, 8000, false),
    spawn<number>(WORKERS, "readAndWrite", lock, words, 1000, true),
  ];
  assertEquals(await all(agents), [0, 0, 0]);
  assertEquals(words[0], 2000 + 2000 + 250);
});

test("RWLock: once a writer waits, new readers wait behind it; a reader may read again", async () => {
  const lock = new RWLock();
  const words = counters();
  const reader = spawn(WORKERS, "hold", lock.read, words);
  await until(words, 0, 1);
  const shared = lock.read.tryAcquire();
  assert(shared !== null);
  shared.release();
  const order: string[] = [];
  const writer = lock.write.run(() => void order.push("write"));
  await pause();
  assert(lock.write.locked);
  assertEquals(lock.read.tryAcquire(), null);
  const second = lock.read.run(() => void order.push("read"));
  store(words, 1, 1);
  await Promise.all([writer, second, reader.result]);
  assertEquals(order, ["write", "read"]);
  const outer = lock.read.acquireSync();
  const pending = lock.write.acquire();
  await pause();
  lock.read.acquireSync().release();
  assertThrows(() => lock.write.acquireSync(), DeadlockError);
  outer.release();
  (await pending).release();
  assertThrows(() => lock.read.release(), NotOwnerError);
  assert(!lock.read.locked);
  assert(!lock.write.locked);
});

test("locks keep their identity through pack and unpack, nested and with their options", () => {
  const lock = new Lock({ name: "accounts", onOwnerDeath: "throw" });
  const guard = lock.acquireSync();
  const packed = pack({ deep: [new Map([["lock", lock]])] }, "x");
  const copy = (unpack(packed.value) as { deep: [Map<string, Lock>] }).deep[0].get("lock") as Lock;
  assert(copy !== lock);
  assert(copy.locked);
  assertThrows(() => copy.acquireSync(), DeadlockError, 'Lock "accounts"');
  guard.release();
  assert(!copy.locked);
});

test("Semaphore counts permits, and anyone may release", async () => {
  const semaphore = new Semaphore(0);
  assertEquals(semaphore.tryAcquire(), null);
  assertEquals(semaphore.acquireSync({ timeout: 5 }), null);
  assertEquals(await semaphore.acquire({ timeout: 5 }), null);
  const waits = [semaphore.acquire(), semaphore.acquire(), semaphore.acquire()];
  await pause();
  semaphore.release(3);
  await Promise.all(waits);
  assertEquals(semaphore.value, 0);
});
