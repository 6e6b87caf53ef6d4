/** Writers and readers that die at random moments, for queue_storm_test.ts. */
import process from "node:process";
import { task } from "@manycore/multiprocessing";
import type { Queue } from "../../src/channel/queue.ts";
import { fetchAdd, store } from "../../src/memory/atomics.ts";
import { randomNumbers } from "../kit/random.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** How an agent ends: by itself, or in one of these ways, at some point. `terminate` is done by the parent. */
export type Fate = "live" | "exit" | "throw" | "terminate";

/** What an agent of the storm gets. */
export interface Part {
  readonly queue: Queue<Item>;
  readonly seed: number;
  readonly fate: Fate;
  readonly async: boolean;
}

/** Writer, number, and something of a size that follows from both. */
export type Item = readonly [writer: number, number: number, ballast: string];

/** The words for accounting: how far each writer came, then violations, then how often each item was got. */
export const PROGRESS = 0;
export const VIOLATIONS = 32;
export const GOT = 64;

/** The items of each writer. */
export const COUNT = 600;

/** One in a hundred takes several segments. */
export function ballast(writer: number, number: number): string {
  const size = (writer * 31 + number * 17) % 101;
  return String.fromCharCode(97 + size % 26).repeat(size === 100 ? 150_000 : size * 5);
}

function perhapsDie(fate: Fate, random: () => number): void {
  if (random() > 1 / 300) return;
  if (fate === "exit") process.exit(3);
  if (fate === "throw") throw new Error("a death of this test");
}

/** Puts its items, and counts them. */
export const write = task(import.meta, async (part: Part, words: Words, writer: number): Promise<void> => {
  const random = randomNumbers(part.seed);
  for (let i = 0; i < COUNT; i++) {
    const item: Item = [writer, i, ballast(writer, i)];
    if (part.async) await part.queue.put(item);
    else part.queue.putSync(item);
    store(words, PROGRESS + writer, i + 1);
    perhapsDie(part.fate, random);
  }
});

/** Books an item that was got; `last` is the last number of each writer that this reader has got. */
export function book(words: Words, last: number[], item: Item): void {
  const [writer, number, text] = item;
  fetchAdd(words, GOT + writer * COUNT + number, 1);
  if (number <= (last[writer] ?? -1) || text !== ballast(writer, number)) fetchAdd(words, VIOLATIONS, 1);
  last[writer] = number;
}

/** Gets until the queue is closed, and books what it got. */
export const read = task(import.meta, async (part: Part, words: Words): Promise<void> => {
  const random = randomNumbers(part.seed);
  const last: number[] = [];
  if (part.async) {
    for await (const item of part.queue) {
      book(words, last, item);
      perhapsDie(part.fate, random);
    }
    return;
  }
  for (const item of part.queue.itemsSync()) {
    book(words, last, item);
    perhapsDie(part.fate, random);
  }
});
