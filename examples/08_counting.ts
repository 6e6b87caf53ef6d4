// Counting to 100 million, again and again: on one thread, "concurrently" on one thread, and in several processes.
//
// What the guide teaches: threads do not make Python's own code faster (one interpreter lock), processes do: the ratio
// to one thread is 0.99 with two threads and 1.95 with two processes.
//
// Other than in Python:
// - The part of Python's threads is played by promises here: Promise.all() interleaves work that waits, and makes work that
//   computes no faster. It all runs on one thread.
// - Worker threads share no interpreter: a pool of threads gains as much as a pool of programs, and starts in a tenth of the
//   time. { type: "process" } is for what has to be killed for certain, or must not share a heap's fate.
// - JavaScript counts to 100 million in some 30 ms, Python in 4 s. One count would measure little but the start of
//   the workers, so it is done 20 times. Pass another number: node 08_counting.ts 1000000 2
//
// Give workers pieces of work that are much longer than a message (a fraction of a millisecond).

import process from "node:process";
import { cpuCount, isMain, Pool } from "@manycore/multiprocessing";

/** Counts down from n; returns n. */
export function count(n: number): number {
  let left = n;
  while (left > 0) left--;
  return n - left;
}

/** Runs something, and prints how long it took and whether it counted right. */
async function measure(label: string, expected: number, run: () => Promise<number[]>): Promise<number> {
  const start = performance.now();
  const counted = (await run()).reduce((sum, n) => sum + n, 0);
  const ms = performance.now() - start;
  console.log(
    `${label.padEnd(32)}${ms.toFixed(0).padStart(7)} ms   ${counted === expected ? "counted right" : "WRONG"}`,
  );
  return ms;
}

if (isMain(import.meta)) {
  const [size = 100_000_000, times = 20] = process.argv.slice(2).map(Number);
  const workers = cpuCount();
  const jobs = Array.from({ length: times }, () => size);
  const total = size * times;
  console.log(`Counting to ${size}, ${times} times; ${workers} workers`);

  count(1_000_000); // Let the compiler have seen it.
  const serial = await measure("one thread, in series", total, () => Promise.resolve(jobs.map(count)));
  const promises = await measure("one thread, Promise.all", total, () =>
    Promise.all(jobs.map(async (n) => {
      await Promise.resolve();
      return count(n);
    })));
  const ratios = [["Promise.all", promises]] as [string, number][];
  for (const type of ["thread", "process"] as const) {
    await new Pool(workers, { type }).run(async (pool) => {
      // A worker that is being started counts nothing: wait for the first answers before the clock runs.
      await pool.map(count, new Array(workers).fill(1), { chunkSize: 1 });
      ratios.push([
        `Pool of type "${type}"`,
        await measure(`Pool of type "${type}"`, total, () => pool.map(count, jobs)),
      ]);
    });
  }
  for (const [label, ms] of ratios) console.log(`${label} was ${(serial / ms).toFixed(2)} times as fast as the series`);
}
