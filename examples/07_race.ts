// Three processes count to one hundred thousand each, in one number: a race, and its three mends.
//
// What the guide teaches: `counter.value += 1` reads, adds and writes. Between the read and the write of one process the
// writes of the others get lost. In Python 122087 to 200782 were left of 300000.
//
// The mends:
// 1. the lock of the value, around all three steps;
// 2. one indivisible step: counter.add(1), which Python does not have;
// 3. nothing shared at all: everybody counts for himself, and the results are added up. The fastest by far.
//
// Other than in Python: nothing; the race is the same. Reading and writing are indivisible here, too, each by itself.
//
// The barrier lets the three begin together. A process that has counted before the next one has started races nobody: the
// smaller the work, the rarer the loss, and the later somebody finds out.

import { Barrier, isMain, Pool, Process, Value } from "@manycore/multiprocessing";

type Counter = Value<"int32">;

const PROCESSES = 3;
const TIMES = 100_000;

/** Read, add, write: what others write in between is lost. */
export function race(counter: Counter, start: Barrier): void {
  start.waitSync();
  for (let i = 0; i < TIMES; i++) counter.value += 1;
}

/** The first mend. */
export function withLock(counter: Counter, start: Barrier): void {
  start.waitSync();
  for (let i = 0; i < TIMES; i++) {
    counter.lock.runSync(() => {
      counter.value += 1;
    });
  }
}

/** The second mend. */
export function atomic(counter: Counter, start: Barrier): void {
  start.waitSync();
  for (let i = 0; i < TIMES; i++) counter.add(1);
}

/** The third mend. */
export function countAlone(times: number): number {
  let count = 0;
  for (let i = 0; i < times; i++) count += 1;
  return count;
}

/** Prints what was counted, and how long it took. */
async function report(label: string, count: () => Promise<number>): Promise<void> {
  const start = performance.now();
  const counted = await count();
  const ms = (performance.now() - start).toFixed(0);
  console.log(`${label.padEnd(18)}${counted} of ${PROCESSES * TIMES}, in ${ms} ms`);
}

/** Has three processes count in one value. */
async function share(target: (counter: Counter, start: Barrier) => void): Promise<number> {
  const counter = new Value("int32", 0);
  const start = new Barrier(PROCESSES);
  const processes = Array.from({ length: PROCESSES }, () => new Process(target, [counter, start]));
  for (const p of processes) p.start();
  for (const p of processes) await p.join();
  return counter.value;
}

if (isMain(import.meta)) {
  await report("no lock:", () => share(race));
  await report("its lock:", () => share(withLock));
  await report("add():", () => share(atomic));
  await report("nothing shared:", async () => {
    const counts = await new Pool(PROCESSES).run((pool) => pool.map(countAlone, new Array(PROCESSES).fill(TIMES)));
    return counts.reduce((sum, n) => sum + n, 0);
  });
}
