/** What the agents of these tests run. */
import { fetchAdd, load, store } from "../../src/memory/atomics.ts";
import type { Barrier } from "../../src/sync/barrier.ts";
import type { Condition } from "../../src/sync/condition.ts";
import type { Event } from "../../src/sync/event.ts";
import type { Lockable } from "../../src/sync/guard.ts";
import type { Semaphore } from "../../src/sync/semaphore.ts";
import { randomNumbers } from "../kit/random.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** Adds to a plain word under a lock: any overlap loses increments. */
export function countSync(lock: Lockable, words: Words, times: number): void {
  for (let i = 0; i < times; i++) {
    const guard = lock.acquireSync();
    words[0] = (words[0] as number) + 1;
    guard.release();
  }
}

export async function countAsync(lock: Lockable, words: Words, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const guard = await lock.acquire();
    words[0] = (words[0] as number) + 1;
    guard.release();
  }
}

/** Acquires with a mixture of short time limits, aborts and tries; counts what it got. */
export async function countHastily(lock: Lockable, words: Words, times: number): Promise<number> {
  let got = 0;
  for (let i = 0; i < times; i++) {
    let guard;
    const way = i % 5;
    if (way === 0) guard = lock.acquireSync({ timeout: (i % 3) * 0.2 });
    else if (way === 1) guard = lock.tryAcquire();
    else if (way === 2) guard = await lock.acquire({ timeout: i % 3 });
    else if (way === 3) {
      const controller = new AbortController();
      const pending = lock.acquire({ signal: controller.signal });
      if (i % 2) controller.abort();
      else setTimeout(() => controller.abort(), 1);
      guard = await pending.catch(() => null);
    } else guard = lock.acquireSync();
    if (guard === null) continue;
    words[0] = (words[0] as number) + 1;
    got++;
    guard.release();
  }
  return got;
}

/** Holds a lock until the word says so. */
export function hold(lock: Lockable, words: Words): void {
  const guard = lock.acquireSync();
  fetchAdd(words, 0, 1);
  while (load(words, 1) === 0);
  guard.release();
}

/** Takes and gives permits back, and notes the most that were out at a time. */
export function permits(semaphore: Semaphore, words: Words, times: number): void {
  for (let i = 0; i < times; i++) {
    const guard = semaphore.acquireSync();
    const out = fetchAdd(words, 0, 1) + 1;
    while (out > load(words, 1)) store(words, 1, out);
    fetchAdd(words, 0, -1);
    guard.release();
  }
}

export async function permitsAsync(semaphore: Semaphore, words: Words, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const guard = i % 3 === 0 ? await semaphore.acquire({ timeout: 1 }) : await semaphore.acquire();
    if (guard === null) continue;
    const out = fetchAdd(words, 0, 1) + 1;
    while (out > load(words, 1)) store(words, 1, out);
    fetchAdd(words, 0, -1);
    guard.release();
  }
}

/** Waits for a condition once, and says whether it was notified. */
export function waitOnce(condition: Condition, words: Words, timeout?: number): boolean {
  const guard = condition.acquireSync();
  fetchAdd(words, 0, 1);
  const notified = condition.waitSync({ timeout });
  if (notified) fetchAdd(words, 1, 1);
  guard.release();
  return notified;
}

export async function waitOnceAsync(condition: Condition, words: Words, timeout?: number): Promise<boolean> {
  const guard = await condition.acquire();
  fetchAdd(words, 0, 1);
  const notified = await condition.wait({ timeout });
  if (notified) fetchAdd(words, 1, 1);
  guard.release();
  return notified;
}

/** A bounded buffer of one number in words[0..1], as producers and consumers know it. */
export function produce(condition: Condition, words: Words, times: number): void {
  for (let i = 1; i <= times; i++) {
    condition.runSync(() => {
      condition.waitForSync(() => words[0] === 0);
      words[0] = i;
      condition.notifyAll();
    });
  }
}

export async function consume(condition: Condition, words: Words, times: number, async: boolean): Promise<number> {
  let sum = 0;
  for (let i = 0; i < times; i++) {
    const take = (): void => {
      sum += words[0] as number;
      words[0] = 0;
      condition.notifyAll();
    };
    if (async) {
      await condition.run(async () => {
        await condition.waitFor(() => words[0] !== 0);
        take();
      });
    } else {
      condition.runSync(() => {
        condition.waitForSync(() => words[0] !== 0);
        take();
      });
    }
  }
  return sum;
}

/** Waits for an event; says what the wait returned. */
export function waitEvent(event: Event, words: Words, timeout?: number): boolean {
  fetchAdd(words, 0, 1);
  return event.waitSync({ timeout });
}

/** Answers every pulse of one event by one of the other. */
/** Takes permits and keeps them. */
export function takePermits(semaphore: Semaphore, words: Words, times: number): void {
  fetchAdd(words, 0, 1);
  for (let i = 0; i < times; i++) {
    semaphore.acquireSync();
    fetchAdd(words, 1, 1);
  }
}

/** Where the two of the litmus test write and meet. */
const X = 64;
const MEET = 128;

/**
 * Store buffering. One agent writes x and sets an event that is set already; the other clears it and reads x. Lost: the
 * event is clear at the end, and x was not seen. Returns how often that was so.
 */
export function storeBuffering(event: Event, words: Words, times: number, side: 0 | 1): number {
  const own = MEET + 64 * side;
  const other = MEET + 64 * (1 - side);
  const meet = (n: number): void => {
    store(words, own, n);
    while (load(words, other) < n);
  };
  const write = (): void => {
    words[X] = 1;
    event.set();
  };
  const look = (): number => {
    event.clear();
    return words[X] as number;
  };
  let lost = 0;
  for (let i = 0; i < times; i++) {
    if (side === 0) {
      words[X] = 0;
      event.set();
    }
    meet(3 * i + 1);
    let seen = 1;
    if (side === 0) write();
    else seen = look();
    meet(3 * i + 2);
    if (seen === 0 && !event.isSet) lost++;
    meet(3 * i + 3);
  }
  return lost;
}

export function echoEvents(ping: Event, pong: Event, times: number): void {
  for (let i = 0; i < times; i++) {
    ping.waitSync();
    ping.clear();
    pong.set();
  }
}

/** Goes through rounds of a barrier, in lock-step with the others: returns the sum of its indexes. */
export function rounds(barrier: Barrier, words: Words, times: number): number {
  let sum = 0;
  for (let i = 0; i < times; i++) {
    fetchAdd(words, 0, 1);
    sum += barrier.waitSync();
    const arrived = load(words, 0);
    if (arrived < (i + 1) * barrier.parties) throw new Error(`round ${i}: only ${arrived} arrived`);
    sum += 0 * barrier.waitSync();
  }
  return sum;
}

/** Waits at a barrier once; says the index or the error's name. */
export function meet(barrier: Barrier, words: Words, timeout?: number): number | string {
  fetchAdd(words, 0, 1);
  try {
    return barrier.waitSync({ timeout });
  } catch (error) {
    return (error as Error).name;
  }
}

export async function meetAsync(barrier: Barrier, words: Words, timeout?: number): Promise<number | string> {
  fetchAdd(words, 0, 1);
  try {
    return await barrier.wait({ timeout });
  } catch (error) {
    return (error as Error).name;
  }
}

/** Meets with an action that runs until `words[1]` is 1. */
export function meetSlowly(barrier: Barrier, words: Words): string {
  barrier.setAction(() => {
    fetchAdd(words, 0, 1);
    while (load(words, 1) === 0);
  });
  try {
    while (barrier.waiting === 0);
    barrier.waitSync();
    return "passed";
  } catch (error) {
    return (error as Error).name;
  }
}

/** CPython's test_abort_and_reset: one breaks it, all meet elsewhere, one resets it, and all pass it. */
export function abortAndReset(first: Barrier, second: Barrier, words: Words): string {
  if (fetchAdd(words, 0, 1) === 0) {
    while (first.waiting < 2);
    first.abort();
  } else {
    try {
      first.waitSync();
      return "passed a barrier that was to break";
    } catch (error) {
      if ((error as Error).name !== "BrokenBarrierError") throw error;
    }
  }
  if (second.waitSync() === 2) first.reset();
  second.waitSync();
  first.waitSync();
  return "passed";
}

/** Holds one lock, waits until all hold theirs, then wants the next one: a circle. */
/** Takes several of the locks, in their order, for a moment, again and again; returns how many reports it got. */
export function takeInOrder(locks: readonly Lockable[], words: Words, times: number, seed: number): number {
  const random = randomNumbers(seed);
  let reports = 0;
  for (let i = 0; i < times; i++) {
    const wanted = locks.filter(() => random() < 0.5);
    const held: { release(): void }[] = [];
    try {
      for (const lock of wanted) held.push(lock.acquireSync());
      // Long enough for the others to look for a circle, now and then.
      for (const until = performance.now() + random() * 4; performance.now() < until;);
      fetchAdd(words, 0, 1);
    } catch (error) {
      if ((error as Error).name !== "DeadlockError") throw error;
      reports++;
    } finally {
      for (const guard of held.reverse()) guard.release();
    }
  }
  return reports;
}

/** The same without blocking the thread. */
export async function takeInOrderAsync(
  locks: readonly Lockable[],
  words: Words,
  times: number,
  seed: number,
): Promise<number> {
  const random = randomNumbers(seed);
  let reports = 0;
  for (let i = 0; i < times; i++) {
    const wanted = locks.filter(() => random() < 0.5);
    const held: { release(): void }[] = [];
    try {
      for (const lock of wanted) held.push(await lock.acquire());
      for (const until = performance.now() + random() * 4; performance.now() < until;) await Promise.resolve();
      fetchAdd(words, 0, 1);
    } catch (error) {
      if ((error as Error).name !== "DeadlockError") throw error;
      reports++;
    } finally {
      for (const guard of held.reverse()) guard.release();
    }
  }
  return reports;
}

/** Takes part in a condition's lock all the time, and notifies one that waits each time, until told to end. */
export function notifyGreedily(condition: Condition, words: Words): void {
  while (load(words, 1) === 0) {
    condition.acquireSync();
    fetchAdd(words, 0, 1);
    condition.notify();
    condition.release();
  }
}

export function circle(own: Lockable, next: Lockable, words: Words, parties: number): string {
  return own.runSync(() => {
    fetchAdd(words, 0, 1);
    while (load(words, 0) < parties);
    return next.runSync(() => "got both");
  });
}

export async function circleAsync(own: Lockable, next: Lockable, words: Words, parties: number): Promise<string> {
  return await own.run(async () => {
    fetchAdd(words, 0, 1);
    while (load(words, 0) < parties) await new Promise((resolve) => setTimeout(resolve, 1));
    return await next.run(() => "got both");
  });
}

/** Reads and writes two words that a writer keeps equal; returns how often they were seen to differ. */
export async function readAndWrite(
  lock: { read: Lockable; write: Lockable },
  words: Words,
  times: number,
  async: boolean,
): Promise<number> {
  let torn = 0;
  const look = (): void => {
    if (words[0] !== words[1]) torn++;
  };
  const change = (): void => {
    words[0] = (words[0] as number) + 1;
    words[1] = (words[1] as number) + 1;
  };
  for (let i = 0; i < times; i++) {
    if (i % 4 === 0) {
      if (async) await lock.write.run(change);
      else lock.write.runSync(change);
    } else if (async) await lock.read.run(look);
    else lock.read.runSync(look);
  }
  return torn;
}

/** Takes a lock again and again until told to stop. */
export function greedy(lock: Lockable, words: Words): void {
  while (load(words, 1) === 0) {
    const guard = lock.acquireSync();
    fetchAdd(words, 0, 1);
    for (let i = 0; i < 100; i++) load(words, 1);
    guard.release();
  }
}

/** Notifies once somebody waits: the lock is free only then. */
export function notifyWhenTold(condition: Condition): void {
  condition.runSync(() => condition.notifyAll());
}
