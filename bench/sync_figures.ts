/**
 * What mitata cannot measure for the synchronisation benchmarks: contended increments, of which one sample of each contestant is taken
 * in turn, so that whatever slows the machine down meets everybody; and the CPU that agents use while they wait.
 * @module
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { recordFigures } from "./kit.ts";
import { filter, quick } from "./settings.ts";

const SAMPLES = quick ? 3 : 9;
/** How long waiting agents are left alone, and then watched, in ms. */
const SETTLE = 500;
const LOOK = quick ? 500 : 2000;

/** A contestant: its name, and what does all of the work once. */
export type Contestant = readonly [name: string, work: () => Promise<void>];

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

function print(group: string, figures: Readonly<Record<string, number>>, digits: number): void {
  console.log(`\n• ${group}`);
  for (const [name, figure] of Object.entries(figures)) console.log(`  ${name.padEnd(32)} ${figure.toFixed(digits)}`);
  recordFigures(group, figures);
}

/** Whether a group was asked for. */
function isWanted(group: string): boolean {
  return filter === undefined || filter.test(group);
}

/** Medians of operations per second, in millions; `count` operations are one sample. */
export async function interleaved(group: string, contestants: readonly Contestant[], count: number): Promise<void> {
  if (!isWanted(group)) return;
  const samples = contestants.map((): number[] => []);
  for (const [, work] of contestants) await work(); // warm
  for (let i = 0; i < SAMPLES; i++) {
    for (const [at, [, work]] of contestants.entries()) {
      const start = performance.now();
      await work();
      (samples[at] as number[]).push(count / (performance.now() - start) / 1000);
    }
  }
  print(group, Object.fromEntries(contestants.map(([name], at) => [name, median(samples[at] as number[])])), 2);
}

/** Percent of one CPU that the program uses while agents wait: `begin` has them wait, and returns what ends that. */
export async function idle(
  group: string,
  waits: readonly (readonly [string, () => () => Promise<void>])[],
): Promise<void> {
  if (!isWanted(group)) return;
  const figures: Record<string, number> = {};
  for (const [name, begin] of [["nobody waits", () => () => Promise.resolve()] as const, ...waits]) {
    const end = begin();
    await sleep(SETTLE);
    const before = process.cpuUsage();
    const start = performance.now();
    await sleep(LOOK);
    const used = process.cpuUsage(before);
    figures[name] = (used.user + used.system) / (performance.now() - start) / 10;
    await end();
  }
  print(group, figures, 3);
}
