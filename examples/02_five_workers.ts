// Five processes at once.
//
// What the guide teaches: start all of them first and join them afterwards. Who joins inside the first loop runs them one
// after the other.
//
// Other than in Python:
// - The order of the lines is as little known as there, but every line arrives whole. Python's processes share one
//   standard output and now and then print "Worker 2Worker 3" on one line.
// - Every process has its own copy of the module, as under Python's "spawn": the counter below is 1 in each worker and
//   stays 0 here. What is to be shared has to be passed (see 05_shared_value.ts).

import { isMain, Process } from "@manycore/multiprocessing";

/** A variable of this module: one for each process. */
let visits = 0;

/** Does a worker's work. */
export function work(id: number): void {
  visits++;
  console.log(`Worker ${id}: visits is ${visits} here`);
}

if (isMain(import.meta)) {
  const processes = [1, 2, 3, 4, 5].map((id) => new Process(work, [id]));
  for (const p of processes) p.start();
  for (const p of processes) await p.join();
  console.log(`All five are done, exit codes ${processes.map((p) => p.exitCode).join(" ")}; visits is ${visits} here`);
}
