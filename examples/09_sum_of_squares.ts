// The sum of the squares of a million numbers, in chunks: copied to the workers, and shared with them.
//
// What the guide teaches: split the data (numpy.array_split), map the chunks, add up what comes back. In Python that is 12
// times slower than one line of numpy, because every chunk is pickled, sent and unpickled.
//
// Other than in Python:
// - The exact sum is 333332833333500000. A JavaScript number has 53 bits: added up plainly it is off by some hundred
//   thousand, and says nothing (numpy's int64 is right here and wraps in silence from 3 million numbers on). So the
//   parts are added as numbers while they are small enough, and then as bigint.
// - A SharedArray is one piece of memory that every worker sees. What is sent is its address and two indices; its view is an
//   ordinary Float64Array. Nobody writes here, so no lock is needed.
// - A chunk that is an Array, not a typed array, is copied number by number, some ten times more slowly.
//
// Even so: one thread sums a million squares in a few milliseconds. Chunks that are worth the trip compute for longer.

import process from "node:process";
import { cpuCount, isMain, Pool, SharedArray } from "@manycore/multiprocessing";

/** Exact while every number is an integer below 2^26, so that one square stays below 2^52. */
export function sumOfSquares(numbers: Float64Array): bigint {
  let total = 0n;
  let part = 0;
  for (const n of numbers) {
    part += n * n;
    if (part > 2 ** 52) {
      total += BigInt(part);
      part = 0;
    }
  }
  return total + BigInt(part);
}

/** The same over a part of shared memory. */
export function sumOfSharedSquares(shared: SharedArray<"float64">, start: number, end: number): bigint {
  return sumOfSquares(shared.view.subarray(start, end));
}

/** Runs something three times, and prints the sum and the shortest time: the first runs also compile the code. */
async function measure(label: string, run: () => bigint | Promise<bigint>): Promise<bigint> {
  let best = Infinity;
  let sum = 0n;
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    sum = await run();
    best = Math.min(best, performance.now() - start);
  }
  console.log(`${label.padEnd(28)}${sum}   ${best.toFixed(1)} ms`);
  return sum;
}

if (isMain(import.meta)) {
  const size = Number(process.argv[2] ?? 1_000_000);
  const numbers = Float64Array.from({ length: size }, (_, i) => i);
  const shared = new SharedArray("float64", numbers);
  const add = (sums: bigint[]): bigint => sums.reduce((a, b) => a + b, 0n);

  await new Pool(cpuCount()).run(async (pool) => {
    const step = Math.ceil(size / 4);
    const bounds = [0, 1, 2, 3].map((i): [number, number] => [i * step, Math.min((i + 1) * step, size)]);

    const plain = numbers.reduce((sum, n) => sum + n * n, 0);
    const exact = await measure("one thread, exact:", () => sumOfSquares(numbers));
    const copied = await measure(
      "four chunks, copied:",
      async () =>
        add(await pool.map(sumOfSquares, bounds.map(([start, end]) => numbers.slice(start, end)), { chunkSize: 1 })),
    );
    const together = await measure("four chunks, shared:", async () =>
      add(
        await pool.starmap(
          sumOfSharedSquares,
          bounds.map(([start, end]): [SharedArray<"float64">, number, number] => [shared, start, end]),
          { chunkSize: 1 },
        ),
      ));
    console.log(`all three agree: ${exact === copied && copied === together}`);
    console.log(`one thread, plain numbers:  ${BigInt(plain)}   off by ${BigInt(plain) - exact}`);
  });
}
