/**
 * Opens one contestant, lets every worker work once, and looks at what the process uses while nobody asks for anything. Started by
 * idle_bench.ts; prints one line of JSON.
 * @module
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { everybody, warmCall } from "./field.ts";
import { packaged } from "./packaged.ts";
import { quick } from "./settings.ts";

/** What it prints. */
export interface IdleReport {
  /** Percent of one CPU. */
  readonly cpu: number;
  /** Bytes that the workers added. */
  readonly memory: number;
}

const SETTLE = quick ? 500 : 1000;
const LOOK = quick ? 500 : 2000;

const [name, workers] = [process.argv[2], Number(process.argv[3])];
const contestant = [...everybody, packaged].find((contestant) => contestant.name === name);
if (contestant === undefined) throw new RangeError(`Nobody is called ${name}.`);

// Modules that are loaded lazily belong to the library, not to its workers: one round before the base is taken.
const first = await contestant.open({ workers: 1, inFlight: 1 });
await warmCall(first, "increment", 41, 42, 1);
await Promise.race([Promise.resolve(first.close()), sleep(1000)]);
await sleep(SETTLE / 2);

const before = process.memoryUsage.rss();
const opened = await contestant.open({ workers, inFlight: 1 });
await warmCall(opened, "increment", 41, 42, workers);
await sleep(SETTLE);
const cpu = process.cpuUsage();
const start = performance.now();
await sleep(LOOK);
const used = process.cpuUsage(cpu);
const report: IdleReport = {
  cpu: (used.user + used.system) / (performance.now() - start) / 10,
  memory: process.memoryUsage.rss() - before,
};
console.log(JSON.stringify(report));
process.exit(0);
