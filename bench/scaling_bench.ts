/**
 * How the speed-up grows with workers, and how the cost of a task shrinks with its size: what model.ts is fitted to.
 * @module
 */
import { cpus } from "node:os";
import { clock, timed } from "./clock.ts";
import { burstOf, entryOf, everybody, mapOf, serialEntry } from "./field.ts";
import { ours } from "./ours.ts";
import { ring } from "./raw/ring.ts";
import { quick } from "./settings.ts";
import { type Cell, Suite } from "./suite.ts";
import { toil } from "./work.mjs";

const CORES = cpus().length;
const COUNTS = quick ? [1, CORES, 2 * CORES] : workerCounts(CORES);
const TASKS = 96;
const STEPS = 1_000_000;
const SIZES = quick ? [0, 1000, 10_000, 100_000] : [0, 300, 1000, 3000, 10_000, 30_000, 100_000, 1_000_000];
const ANSWER = toil(STEPS);
const LOOK = { budget: 200, least: 4 };

/** 1 … 2 × cores: all of them up to 4, then ever wider apart, with the number of cores and its double. */
function workerCounts(cores: number): number[] {
  const counts = new Set([cores, 2 * cores]);
  for (let n = 1; n <= 2 * cores; n += n < 4 ? 1 : n >> 1) counts.add(n);
  return [...counts].sort((a, b) => a - b);
}

/** So many tasks of a size that a batch takes some 20 ms. */
function batchOf(steps: number): number {
  return Math.min(10_000, Math.max(24, Math.round(2e7 / Math.max(1, steps))));
}

function speedUp(workers: number): Cell {
  const steps = new Array(TASKS).fill(STEPS);
  return {
    question: "scaling/workers",
    x: workers,
    async measure(opened) {
      const map = mapOf(opened, "toil", steps);
      const { result, took } = await timed(map);
      if (Array.from(result).some((n) => n !== ANSWER)) throw new Error("wrong results");
      // V8 compiles what runs in a worker again and again; a worker has had several hundred tasks before that is over.
      return clock(map, { ...LOOK, least: 12, took });
    },
  };
}

function sizeCells(): Cell[] {
  return SIZES.flatMap((steps) => {
    const tasks = new Array(batchOf(steps)).fill(steps);
    const cell = { question: "scaling/size", x: steps, per: tasks.length };
    return [
      { ...cell, measure: (opened) => clock(burstOf(opened.call("toil"), tasks), LOOK) },
      { ...cell, who: "Pool.map", measure: (opened) => clock(mapOf(opened, "toil", tasks), LOOK) },
    ] satisfies Cell[];
  });
}

const suite = new Suite();
suite.add(serialEntry([
  {
    question: "scaling/workers",
    measure: () => clock(() => Array.from({ length: TASKS }, () => toil(STEPS)), LOOK),
  },
  ...SIZES.map((steps): Cell => ({
    question: "scaling/size",
    x: steps,
    per: batchOf(steps),
    measure: () => clock(() => Array.from({ length: batchOf(steps) }, () => toil(steps)), LOOK),
  })),
]));
for (const contestant of everybody) {
  if (quick && contestant !== ours && contestant !== ring) continue;
  for (const workers of COUNTS) {
    suite.add(entryOf(contestant, { workers, inFlight: TASKS }, [speedUp(workers)]));
  }
}
for (const workers of quick ? [1, CORES] : COUNTS) suite.add(entryOf(ours, { workers, inFlight: 10_000 }, sizeCells()));
await suite.run();
