/**
 * Writers and readers on one queue, of which many die at random moments: terminated, by process.exit, by an error. Every item
 * is accounted for: none comes twice, none is garbled or out of order, and none is missing but one for each dead reader.
 */
import process from "node:process";
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Process } from "@manycore/multiprocessing";
import { Queue } from "../../src/channel/queue.ts";
import { load } from "../../src/memory/atomics.ts";
import { choose, randomNumbers, SEED } from "../kit/random.ts";
import { SOAK } from "../kit/runtime.ts";
import { within } from "../kit/wait.ts";
import type { QueueEnd } from "../../src/channel/queue_end.ts";
import {
  ballast,
  book,
  COUNT,
  type Fate,
  GOT,
  type Item,
  PROGRESS,
  read,
  VIOLATIONS,
  write,
} from "./queue_storm_tasks.ts";

interface Outcome {
  readonly lost: number;
  readonly got: number;
}

/** One storm. `deadly`: whether anybody dies. */
async function storm(
  seed: number,
  writers: number,
  readers: number,
  maxSize: number,
  deadly: boolean,
): Promise<Outcome> {
  const where = `seed ${SEED}, storm ${seed}`;
  const random = randomNumbers(SEED * 1000 + seed);
  const words = new Int32Array(new SharedArrayBuffer((GOT + writers * COUNT) * 4));
  const queue = new Queue<Item>(maxSize);
  const timers: ReturnType<typeof setTimeout>[] = [];
  let deadReaders = 0;
  const start = (target: typeof write | typeof read, ...args: unknown[]): { process: Process; fate: Fate } => {
    const fate = deadly ? choose<Fate>(random, [["live", 4], ["exit", 2], ["throw", 1], ["terminate", 3]]) : "live";
    const part = { queue, seed: Math.floor(random() * 1e9), fate, async: random() < 0.3 };
    const process = new Process(target as (...args: unknown[]) => Promise<void>, [part, words, ...args]) as Process;
    process.start();
    if (fate === "terminate") timers.push(setTimeout(() => process.terminate(), random() * 120));
    return { process: process as Process, fate };
  };
  const reading = Array.from({ length: readers }, () => start(read));
  const writing = Array.from({ length: writers }, (_, writer) => start(write, writer));
  // The test reads, too: should all readers die, the writers go on.
  const here = (async () => {
    const last: number[] = [];
    for await (const item of queue) book(words, last, item);
  })();
  for (const { process } of writing) assert(await within(process.join(), `${where}: a writer`), where);
  queue.close();
  await within(here, `${where}: the reader here`);
  for (const { process, fate } of reading) {
    assert(await within(process.join(), `${where}: a reader`), where);
    if (process.exitCode !== 0) {
      assert(fate !== "live", `${where}: a reader ended with ${process.exitCode}`);
      deadReaders++;
    }
  }
  for (const timer of timers) clearTimeout(timer);
  assertEquals([queue.size, queue.empty], [0, true], where);
  assertEquals(load(words, VIOLATIONS), 0, `${where}: items garbled or out of order`);
  let lost = 0;
  let got = 0;
  for (let writer = 0; writer < writers; writer++) {
    const progress = load(words, PROGRESS + writer);
    const { process, fate } = writing[writer]!;
    if (process.exitCode === 0) assertEquals(progress, COUNT, where);
    else assert(fate !== "live", `${where}: a writer ended with ${process.exitCode}`);
    for (let i = 0; i < COUNT; i++) {
      const times = load(words, GOT + writer * COUNT + i);
      got += times;
      assert(times <= 1, `${where}: item ${i} of ${writer} came ${times} times`);
      // One item more than the writer has booked may have been put: it died before it could book it.
      if (i < progress && times === 0) lost++;
      assert(i <= progress || times === 0, `${where}: item ${i} of ${writer} came, who had put ${progress}`);
    }
  }
  assert(lost <= deadReaders, `${where}: ${lost} items lost, ${deadReaders} dead readers`);
  if (!deadly) assertEquals([lost, got], [0, writers * COUNT], where);
  return { lost, got };
}

test("writers and readers in threads, bounded and not: every item comes once, in its writer's order", async () => {
  await storm(1, 3, 3, 0, false);
  await storm(2, 4, 2, 5, false);
  await storm(3, 1, 1, 1, false);
});

test("the same while half of them die: only the item that a dead reader was taking is lost", async () => {
  let got = 0;
  for (let seed = 10; seed < 14; seed++) got += (await storm(seed, 5, 3, seed % 2 === 0 ? 0 : 10, true)).got;
  assert(got > 0);
});

test("a long storm", { skip: SOAK ? false : "MANYCORE_SOAK=1 runs it" }, async () => {
  const end = Date.now() + Number(process.env["MANYCORE_SOAK_MS"] ?? 120_000);
  let lost = 0;
  let got = 0;
  for (let seed = 100; Date.now() < end; seed++) {
    const outcome = await storm(seed, 4, 3, [0, 1, 10, 100][seed & 3]!, true);
    lost += outcome.lost;
    got += outcome.got;
  }
  console.log(`${got} items came, ${lost} were lost with their readers`);
});

test("a long run of items of all sizes takes no more memory at its end than at its beginning", {
  skip: SOAK ? false : "MANYCORE_SOAK=1 runs it",
}, async () => {
  const queue = new Queue<Item>(50);
  const { arena } = (Queue.endOf(queue) as QueueEnd).core;
  const words = new Int32Array(new SharedArrayBuffer((GOT + COUNT) * 4));
  const end = Date.now() + Number(process.env["MANYCORE_SOAK_MS"] ?? 120_000);
  let warm = 0;
  for (let round = 0; Date.now() < end; round++) {
    const part = { queue, seed: round, fate: "live" as const, async: round % 2 === 0 };
    const writer = new Process(write, [part, words, 0]);
    writer.start();
    for (let i = 0; i < COUNT; i++) assertEquals((await within(queue.get(), "an item"))[2], ballast(0, i));
    assert(await within(writer.join(), "the writer"));
    if (round === 20) warm = arena.segments;
  }
  assert(warm > 0, "it ran for too short a time");
  // Fifty items are at most two of the long ones and some segments.
  assert(arena.segments <= warm + 8, `${warm} segments at first, ${arena.segments} at last`);
  console.log(`${arena.segments} segments, ${Math.round(process.memoryUsage().rss / 2 ** 20)} MB in all`);
});
