/**
 * What a pool costs and what it gains: one call, many calls, a map, and work for the CPU over 1 … 2 × cores workers; each
 * beside the same in series and beside bare workers.
 * @module
 */
import { bench, group, summary } from "mitata";
import { cpuCount, Pool } from "../mod.ts";
import { deal, expect, RawWorker, runBenches } from "./kit.ts";
import { fibonacci, square } from "./tasks.ts";

const CALLS = 10_000;
const ITEMS = 100_000;
const calls = Array.from({ length: CALLS }, (_, i) => i);
const items = Array.from({ length: ITEMS }, (_, i) => i);
const doubles = Float64Array.from(items);
const work: number[] = new Array(32).fill(27);
const answer = fibonacci(27);

const one = new Pool(1);
const two = new Pool(2);
const raw = [new RawWorker(), new RawWorker()] as const;

expect(await two.map(square, [1, 2, 3]), [1, 4, 9], "Pool.map");
expect(await one.apply(square, [4]), 16, "Pool.apply");
expect(await raw[0].ask([1, 2, 3]), [1, 4, 9], "RawWorker");
expect(await raw[1].ask(2), 4, "RawWorker");

summary(() => {
  group("one call, awaited", () => {
    bench("postMessage", () => raw[0].ask(3)).baseline(true);
    bench("pool.apply", () => one.apply(square, [3]));
  });
});

summary(() => {
  group("10,000 calls in flight, 2 workers", () => {
    const hands = deal(calls, 2);
    bench("postMessage", () => Promise.all(raw.map((worker, i) => worker.askAll(hands[i] as number[])))).baseline(true);
    bench("pool.apply", () => Promise.all(calls.map((n) => two.apply(square, [n]))));
  });
});

summary(() => {
  group("map over 100,000 numbers, 2 workers", () => {
    const hands = [items.slice(0, ITEMS / 2), items.slice(ITEMS / 2)];
    bench("in series", () => items.map((n) => square(n)));
    bench("postMessage, two halves", () => Promise.all(raw.map((worker, i) => worker.ask(hands[i])))).baseline(true);
    bench("pool.map", () => two.map(square, items));
    bench("pool.map of a Float64Array", () => two.map(square, doubles));
  });
});

summary(() => {
  group("32 × fibonacci(27)", () => {
    bench("in series", () => work.map((n) => fibonacci(n))).baseline(true);
    bench("postMessage, 2 workers", async () => {
      const halves = await Promise.all(raw.map((worker) => worker.ask({ fibonacci: work.slice(0, work.length / 2) })));
      expect((halves[0] as number[])[0], answer, "RawWorker");
    });
    for (let workers = 1; workers <= 2 * cpuCount(); workers *= 2) {
      const pool = workers === 1 ? one : workers === 2 ? two : new Pool(workers);
      bench(`pool.map, ${workers} worker${workers === 1 ? "" : "s"}`, async () => {
        expect((await pool.map(fibonacci, work))[31], answer, "Pool.map");
      });
    }
  });
});

await runBenches();
