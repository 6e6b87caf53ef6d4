/** What the victims and the survivors of the fault matrix run. */
import process from "node:process";
import { task } from "@manycore/multiprocessing";
import { fetchAdd, load } from "../../src/memory/atomics.ts";
import type { Barrier } from "../../src/sync/barrier.ts";
import type { Condition } from "../../src/sync/condition.ts";
import { Event } from "../../src/sync/event.ts";
import type { Lockable } from "../../src/sync/guard.ts";
import type { Semaphore } from "../../src/sync/semaphore.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** How a process dies. */
export type Fault = "throw" | "exit" | "terminate" | "memory";

/** How a process ends that its parent does not end, and that has the time to say so. */
export type End = "throw" | "exit" | "return";

/** Dies; for `terminate` the thread is blocked until the parent ends it. */
function die(fault: Fault): void {
  if (fault === "throw") throw new Error("the fault of this test");
  if (fault === "exit") process.exit(3);
  if (fault === "memory") { for (const hoard: unknown[] = [];;) hoard.push(new Array(100_000).fill(hoard)); }
  new Event().waitSync();
}

/** Dies while it holds a lock. */
export const holding = task(import.meta, (words: Words, fault: Fault, lock: Lockable): void => {
  lock.acquireSync();
  fetchAdd(words, 0, 1);
  die(fault);
});

/** Dies while it waits for something that the parent holds back. `terminate` finds its thread blocked. */
export const waiting = task(
  import.meta,
  (words: Words, fault: Fault, what: Lockable | Semaphore | Event | Barrier | Condition): void => {
    if ("waitFor" in what) {
      what.acquireSync();
      if (fault === "terminate") {
        fetchAdd(words, 0, 1);
        what.waitSync();
      }
      void what.wait();
    } else if ("isSet" in what || "parties" in what) {
      if (fault === "terminate") {
        fetchAdd(words, 0, 1);
        what.waitSync();
      }
      void what.wait();
    } else {
      if (fault === "terminate") {
        fetchAdd(words, 0, 1);
        what.acquireSync();
      }
      void what.acquire();
    }
    fetchAdd(words, 0, 1);
    die(fault);
  },
);

/** Dies after it has used something and left it in order. */
export const between = task(
  import.meta,
  (words: Words, fault: Fault, what: Lockable | Semaphore | Event | Barrier | Condition): void => {
    if ("parties" in what) what.waitSync();
    else if ("isSet" in what) what.waitSync({ timeout: 1 });
    else what.acquireSync().release();
    fetchAdd(words, 0, 1);
    die(fault);
  },
);

/** Wants the lock when its holder is dead, or about to die. Says how it got it. */
export const survive = task(import.meta, (words: Words, lock: Lockable): void => {
  fetchAdd(words, 1, 1);
  const guard = lock.acquireSync({ timeout: 20000 });
  fetchAdd(words, guard === null ? 2 : guard.recovered ? 3 : 4, 1);
  guard?.release();
});

/** Meets at a barrier: once before the fault, if asked, and once after. Says how. */
export const meet = task(import.meta, (words: Words, barrier: Barrier, before: boolean): void => {
  if (before) barrier.waitSync();
  fetchAdd(words, 1, 1);
  try {
    barrier.waitSync({ timeout: 20000 });
    fetchAdd(words, 2, 1);
  } catch (error) {
    fetchAdd(words, (error as Error).name === "BrokenBarrierError" ? 3 : 4, 1);
  }
});

/** Waits to be notified. */
export const waitFor = task(import.meta, (words: Words, condition: Condition): void => {
  condition.runSync(() => {
    fetchAdd(words, 1, 1);
    if (condition.waitSync({ timeout: 20000 })) fetchAdd(words, 2, 1);
  });
});

/** Returns from its work with a barrier round behind it: no fault. */
export const returning = task(import.meta, (words: Words, barrier: Barrier): void => {
  barrier.waitSync();
  fetchAdd(words, 0, 1);
});

/** Counts itself, and goes on when its parent is about to block its thread and will not turn its event loop any more. */
function untilParentBlocks(words: Words): void {
  fetchAdd(words, 0, 1);
  while (load(words, 5) === 0);
}

function endBy(end: End): void {
  if (end !== "return") die(end);
}

/** Ends with a lock, while its parent is blocked. */
export const endHolding = task(import.meta, (words: Words, end: End, lock: Lockable): void => {
  lock.acquireSync();
  untilParentBlocks(words);
  endBy(end);
});

/** Ends between two rounds of a barrier, while its parent waits in the second. */
export const endBetween = task(import.meta, (words: Words, end: End, barrier: Barrier): void => {
  barrier.waitSync();
  untilParentBlocks(words);
  endBy(end);
});

/** Releases a lock in an exit handler: the process is not dead before that. */
export const releaseAtExit = task(import.meta, (words: Words, end: End, lock: Lockable): void => {
  lock.acquireSync();
  process.on("exit", () => {
    for (const until = Date.now() + 50; Date.now() < until;); // so long that everybody else could notice an early death
    lock.release();
  });
  untilParentBlocks(words);
  endBy(end);
});

/** Wants the lock, and tells it. */
export const acquireAndTell = task(import.meta, (words: Words, lock: Lockable, told: Event): void => {
  fetchAdd(words, 1, 1);
  const guard = lock.acquireSync();
  fetchAdd(words, guard.recovered ? 3 : 4, 1);
  guard.release();
  told.set();
});

/** Fails, with an exit handler that fails as well. */
export const failTwice = task(import.meta, (words: Words): void => {
  process.on("exit", () => {
    throw new Error("the fault of this test's exit handler");
  });
  fetchAdd(words, 0, 1);
  die("throw");
});
