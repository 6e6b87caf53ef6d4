// A pipeline: each stage reads from one queue and writes to the next, all at the same time.
//
//   main ──▶ numbers ──▶ 2 × factorise ──▶ found ──▶ 1 × describe ──▶ lines ──▶ main
//
// Every queue holds a few items only. So a slow stage slows down those before it, and however long the input is, little of it
// is in memory. A stage ends when the queue before it is closed and empty; the main program closes the queue after a stage
// when all processes of the stage have ended.
//
// Results of the two factorising processes come in any order, so each item carries its number along. (For work where only
// the order of results matters, Pool.imap does all of this.)

import { isMain, Process, Queue } from "@manycore/multiprocessing";

type Found = readonly [n: number, factors: number[]];

/** The prime factors of each number. */
export function factorise(numbers: Queue<number>, found: Queue<Found>): void {
  for (const n of numbers.itemsSync()) {
    const factors: number[] = [];
    let rest = n;
    for (let p = 2; p * p <= rest; p++) {
      while (rest % p === 0) {
        factors.push(p);
        rest /= p;
      }
    }
    if (rest > 1 || n === 1) factors.push(rest);
    found.putSync([n, factors]);
  }
}

/** A line of text for each; this stage waits without blocking its thread, so that it could serve requests meanwhile. */
export async function describe(found: Queue<Found>, lines: Queue<string>): Promise<void> {
  for await (const [n, factors] of found) {
    await lines.put(factors.length === 1 ? `${n} is a prime` : `${n} = ${factors.join(" x ")}`);
  }
}

/** Starts `count` processes; when all of them have ended, the queue after them gets no more. */
async function stage<A, B>(
  count: number,
  work: (from: Queue<A>, to: Queue<B>) => void | Promise<void>,
  from: Queue<A>,
  to: Queue<B>,
): Promise<void> {
  const processes = Array.from({ length: count }, () => new Process(work, [from, to]));
  for (const process of processes) process.start();
  for (const process of processes) await process.join();
  to.close();
}

if (isMain(import.meta)) {
  const numbers = new Queue<number>(8);
  const found = new Queue<Found>(8);
  const lines = new Queue<string>(8);
  const stages = [stage(2, factorise, numbers, found), stage(1, describe, found, lines)];

  const feeding = (async () => {
    for (let n = 1_000_000_001; n <= 1_000_000_020; n++) await numbers.put(n);
    numbers.close();
  })();

  const all: string[] = [];
  for await (const line of lines) all.push(line);
  await Promise.all([feeding, ...stages]);
  for (const line of all.sort()) console.log(line);
}
