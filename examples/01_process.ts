// A function with arguments runs in a process of its own.
//
// What the guide teaches: make a Process, start it, join it, look at its exit code.
//
// Other than in Python:
// - The arguments are an array, as in Python a tuple: ["bob", 3]. A plain "bob" does not compile; Python takes the string
//   apart into letters.
// - A process is a thread of this program, unless { type: "process" } is given. It shares no variables either way.
// - The main guard below is needed on every system: the worker imports this module to find `greet`, and without the guard
//   it would start a process of its own. It gets a BootstrapError instead.
// - Who forgets join() loses nothing: the program ends after its processes, as in Python.

import { currentProcess, isMain, Process } from "@manycore/multiprocessing";

/** Says hello; exported, so that a worker finds it by its name. */
export function greet(name: string, times: number): void {
  for (let i = 1; i <= times; i++) console.log(`Hello ${name} ${i} (from ${currentProcess().name})`);
}

if (isMain(import.meta)) {
  const p = new Process(greet, ["bob", 2], { name: "Greeter" });
  console.log(`before the start: alive ${p.isAlive}, exit code ${p.exitCode}`);
  p.start();
  await p.join();
  console.log(`after the join: alive ${p.isAlive}, exit code ${p.exitCode}`);
}
