/**
 * One call at a time: hot, after a pause, and beside another that waits.
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { clock, clockInside, now } from "./clock.ts";
import type { Opened } from "./contestant.ts";
import { burstOf, entryOf, everybody, expectIncremented, numbers, serialEntry, warmCall } from "./field.ts";
import { quick } from "./settings.ts";
import { type Cell, Suite } from "./suite.ts";
import { increment } from "./work.mjs";

/** Whether a pool has one worker or two makes no difference to calls one after another; some contestants have but one. */
const ONE = { workers: 1, inFlight: 1 };
const BESIDE = { workers: 1, inFlight: 1001, overlap: true };

const CELLS: readonly Cell[] = [
  {
    question: "latency/hot",
    async measure(opened) {
      const call = await warmCall(opened, "increment", 41, 42, 1);
      return clock(() => call(7), { budget: 800, least: 100 });
    },
  },
  {
    question: "latency/idle",
    async measure(opened) {
      const call = await warmCall(opened, "increment", 41, 42, 1);
      return clockInside(async () => {
        await sleep(5);
        const start = now();
        await call(7);
        return now() - start;
      }, 100);
    },
  },
];

async function beside(opened: Opened): Promise<number> {
  const rest = opened.call("rest")(200);
  const items = numbers(1000);
  const start = now();
  const results = await burstOf(opened.call("increment"), items)();
  const took = now() - start;
  expectIncremented(results, items);
  await rest;
  return took;
}

const suite = new Suite();
suite.add(serialEntry([{
  question: "latency/hot",
  measure() {
    const call = (n: number): Promise<number> => Promise.resolve(increment(n));
    return clock(() => call(7), { batched: true });
  },
}], "this thread, a promise"));
for (const contestant of everybody) suite.add(entryOf(contestant, ONE, CELLS));
for (const contestant of everybody) {
  if (quick && contestant.kind === "rival") continue;
  suite.add(entryOf(contestant, BESIDE, [{
    question: "latency/beside",
    async measure(opened) {
      await warmCall(opened, "increment", 41, 42, 1);
      return clockInside(() => beside(opened), 5);
    },
  }]));
}
await suite.run();
