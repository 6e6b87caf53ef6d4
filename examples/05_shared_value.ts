// Three processes add to one number.
//
// What the guide teaches: a Value lives in shared memory. Who changes it in several steps takes its lock.
//
// Other than in Python:
// - The types have names ("float64", "int32", "int64" …); Python's typecodes ("d", "i", "q" …) work too.
// - value.lock is Python's get_lock(), an RLock. value.lock.runSync(fn) is Python's `with value.get_lock():`.
// - value.add(1) does the same in one step; Python has no such thing.
// - Without the lock the result is 300, too, most of the times: in three times a hundred additions a race hides. See
//   07_race.ts for one that shows itself.

import { isMain, Process, Value } from "@manycore/multiprocessing";

/** Adds 1, a hundred times. */
export function addHundred(total: Value<"float64">): void {
  for (let i = 0; i < 100; i++) {
    total.lock.runSync(() => {
      total.value += 1;
    });
  }
}

if (isMain(import.meta)) {
  const total = new Value("float64", 0);
  const processes = [1, 2, 3].map(() => new Process(addHundred, [total]));
  for (const p of processes) p.start();
  for (const p of processes) await p.join();
  console.log(`total: ${total.value.toFixed(1)}`);
}
