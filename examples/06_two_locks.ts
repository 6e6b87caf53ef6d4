// Two processes need the same two locks, and take them in opposite order.
//
// What the guide teaches: each holds what the other waits for, and both wait for ever. The mends: take locks in the same
// order everywhere; or set a time limit, and let go of what one holds when it passes.
//
// Other than in Python:
// - Nobody waits for ever. When processes wait for one another in a circle, with no time limit that would end it, one of
//   them gets a DeadlockError, which names who holds what. It releases what it holds, and the others go on.
// - acquire({ timeout }) gives null when the time (in ms) has passed. Python returns False, which is easily overlooked; here
//   the compiler asks what happens with null.
//
// The barrier makes sure that both hold their first lock before they ask for the second. Without it the deadlock comes
// once in a while, which is worse.

import { Barrier, currentProcess, DeadlockError, isMain, Lock, Process } from "@manycore/multiprocessing";

/** Takes both locks, whatever happens. */
export function takeBoth(first: Lock, second: Lock, bothHoldOne: Barrier): void {
  const { name } = currentProcess();
  first.runSync(() => {
    bothHoldOne.waitSync();
    try {
      second.runSync(() => console.log(`  ${name} has both locks`));
    } catch (error) {
      if (!(error instanceof DeadlockError)) throw error;
      console.log([`  ${name} got a DeadlockError:`, ...error.cycle].join("\n    "));
    }
  });
}

/** Takes both locks, and lets go of the first when the second does not come. */
export function takeBothInTime(first: Lock, second: Lock, bothHoldOne: Barrier, patience: number): void {
  const { name } = currentProcess();
  for (let attempt = 1;; attempt++) {
    const guard = first.acquireSync();
    try {
      if (attempt === 1) bothHoldOne.waitSync();
      const inner = second.acquireSync({ timeout: patience });
      if (inner !== null) {
        inner.release();
        console.log(`  ${name} has both locks`);
        return;
      }
    } finally {
      guard.release();
    }
  }
}

/** Takes both locks, of which everybody takes the same one first. */
export function takeBothInOrder(a: Lock, b: Lock): void {
  a.runSync(() => b.runSync(() => console.log(`  ${currentProcess().name} has both locks`)));
}

/** Starts two processes, waits for them, and prints their exit codes. */
async function run(title: string, left: Process<never>, right: Process<never>): Promise<void> {
  console.log(title);
  left.start();
  right.start();
  await left.join();
  await right.join();
  console.log(`  exit codes ${left.exitCode} and ${right.exitCode}`);
}

if (isMain(import.meta)) {
  const [a, b] = [new Lock({ name: "a" }), new Lock({ name: "b" })];
  const [left, right] = [{ name: "Left" }, { name: "Right" }];
  let bothHoldOne = new Barrier(2);
  await run(
    "opposite order:",
    new Process(takeBoth, [a, b, bothHoldOne], left),
    new Process(takeBoth, [b, a, bothHoldOne], right),
  );
  bothHoldOne = new Barrier(2);
  await run(
    "opposite order, with time limits:",
    new Process(takeBothInTime, [a, b, bothHoldOne, 20], left),
    new Process(takeBothInTime, [b, a, bothHoldOne, 50], right),
  );
  await run(
    "the same order:",
    new Process(takeBothInOrder, [a, b], left),
    new Process(takeBothInOrder, [a, b], right),
  );
}
