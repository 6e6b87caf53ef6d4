/** What the agents of the interleaving tests do. Each function is one agent. */
import {
  compareExchange,
  exchange,
  fetchAdd,
  load,
  notify,
  type SharedWords,
  store,
  wait,
} from "../../src/memory/atomics.ts";
import type { Barrier } from "../../src/sync/barrier.ts";
import type { Condition } from "../../src/sync/condition.ts";
import type { Event } from "../../src/sync/event.ts";
import type { Lockable } from "../../src/sync/guard.ts";
import type { Semaphore } from "../../src/sync/semaphore.ts";
import { COUNTER } from "./interleave.ts";
import { PIPE_SCENARIOS } from "./pipe_scenarios.ts";
import { LANE_SCENARIOS } from "./interleave_lanes.ts";

/** What the scenarios may do beside using the objects. */
export interface Tools {
  readonly control: Int32Array<SharedArrayBuffer>;
  readonly agent: number;
  exclusive(): void;
  gate(): void;
}

interface Objects {
  readonly lock: Lockable;
  readonly other: Lockable;
  readonly semaphore: Semaphore;
  readonly condition: Condition;
  readonly event: Event;
  readonly barrier: Barrier;
  readonly words: SharedWords;
}

/** Counts in the control words, as one step. */
function count(tools: Tools, n = 1): void {
  tools.control[COUNTER] = (tools.control[COUNTER] as number) + n;
}

export const SCENARIOS: Record<string, (tools: Tools, objects: never) => void> = {
  ...PIPE_SCENARIOS,
  ...LANE_SCENARIOS,
  lock(tools, { lock }: Objects) {
    const guard = lock.acquireSync();
    tools.exclusive();
    guard.release();
  },
  lockTwice(tools, { lock }: Objects) {
    for (let i = 0; i < 2; i++) {
      const guard = lock.acquireSync();
      tools.exclusive();
      guard.release();
    }
  },
  lockTimed(tools, { lock }: Objects) {
    const guard = lock.acquireSync({ timeout: 1000 });
    if (guard === null) return;
    tools.exclusive();
    guard.release();
  },
  lockOther(tools, { other }: Objects) {
    const guard = other.acquireSync();
    tools.exclusive();
    guard.release();
  },
  /** The second time an `RWLock` is read the fast way. */
  lockOtherTwice(tools, { other }: Objects) {
    for (let i = 0; i < 2; i++) {
      const guard = other.acquireSync();
      tools.exclusive();
      guard.release();
    }
  },
  /** Reads two words that a writer keeps equal, with a step between them. */
  readPair(tools, { other, words }: Objects) {
    const guard = other.acquireSync();
    const before = words[0];
    tools.gate();
    if (words[1] !== before) throw new Error(`torn: ${before} and ${words[1]}`);
    guard.release();
  },
  writePair(tools, { lock, words }: Objects) {
    const guard = lock.acquireSync();
    words[0] = 1;
    tools.gate();
    words[1] = 1;
    guard.release();
  },
  permit(_tools, { semaphore }: Objects) {
    semaphore.acquireSync().release();
  },
  permitExclusive(tools, { semaphore }: Objects) {
    const guard = semaphore.acquireSync();
    tools.exclusive();
    guard.release();
  },
  permitTimed(_tools, { semaphore }: Objects) {
    semaphore.acquireSync({ timeout: 1000 })?.release();
  },
  permitTake(tools, { semaphore }: Objects) {
    semaphore.acquireSync();
    count(tools);
  },
  permitTakeTimed(tools, { semaphore }: Objects) {
    if (semaphore.acquireSync({ timeout: 1000 }) !== null) count(tools);
    else semaphore.acquireSync({ timeout: 0 });
  },
  permitGiveOne(_tools, { semaphore }: Objects) {
    semaphore.release();
  },
  permitGiveOneTwice(_tools, { semaphore }: Objects) {
    semaphore.release();
    semaphore.release();
  },
  permitGiveTwo(_tools, { semaphore }: Objects) {
    semaphore.release(2);
  },
  /** Waits for `words[0]` to be set under the condition's lock. */
  conditionWait(tools, { condition, words }: Objects) {
    condition.runSync(() => {
      while (words[0] === 0) condition.waitSync();
      words[0] = (words[0] as number) - 1;
      count(tools);
    });
  },
  conditionWaitTimed(tools, { condition, words }: Objects) {
    condition.runSync(() => {
      while (words[0] === 0) if (!condition.waitSync({ timeout: 1000 })) return;
      words[0] = (words[0] as number) - 1;
      count(tools);
    });
  },
  conditionWaitTwice(tools, { condition, words }: Objects) {
    condition.runSync(() => {
      for (let i = 0; i < 2; i++) {
        while (words[0] === 0) condition.waitSync();
        words[0] = (words[0] as number) - 1;
        count(tools);
      }
    });
  },
  /** Gives up when its time is over; passes the notify on when it comes in time. */
  conditionPassTimed(_tools, { condition, words }: Objects) {
    condition.runSync(() => {
      if (words[0] !== 0 || condition.waitSync({ timeout: 1000 })) condition.notify();
    });
  },
  conditionGive(_tools, { condition, words }: Objects) {
    condition.runSync(() => {
      words[0] = (words[0] as number) + 1;
      condition.notify();
    });
  },
  conditionGiveTwo(_tools, { condition, words }: Objects) {
    condition.runSync(() => {
      words[0] = (words[0] as number) + 2;
      condition.notifyAll();
    });
  },
  eventWait(tools, { event }: Objects) {
    if (event.waitSync()) count(tools);
  },
  eventSet(_tools, { event }: Objects) {
    event.set();
  },
  eventPulse(_tools, { event }: Objects) {
    event.set();
    event.clear();
    event.set();
  },
  barrierTwice(tools, { barrier }: Objects) {
    for (let round = 1; round <= 2; round++) {
      count(tools);
      barrier.waitSync();
      const arrived = tools.control[COUNTER] as number;
      if (arrived < round * barrier.parties) throw new Error(`round ${round}: ${arrived} arrivals`);
    }
  },
  barrierOnce(tools, { barrier }: Objects) {
    try {
      barrier.waitSync();
      count(tools);
    } catch (error) {
      if ((error as Error).name !== "BrokenBarrierError") throw error;
    }
  },
  barrierOnceTimed(tools, { barrier }: Objects) {
    try {
      barrier.waitSync({ timeout: 1000 });
      count(tools);
    } catch (error) {
      if ((error as Error).name !== "BrokenBarrierError") throw error;
    }
  },
  barrierAbort(_tools, { barrier }: Objects) {
    barrier.abort();
  },
  barrierReset(_tools, { barrier }: Objects) {
    barrier.reset();
  },

  // Seeded bugs: each must be found, or the controller is not worth its name.

  /** A lock that looks before it takes: two may look before one takes. */
  brokenExclusion(tools, { words }: Objects) {
    while (load(words, 0) !== 0) wait(words, 0, 1);
    store(words, 0, 1);
    tools.exclusive();
    store(words, 0, 0);
    notify(words, 0, 1);
  },
  /** A futex lock whose sleeper does not say so in the word before it sleeps. */
  brokenWake(tools, { words }: Objects) {
    while (compareExchange(words, 0, 0, 1) !== 0) {
      store(words, 1, 1); // "someone sleeps"
      if (wait(words, 0, 1) === "ok") continue;
    }
    tools.exclusive();
    if (exchange(words, 1, 0) === 1) {
      store(words, 0, 0);
      notify(words, 0, 1);
    } else store(words, 0, 0);
  },
  /** A semaphore that gives a permit back by reading and writing. */
  brokenPermit(_tools, { words }: Objects) {
    for (;;) {
      const value = load(words, 0);
      if (value > 0 && compareExchange(words, 0, value, value - 1) === value) break;
      if (value === 0) wait(words, 0, 0);
    }
    store(words, 0, load(words, 0) + 1);
    notify(words, 0, 1);
  },
  /** A condition that reads its sequence after it has let go of the lock. */
  brokenConditionWait(_tools, { lock, words }: Objects) {
    const guard = lock.acquireSync();
    if (words[1] === 0) {
      guard.release();
      wait(words, 0, load(words, 0));
      return;
    }
    guard.release();
  },
  brokenConditionGive(_tools, { lock, words }: Objects) {
    lock.runSync(() => void (words[1] = 1));
    fetchAdd(words, 0, 1);
    notify(words, 0);
  },
  /** A barrier whose last party opens it before it counts back to zero. */
  brokenBarrier(_tools, { words }: Objects) {
    for (let round = 0; round < 2; round++) {
      const generation = load(words, 1);
      if (fetchAdd(words, 0, 1) === 1) {
        fetchAdd(words, 1, 1);
        notify(words, 1);
        store(words, 0, 0);
      } else while (load(words, 1) === generation) wait(words, 1, generation);
    }
  },
};
