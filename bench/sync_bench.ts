/**
 * Locks and the like, beside the same over raw `Atomics`: uncontended on the main thread, and between two workers that spin
 * or park. The numbers of the two-worker groups are for the rounds in the group's name.
 * @module
 */
import { Worker } from "node:worker_threads";
import { bench, group, summary } from "mitata";
import { selfAgent } from "../src/memory/self.ts";
import { runtime } from "../src/runtime/current.ts";
import { Barrier } from "../src/sync/barrier.ts";
import { Condition } from "../src/sync/condition.ts";
import { Event } from "../src/sync/event.ts";
import { Lock } from "../src/sync/lock.ts";
import { RLock } from "../src/sync/rlock.ts";
import { RWLock } from "../src/sync/rwlock.ts";
import { Semaphore } from "../src/sync/semaphore.ts";
import { Value } from "../src/shared/value.ts";
import { pack } from "../src/transport/handles.ts";
import { expect, runBenches } from "./kit.ts";
import { openRival } from "./peers/multithreading.ts";
import { printPython } from "./peers/python.ts";
import { idle, interleaved } from "./sync_figures.ts";
import { COUNT, type Shared } from "./sync_worker.ts";

const words = new Int32Array(new SharedArrayBuffer(512));

function rawAcquire(): void {
  while (Atomics.compareExchange(words, 0, 0, 1) !== 0) Atomics.wait(words, 0, 2);
}

function rawRelease(): void {
  if (Atomics.exchange(words, 0, 0) === 2) Atomics.notify(words, 0, 1);
}

const rival = await openRival();
if (typeof rival === "string") console.log(`${rival}\n`);

const lock = new Lock();
const rlock = new RLock();
const rwlock = new RWLock();
const semaphore = new Semaphore(1);

// mitata times every single call, clock and all, of what was slow the first time: a lock makes a few things at its first use.
for (let i = 0; i < 20_000; i++) {
  for (const one of [lock, rlock, rwlock.read, rwlock.write]) one.acquireSync().release();
  semaphore.acquireSync().release();
}

summary(() => {
  group("acquire and release, uncontended", () => {
    bench("raw futex lock", () => {
      rawAcquire();
      rawRelease();
    }).baseline(true);
    bench("Lock, lock.release()", () => {
      lock.acquireSync();
      lock.release();
    });
    bench("Lock, guard.release()", () => {
      const guard = lock.acquireSync();
      guard.release();
    });
    bench("RLock", () => {
      rlock.acquireSync();
      rlock.release();
    });
    bench("RWLock.read", () => {
      rwlock.read.acquireSync();
      rwlock.read.release();
    });
    bench("RWLock.write", () => {
      rwlock.write.acquireSync();
      rwlock.write.release();
    });
    bench("Semaphore", () => {
      semaphore.acquireSync();
      semaphore.release();
    });
    if (typeof rival !== "string") {
      bench("multithreading's Mutex", () => rival.mutex.blockingLock().dispose());
      bench("multithreading's Semaphore", () => rival.semaphore.blockingAcquire().dispose());
    }
  });
});

summary(() => {
  group("await acquire() and release, uncontended", () => {
    bench("await of a promise", async () => {
      await Promise.resolve(words);
    }).baseline(true);
    bench("Lock", async () => {
      await lock.acquire();
      lock.release();
    });
    bench("Semaphore", async () => {
      await semaphore.acquire();
      semaphore.release();
    });
    if (typeof rival !== "string") bench("multithreading's Mutex", async () => (await rival.mutex.lock()).dispose());
  });
});

const shared: Shared = {
  words,
  lock: new Lock(),
  semaphores: [new Semaphore(0), new Semaphore(0)],
  events: [new Event(), new Event()],
  condition: new Condition(new Lock()),
  barrier: new Barrier(2),
  value: new Value("float64", 0),
};

const { table } = selfAgent();
const workers = [0, 1].map(() => {
  const worker = new Worker(new URL("./sync_worker.ts", import.meta.url), {
    workerData: { table: table.buffer, slot: table.register(), shared: pack(shared, "shared") },
  });
  worker.setMaxListeners(0);
  return worker;
});

/** Runs a task on both workers. */
async function both(task: string, rounds: number, spin = runtime.spinLoads): Promise<void> {
  words.fill(0, 16, 48);
  await Promise.all(workers.map((worker, side) =>
    new Promise((resolve) => {
      worker.once("message", resolve);
      worker.postMessage({ task, side, rounds, spin });
    })
  ));
}

words[COUNT] = 0;
await both("lock", 10000);
await both("rawLock", 10000);
expect(words[COUNT], 40000, "guarded increments");

const INCREMENTS = 1_000_000;
await interleaved("2 workers × 1,000,000 guarded increments, millions a second", [
  ["raw futex lock, short spin", () => both("rawLock", INCREMENTS)],
  ["raw futex lock, no spin", () => both("rawLockParking", INCREMENTS)],
  ["raw futex lock, backing off", () => both("rawLockBackingOff", INCREMENTS)],
  ["Lock", () => both("lock", INCREMENTS)],
  ["Lock, with guards", () => both("lockGuard", INCREMENTS)],
  ["Value.add", () => both("valueAdd", INCREMENTS)],
], 2 * INCREMENTS);
// It takes seconds: a tenth of the work tells as much.
if (typeof rival !== "string") {
  await interleaved("2 workers × 100,000 guarded increments, millions a second", [
    ["Lock", () => both("lock", INCREMENTS / 10)],
    ["multithreading's Mutex", () => rival.increments(INCREMENTS / 10)],
  ], INCREMENTS / 5);
}

await idle("2 workers that wait, percent of one CPU", [
  ["Lock", () => {
    shared.lock.acquireSync();
    const done = both("lock", 1);
    return () => (shared.lock.release(), done);
  }],
  ["Event", () => {
    const done = both("waitEvent", 1);
    return () => (shared.events[0]?.set(), done);
  }],
  ["Condition", () => {
    const done = both("waitCondition", 1);
    return () => (shared.condition.runSync(() => shared.condition.notifyAll()), done);
  }],
]);
shared.events[0]?.clear();

summary(() => {
  group("20,000 round trips between 2 workers that spin", () => {
    bench("raw", () => both("rawSpin", 20_000)).baseline(true);
    bench("Semaphore", () => both("semaphore", 20_000));
    bench("Event", () => both("event", 20_000));
    bench("raw mutex and sequence", () => both("rawConditionSpin", 20_000));
    bench("Condition", () => both("condition", 20_000));
    bench("Barrier(2)", () => both("barrier", 20_000));
  });
});

summary(() => {
  group("500 round trips between 2 workers that park", () => {
    bench("raw", () => both("rawPark", 500)).baseline(true);
    bench("Semaphore", () => both("semaphore", 500, 0));
    bench("Event", () => both("event", 500, 0));
    bench("raw mutex and sequence", () => both("rawConditionPark", 500));
    bench("Condition", () => both("condition", 500, 0));
    if (typeof rival !== "string") {
      bench("multithreading's Condvar", () => rival.condition(500));
      bench("multithreading's Barrier(2)", () => rival.barrier(500));
    }
    bench("Barrier(2)", () => both("barrier", 500, 0));
  });
});

printPython("sync_peer.py");
await runBenches();
