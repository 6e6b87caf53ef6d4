/**
 * The two workers of the synchronisation benchmarks. Each task exists twice: over raw `Atomics`, the control, and over
 * the library.
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { AgentTable } from "../src/memory/agents.ts";
import { setPlatform } from "../src/memory/park.ts";
import { becomeAgent } from "../src/memory/self.ts";
import { unpack } from "../src/transport/handles.ts";
import "../src/handle_types.ts";
import type { Barrier } from "../src/sync/barrier.ts";
import type { Condition } from "../src/sync/condition.ts";
import type { Event } from "../src/sync/event.ts";
import type { Lock } from "../src/sync/lock.ts";
import type { Semaphore } from "../src/sync/semaphore.ts";
import type { Value } from "../src/shared/value.ts";
import { rawPingPong, SPIN } from "./raw/hand_over.ts";

/** What the workers share. */
export interface Shared {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly lock: Lock;
  readonly semaphores: readonly Semaphore[];
  readonly events: readonly Event[];
  readonly condition: Condition;
  readonly barrier: Barrier;
  readonly value: Value<"float64">;
}

/** The word that is incremented; it has a cache line of its own, like the data that a lock guards. */
export const COUNT = 96;

/** Drepper's futex lock with three states: the best that can be written by hand. */
function rawAcquire(words: Int32Array<SharedArrayBuffer>, spin: number): void {
  if (Atomics.compareExchange(words, 0, 0, 1) === 0) return;
  for (let i = 0; i < spin; i++) {
    if (Atomics.load(words, 0) === 0 && Atomics.compareExchange(words, 0, 0, 1) === 0) return;
  }
  while (Atomics.exchange(words, 0, 2) !== 0) Atomics.wait(words, 0, 2);
}

function rawRelease(words: Int32Array<SharedArrayBuffer>): void {
  if (Atomics.exchange(words, 0, 0) === 2) Atomics.notify(words, 0, 1);
}

const own = new Int32Array(new SharedArrayBuffer(4));

/** The same, with pauses that double between its looks at the word. */
function rawAcquireBackingOff(words: Int32Array<SharedArrayBuffer>): void {
  if (Atomics.compareExchange(words, 0, 0, 1) === 0) return;
  for (let spent = 0, pause = 32; spent < SPIN; spent += pause, pause = Math.min(2 * pause, 1024)) {
    for (let i = 0; i < pause; i++) Atomics.load(own, 0);
    if (Atomics.load(words, 0) === 0 && Atomics.compareExchange(words, 0, 0, 1) === 0) return;
  }
  while (Atomics.exchange(words, 0, 2) !== 0) Atomics.wait(words, 0, 2);
}

/**
 * A condition variable by hand, as in Rust's standard library: the lock in word 0, a sequence in word 64, beside it how
 * many sleep. The turn is in word 1, in the line of the lock, as in a `Mutex<T>`.
 */
function rawCondition(words: Int32Array<SharedArrayBuffer>, side: number, rounds: number, spin: number): void {
  for (let i = 0; i < rounds; i++) {
    rawAcquire(words, spin);
    while (words[1] !== side) {
      const sequence = Atomics.load(words, 64);
      rawRelease(words);
      let spun = 0;
      while (Atomics.load(words, 64) === sequence) {
        if (spun++ < spin) continue;
        Atomics.add(words, 65, 1);
        Atomics.wait(words, 64, sequence);
        Atomics.sub(words, 65, 1);
      }
      rawAcquire(words, spin);
    }
    words[1] = 1 - side;
    Atomics.add(words, 64, 1);
    if (Atomics.load(words, 65) > 0) Atomics.notify(words, 64);
    rawRelease(words);
  }
}

const TASKS: Record<string, (shared: Shared, side: number, rounds: number) => void> = {
  rawLock({ words }, _side, rounds) {
    for (let i = 0; i < rounds; i++) {
      rawAcquire(words, 50);
      words[COUNT] = (words[COUNT] as number) + 1;
      rawRelease(words);
    }
  },
  rawLockParking({ words }, _side, rounds) {
    for (let i = 0; i < rounds; i++) {
      rawAcquire(words, 0);
      words[COUNT] = (words[COUNT] as number) + 1;
      rawRelease(words);
    }
  },
  rawLockBackingOff({ words }, _side, rounds) {
    for (let i = 0; i < rounds; i++) {
      rawAcquireBackingOff(words);
      words[COUNT] = (words[COUNT] as number) + 1;
      rawRelease(words);
    }
  },
  lock({ words, lock }, _side, rounds) {
    for (let i = 0; i < rounds; i++) {
      lock.acquireSync();
      words[COUNT] = (words[COUNT] as number) + 1;
      lock.release();
    }
  },
  lockGuard({ words, lock }, _side, rounds) {
    for (let i = 0; i < rounds; i++) {
      const guard = lock.acquireSync();
      words[COUNT] = (words[COUNT] as number) + 1;
      guard.release();
    }
  },
  valueAdd({ value }, _side, rounds) {
    for (let i = 0; i < rounds; i++) value.add(1);
  },
  rawSpin({ words }, side, rounds) {
    rawPingPong(words, side, rounds, SPIN);
  },
  rawPark({ words }, side, rounds) {
    rawPingPong(words, side, rounds, 0);
  },
  rawConditionSpin({ words }, side, rounds) {
    rawCondition(words, side, rounds, SPIN);
  },
  rawConditionPark({ words }, side, rounds) {
    rawCondition(words, side, rounds, 0);
  },
  semaphore({ semaphores }, side, rounds) {
    const [own, other] = [semaphores[side], semaphores[1 - side]] as [Semaphore, Semaphore];
    for (let i = 0; i < rounds; i++) {
      if (side === 0) other.release();
      own.acquireSync();
      if (side === 1) other.release();
    }
  },
  event({ events }, side, rounds) {
    const [own, other] = [events[side], events[1 - side]] as [Event, Event];
    for (let i = 0; i < rounds; i++) {
      if (side === 0) other.set();
      own.waitSync();
      own.clear();
      if (side === 1) other.set();
    }
  },
  condition({ condition, words }, side, rounds) {
    for (let i = 0; i < rounds; i++) {
      condition.acquireSync();
      while ((words[9] as number) !== side) condition.waitSync();
      words[9] = 1 - side;
      condition.notify();
      condition.release();
    }
  },
  /** Both wait for one event, without end. */
  waitEvent({ events }) {
    events[0]?.waitSync();
  },
  waitCondition({ condition }) {
    condition.runSync(() => condition.waitSync());
  },
  barrier({ barrier }, _side, rounds) {
    for (let i = 0; i < rounds; i++) barrier.waitSync();
  },
};

if (workerData?.table !== undefined) {
  becomeAgent({ ...workerData.slot, table: new AgentTable(workerData.table), name: "Bench" });
  const shared = unpack(workerData.shared.value) as Shared;
  parentPort?.on("message", ({ task, side, rounds, spin }) => {
    setPlatform({ spin });
    TASKS[task]?.(shared, side, rounds);
    parentPort?.postMessage("done");
  });
}
