/** What agents and processes of the queue tests run. */
import { task } from "@manycore/multiprocessing";
import { fetchAdd, setGate } from "../../src/memory/atomics.ts";
import { setPlatform } from "../../src/memory/park.ts";
import { randomNumbers } from "../kit/random.ts";
import type { JoinableQueue } from "../../src/channel/joinable_queue.ts";
import type { Queue } from "../../src/channel/queue.ts";
import type { Lock } from "../../src/sync/lock.ts";
import type { Value } from "../../src/shared/value.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** What the queues have in common. */
export interface AnyQueue {
  put(item: unknown): Promise<void>;
  putSync(item: unknown): void;
  get(): Promise<unknown>;
  getSync(options?: { timeout: number }): unknown;
  close(): void;
  itemsSync(): Iterable<unknown>;
  [Symbol.asyncIterator](): AsyncIterator<unknown>;
}

/** Answers each item, with the item in an array. */
export function echo(requests: AnyQueue, answers: AnyQueue): void {
  for (const item of requests.itemsSync()) answers.putSync([item]);
  answers.close();
}

/** The same without blocking. */
export async function echoAsync(requests: AnyQueue, answers: AnyQueue): Promise<void> {
  for await (const item of { [Symbol.asyncIterator]: () => requests[Symbol.asyncIterator]() }) {
    await answers.put([item]);
  }
  answers.close();
}

/** Puts `count` items `[writer, number]`, of different sizes. */
export function produce(queue: AnyQueue, writer: number, count: number, from = 0): void {
  for (let i = from; i < count; i++) queue.putSync(i % 7 === 0 ? [writer, i, "x".repeat(i % 500)] : [writer, i]);
}

/** The same with puts that nobody awaits, but the last. */
export async function produceAsync(queue: AnyQueue, writer: number, count: number): Promise<void> {
  let last: Promise<void> | undefined;
  for (let i = 0; i < count; i++) {
    last = queue.put([writer, i]);
    if (i % 10 === 0) await last;
  }
  await last;
}

/** Gets until the queue is closed; what it got, as `[writer, number]`. */
export function consume(queue: AnyQueue): [number, number][] {
  const got: [number, number][] = [];
  for (const item of queue.itemsSync()) {
    const [writer, number] = item as [number, number];
    got.push([writer, number]);
  }
  return got;
}

/** The same without blocking. */
export async function consumeAsync(queue: AnyQueue): Promise<[number, number][]> {
  const got: [number, number][] = [];
  for await (const item of { [Symbol.asyncIterator]: () => queue[Symbol.asyncIterator]() }) {
    const [writer, number] = item as [number, number];
    got.push([writer, number]);
  }
  return got;
}

/** Says that it is about to wait, then gets one item. */
export function getOne(queue: AnyQueue, words: Words): unknown {
  fetchAdd(words, 0, 1);
  return queue.getSync();
}

/** The name of the error of a get. */
export function getFails(queue: AnyQueue, words: Words): string {
  try {
    return `got ${String(getOne(queue, words))}`;
  } catch (error) {
    return (error as Error).name;
  }
}

/** Says that it is about to wait, then puts one item; the name of the error, if any. */
export function putOne(queue: AnyQueue, words: Words, item: unknown): string {
  fetchAdd(words, 0, 1);
  try {
    queue.putSync(item);
    return "put";
  } catch (error) {
    return `${(error as Error).name} ${JSON.stringify((error as { item?: unknown }).item)}`;
  }
}

/** CPython's `_test_put`: gets what the parent has put, and lets it go on. */
export function getSix(queue: Queue<number>, words: Words): void {
  while (Atomics.load(words, 0) === 0) Atomics.wait(words, 0, 0, 100);
  for (let i = 0; i < 6; i++) queue.getSync();
  Atomics.store(words, 1, 1);
  Atomics.notify(words, 1);
}

/** CPython's `_test_task_done`. */
export function work(queue: JoinableQueue<number | null>): void {
  for (let item = queue.getSync(); item !== null; item = queue.getSync()) queue.taskDone();
}

/** Uses the shared objects that come as items. */
export function useItems(queue: Queue<{ lock: Lock; value: Value<"int32">; back: Queue<unknown> } | null>): void {
  for (let item = queue.getSync(); item !== null; item = queue.getSync()) {
    const { lock, value, back } = item;
    lock.runSync(() => value.value += 1);
    back.putSync({ lock, value, through: back });
  }
}

/** Puts `items` and returns: the process ends at once. */
export const putAndEnd = task(import.meta, (queue: AnyQueue, items: unknown[]): void => {
  for (const item of items) queue.putSync(item);
});

/** Puts without awaiting, into a queue that is full: the process ends when all is put. */
export const putLaterAndEnd = task(import.meta, (queue: AnyQueue, items: unknown[]): void => {
  for (const item of items) void queue.put(item);
});

/** One agent's calls on one queue after another, as arrays: begin, end, what, value, outcome. */
export type Recorded = [begin: number, end: number, what: string, value: number | string, outcome: string | undefined];

/** Takes a nap before some of the atomic operations, so that calls overlap in every way, even on one core. */
function napNowAndThen(random: () => number): void {
  setPlatform({ spin: 0 });
  const pillow = new Int32Array(new SharedArrayBuffer(4));
  const step = (): void => {
    if (random() < 0.1) Atomics.wait(pillow, 0, 0, 0.02);
  };
  setGate({
    step,
    wait: (words, index, expected, timeout) => (step(), Atomics.wait(words, index, expected, timeout)),
    notify: (words, index, count) => (step(), Atomics.notify(words, index, count)),
  });
}

/**
 * Makes random calls that do not wait on each queue, at the same time as the other agents, and writes down when each began
 * and ended on their common clock. words: 0 the clock, 1 how many have arrived at the present queue, 2 how many agents.
 */
export function record(
  queues: Queue<number>[],
  words: Words,
  agent: number,
  seed: number,
  calls: number,
): Recorded[][] {
  const random = randomNumbers(seed);
  const agents = words[2] as number;
  napNowAndThen(randomNumbers(seed + 1));
  return queues.map((queue, round) => {
    const history: Recorded[] = [];
    Atomics.add(words, 1, 1);
    Atomics.notify(words, 1);
    for (let here = 0; (here = Atomics.load(words, 1)) < (round + 1) * agents;) Atomics.wait(words, 1, here);
    for (let i = 0; i < calls; i++) {
      const choice = random();
      const item = agent * 100 + i;
      let value: number | string = item;
      let outcome: string | undefined;
      const what = choice < 0.45 ? "put" : choice < 0.85 ? "get" : choice < 0.98 ? "size" : "close";
      const begin = Atomics.add(words, 0, 1);
      try {
        if (what === "put") queue.putNowait(item);
        else if (what === "get") value = queue.getNowait();
        else if (what === "size") value = queue.size;
        else queue.close();
      } catch (error) {
        const { name } = error as Error;
        const how = name === "QueueFullError" ? "full" : name === "QueueEmptyError" ? "empty" : "closed";
        if (!name.startsWith("Queue")) throw error;
        if (what === "put") outcome = how;
        else value = how;
      }
      history.push([begin, Atomics.add(words, 0, 1), what, value, outcome]);
    }
    return history;
  });
}
