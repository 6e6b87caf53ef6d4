/**
 * Work for the CPUs: how close to the number of workers the speed-up comes, and what a task costs.
 * @module
 */
import { SharedArray } from "../mod.ts";
import { clock, timed } from "./clock.ts";
import type { Contestant, Opened } from "./contestant.ts";
import { burstOf, entryOf, everybody, mapOf, serialEntry } from "./field.ts";
import { ours } from "./ours.ts";
import { ring } from "./raw/ring.ts";
import { quick, workers } from "./settings.ts";
import { type Cell, Suite } from "./suite.ts";
import { fibonacci, type Part, roots, squares } from "./work.mjs";

const TASKS: number[] = new Array(32).fill(30);
const ANSWER = 832040;
/** Work of this many ms for each worker. */
const BURN = 160;
const DOUBLES = 10_000_000;
const FEW = { budget: 400, least: 5 };

const array = new SharedArray("float64", DOUBLES);
for (let i = 0; i < DOUBLES; i++) array.view[i] = i % 1000 + 0.5;
const { buffer: memory, byteOffset: offset } = array.view;

const FIBONACCI: Cell = {
  question: "compute/fibonacci",
  async measure(opened) {
    const map = mapOf(opened, "fibonacci", TASKS);
    const { result, took } = await timed(map);
    const answers = Array.from(result);
    if (answers.length !== 32 || answers.some((answer) => answer !== ANSWER)) throw new Error("wrong results");
    return clock(map, { ...FEW, took });
  },
};

function burn(milliseconds: number): Cell {
  const count = workers * Math.ceil(BURN / milliseconds);
  return {
    question: "compute/burn",
    x: milliseconds,
    per: count,
    async measure(opened) {
      const tasks = new Array(count).fill(milliseconds);
      await mapOf(opened, "burn", tasks.map(() => 1))();
      return clock(mapOf(opened, "burn", tasks), { budget: 300, least: 3, took: BURN * 1e6 });
    },
  };
}

const sums = new Map<string, number>();

/** The right sum. */
function wantedOf(task: "squares" | "roots"): number {
  const sum = sums.get(task) ?? { squares, roots }[task]({ memory, offset, from: 0, to: DOUBLES });
  sums.set(task, sum);
  return sum;
}

/** The sum over one part for each worker. */
function sumCell(task: "squares" | "roots", shared: (part: Part) => unknown): Cell {
  const wanted = wantedOf(task);
  const share = Math.ceil(DOUBLES / workers);
  const parts = Array.from(
    { length: workers },
    (_, i) => shared({ memory, offset, from: i * share, to: Math.min((i + 1) * share, DOUBLES) }),
  );
  return {
    question: `compute/${task}`,
    async measure(opened: Opened) {
      const burst = burstOf(opened.call(task), parts);
      const { result, took } = await timed(burst);
      const sum = result.reduce((a: number, b) => a + (b as number), 0);
      if (!(Math.abs(sum - wanted) < 1e-9 * wanted)) throw new Error(`wrong result: ${sum} instead of ${wanted}`);
      return clock(burst, { ...FEW, took });
    },
  };
}

function cellsFor(contestant: Contestant): Cell[] {
  // Ours is given the SharedArray itself. A view would be walked element by element on Deno: the others get the buffer.
  const shared = contestant === ours ? ({ from, to }: Part): unknown => ({ array, from, to }) : (part: Part) => part;
  if (quick && contestant.kind === "rival") return [FIBONACCI];
  return [
    FIBONACCI,
    ...(quick ? [5] : [5, 20, 50]).map(burn),
    ...(contestant === ring ? [] : [
      sumCell("squares", shared),
      sumCell("roots", shared),
    ]),
  ];
}

const suite = new Suite();
suite.add(serialEntry([
  { question: "compute/fibonacci", measure: () => clock(() => TASKS.map((n) => fibonacci(n)), FEW) },
  ...(["squares", "roots"] as const).map((task): Cell => ({
    question: `compute/${task}`,
    measure() {
      const part = { memory, offset, from: 0, to: DOUBLES };
      const fn = { squares, roots }[task];
      return clock(() => fn(part), FEW);
    },
  })),
]));
for (const contestant of everybody) {
  suite.add(entryOf(contestant, { workers, inFlight: TASKS.length }, cellsFor(contestant)));
}
await suite.run();
