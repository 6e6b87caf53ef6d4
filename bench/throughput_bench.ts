/**
 * Many calls: in flight at once, and over many items.
 * @module
 */
import { clock, timed } from "./clock.ts";
import type { Contestant } from "./contestant.ts";
import { burstOf, entryOf, everybody, expectIncremented, mapOf, numbers, serialEntry, warmCall } from "./field.ts";
import { type OpenedPool, ours, work } from "./ours.ts";
import { quick, workers } from "./settings.ts";
import { type Cell, Suite } from "./suite.ts";
import { increment } from "./work.mjs";

const IN_FLIGHT = quick ? [10_000] : [1000, 10_000, 100_000];
/** Whether more workers are at least as fast as one is asked of those alone that could be the reason. */
const poolSizes = ({ kind }: Contestant): number[] =>
  quick || kind === "rival" || workers === 1 ? [workers] : [1, workers];
const ITEMS = 100_000;
const STREAMED = 10_000;

function flight(inFlight: number, poolSize: number): Cell {
  const items = numbers(inFlight);
  return {
    question: "throughput/flight",
    x: inFlight,
    per: inFlight,
    async measure(opened) {
      const burst = burstOf(await warmCall(opened, "increment", 41, 42, poolSize), items);
      let { result: results, took } = await timed(burst);
      expectIncremented(results, items);
      const times = await clock(async () => {
        results = await burst();
      }, { budget: 600, least: 10, took });
      expectIncremented(results, items);
      return times;
    },
  };
}

const items = numbers(ITEMS);

const MAP: Cell = {
  question: "throughput/map",
  per: ITEMS,
  async measure(opened) {
    await warmCall(opened, "increment", 41, 42, workers);
    const map = mapOf(opened, "increment", items);
    const { result, took } = await timed(map);
    expectIncremented(result, items);
    return clock(map, { budget: 600, least: 10, took });
  },
};

const TYPED_MAP: Cell = {
  question: "throughput/map",
  who: "Pool, of a Float64Array",
  per: ITEMS,
  async measure(opened) {
    const { pool } = opened as OpenedPool;
    const doubles = Float64Array.from(items);
    const map = (): Promise<unknown[]> => pool.map(work.increment, doubles);
    const { result, took } = await timed(map);
    expectIncremented(result, items);
    return clock(map, { budget: 600, least: 10, took });
  },
};

function stream(method: "imap" | "imapUnordered"): Cell {
  return {
    question: `throughput/${method}`,
    per: STREAMED,
    measure(opened) {
      const { pool } = opened as OpenedPool;
      const some = numbers(STREAMED);
      const sum = (STREAMED * (STREAMED + 1)) / 2;
      return clock(async () => {
        let got = 0;
        for await (const n of pool[method](work.increment, some)) got += n as number;
        if (got !== sum) throw new Error(`wrong results: their sum is ${got} instead of ${sum}`);
      }, { budget: 600, least: 5 });
    },
  };
}

function hasMap(contestant: Contestant): boolean {
  return ["ours", "raw"].includes(contestant.kind) || contestant.name.startsWith("poolifier");
}

const suite = new Suite();
suite.add(serialEntry(
  IN_FLIGHT.map((inFlight) => ({
    question: "throughput/flight",
    x: inFlight,
    per: inFlight,
    measure: () => clock(burstOf((n) => Promise.resolve(increment(n as number)), numbers(inFlight)), { budget: 200 }),
  })),
  "this thread, a promise",
));
suite.add(serialEntry([{
  question: "throughput/map",
  per: ITEMS,
  measure: () => clock(() => items.map((n) => increment(n)), { budget: 200 }),
}]));
for (const contestant of everybody) {
  for (const inFlight of IN_FLIGHT) {
    for (const poolSize of poolSizes(contestant)) {
      suite.add(entryOf(contestant, { workers: poolSize, inFlight }, [flight(inFlight, poolSize)]));
    }
  }
}
for (const contestant of everybody) {
  if (quick && contestant.kind === "rival") continue;
  // Who has no map makes calls: the settings for as many in flight are its best.
  const inFlight = hasMap(contestant) ? 2 : ITEMS;
  const cells = contestant === ours ? [MAP, TYPED_MAP, stream("imap"), stream("imapUnordered")] : [MAP];
  suite.add(entryOf(contestant, { workers, inFlight }, cells));
}
await suite.run();
