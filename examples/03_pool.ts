// A pool of workers, and a function over many items.
//
// What the guide teaches: Pool(5).map(square, …) gives the results in the order of the items, whoever computed them.
//
// Other than in Python:
// - map() returns at once; `await` is what Python's map() does inside. `await using pool = new Pool(5)` closes the pool at
//   the end of the block; pool.run(), used here, does the same on runtimes that cannot parse `using` (Node 22).
// - Leaving the block finishes the work. Python's `with Pool()` terminates it.
// - An arrow function without a name crosses as its source text, where Python refuses a lambda. It sees only its own
//   arguments; one that needs something of this module is exported, or named by task().
// - The first error of a map rejects it, and what has not started is dropped. Python runs all of it first.
//
// Not worth it for squares: starting five workers takes some hundred times longer than squaring five numbers.

import { isMain, Pool, task } from "@manycore/multiprocessing";

/** Found by its name, as every exported function. */
export function square(n: number): number {
  return n * n;
}

const factor = 10;
/** Needs `factor` and is not exported: task() gives it a name that workers find. */
const scale = task(import.meta, (n: number) => n * factor);

/** Fails for some. */
export function reciprocal(n: number): number {
  if (n === 0) throw new RangeError("division by zero");
  return 1 / n;
}

if (isMain(import.meta)) {
  await new Pool(5).run(async (pool) => {
    console.log("map:          ", await pool.map(square, [1, 2, 3, 4, 5]));
    console.log("arrow:        ", await pool.map((n) => n + 0.5, [1, 2, 3]));
    console.log("task:         ", await pool.map(scale, [1, 2, 3]));
    console.log("apply:        ", await pool.apply(square, [12]));
    console.log("starmap:      ", await pool.starmap((a: number, b: number) => a ** b, [[2, 3], [3, 2]]));
    for await (const n of pool.imap(square, [7, 8])) console.log("imap:         ", n);
    try {
      await pool.map(reciprocal, [2, 1, 0]);
    } catch (error) {
      console.log("an error:     ", error instanceof RangeError, String(error));
    }
  });
}
