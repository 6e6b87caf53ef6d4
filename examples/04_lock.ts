// Ten processes print to one place, with and without a lock.
//
// What the guide teaches: a lock lets one process at a time through. It is passed to the processes as an argument, and
// released in a `finally`, or by something that cannot forget it.
//
// Other than in Python:
// - Waiting has two forms. acquire() and run() return promises, and leave the thread to other work; acquireSync() and
//   runSync() block it, which is right in a process that has nothing else to do, as here.
// - acquire() gives a guard. `using guard = await lock.acquire()` releases it at the end of the block, where the runtime can
//   parse that; runSync(fn) and run(fn) do it everywhere.
// - A lock can also be passed in the arguments of a pool's tasks and inside other objects; Python allows neither.
// - A lock whose holder dies goes to the next in line, whose guard says `recovered: true`. Python's is lost for ever.
//
// console.log() alone would not need the lock: its lines arrive whole. Here each line is written word by word.

import { writeSync } from "node:fs";
import { isMain, Lock, Process } from "@manycore/multiprocessing";

/** Writes a line word by word, with a pause after each, straight to standard output. */
function printSlowly(line: string): void {
  for (const word of line.split(/(?<= )/)) {
    writeSync(1, word);
    const end = performance.now() + 1;
    while (performance.now() < end);
  }
  writeSync(1, "\n");
}

/** What a process does without the lock. */
export function printUnlocked(id: number): void {
  printSlowly(`no lock in process ${id}`);
}

/** And with it. */
export function printLocked(lock: Lock, id: number): void {
  lock.runSync(() => printSlowly(`hello world from process ${id}`));
}

/** Starts all of them, and waits for them. */
async function together(processes: Process<never>[]): Promise<void> {
  for (const p of processes) p.start();
  for (const p of processes) await p.join();
}

if (isMain(import.meta)) {
  const ids = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  await together(ids.map((id) => new Process(printUnlocked, [id])));
  writeSync(1, "--- with the lock:\n");
  const lock = new Lock();
  await together(ids.map((id) => new Process(printLocked, [lock, id])));
}
