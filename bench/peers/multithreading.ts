/**
 * The locks of `multithreading` (https://github.com/W4G1/multithreading), the one JavaScript library beside ours that has
 * any, at their best: the blocking forms, released by hand, in two workers of its own pool.
 *
 * Its functions travel as source text, so each says all it needs. Its semaphore can be released by its taker alone, so that
 * it cannot be played like a ball; its condition variable and its barrier do not spin.
 * @module
 */
import { load } from "../contestant.ts";

interface Disposable {
  dispose(): void;
}

interface Mutex {
  blockingLock(): Disposable & { readonly value: Int32Array };
  lock(): Promise<Disposable>;
}

interface Library {
  readonly Mutex: new (data: Int32Array) => Mutex;
  readonly Semaphore: new (permits: number) => { blockingAcquire(): Disposable };
  readonly Condvar: new () => object;
  readonly Barrier: new (parties: number) => object;
  readonly initRuntime: (options: { maxWorkers: number }) => void;
  readonly move: (...values: unknown[]) => unknown;
  readonly spawn: (payload: unknown, fn: (...values: never[]) => unknown) => {
    join(): Promise<{ ok: true; value: unknown } | { ok: false; error: unknown }>;
  };
}

/** What is measured of it. */
export interface Rival {
  readonly mutex: Mutex;
  readonly semaphore: { blockingAcquire(): Disposable };
  /** Two workers increment, each so many times. */
  increments(rounds: number): Promise<void>;
  /** So many round trips by condition variable. */
  condition(rounds: number): Promise<void>;
  /** So many rounds of a barrier for two. */
  barrier(rounds: number): Promise<void>;
}

function increment(
  mutex: { blockingLock(): { value: Int32Array; dispose(): void } },
  rounds: number,
): void {
  for (let i = 0; i < rounds; i++) {
    const guard = mutex.blockingLock();
    guard.value[0] = (guard.value[0] as number) + 1;
    guard.dispose();
  }
}

function play(
  mutex: { blockingLock(): { value: Int32Array; dispose(): void } },
  changed: { blockingWait(guard: object): void; notifyOne(): void },
  side: number,
  rounds: number,
): void {
  for (let i = 0; i < rounds; i++) {
    const guard = mutex.blockingLock();
    while (guard.value[0] !== side) changed.blockingWait(guard);
    guard.value[0] = 1 - side;
    changed.notifyOne();
    guard.dispose();
  }
}

function meet(barrier: { blockingWait(): unknown }, rounds: number): void {
  for (let i = 0; i < rounds; i++) barrier.blockingWait();
}

/** Starts it; says why where it does not run. */
export async function openRival(): Promise<Rival | string> {
  // A worker of its that fails at its start is silent, so that it is tried out before it is measured.
  try {
    const { Barrier, Condvar, initRuntime, move, Mutex, Semaphore, spawn } = await load<Library>("multithreading");
    initRuntime({ maxWorkers: 2 });
    const both = async (fn: (...values: never[]) => unknown, ...values: readonly unknown[][]): Promise<void> => {
      for (const result of await Promise.all(values.map((own) => spawn(move(...own), fn).join()))) {
        if (!result.ok) throw result.error;
      }
    };
    const data = new Int32Array(new SharedArrayBuffer(4));
    const mutex = new Mutex(data);
    const turn = new Mutex(new Int32Array(new SharedArrayBuffer(4)));
    const changed = new Condvar();
    const barrier = new Barrier(2);
    const rival: Rival = {
      mutex,
      semaphore: new Semaphore(1),
      increments: (rounds) => both(increment, [mutex, rounds], [mutex, rounds]),
      condition: (rounds) => both(play, [turn, changed, 0, rounds], [turn, changed, 1, rounds]),
      barrier: (rounds) => both(meet, [barrier, rounds], [barrier, rounds]),
    };
    const work = (async () => {
      await rival.increments(1000);
      await rival.condition(10);
      await rival.barrier(10);
    })();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("2,000 increments were not done in 10 s")), 10_000);
    });
    await Promise.race([work, late]);
    clearTimeout(timer);
    if (data[0] !== 2000) throw new Error(`${data[0]} of 2,000 increments`);
    return rival;
  } catch (error) {
    return `multithreading does not run here: ${(error as Error).message}`;
  }
}
