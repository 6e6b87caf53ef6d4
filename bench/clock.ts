/**
 * mitata's clock, one call a sample: for what takes long enough to be timed by itself, so that p99 is that of calls and not of
 * averages.
 * @module
 */
import { measure } from "mitata";
import { median, type Times } from "./rows.ts";
import { quick } from "./settings.ts";

/** How long to look. */
export interface ClockOptions {
  /** At least so many ms altogether, in a full run. */
  readonly budget?: number;
  /** At least so many samples. */
  readonly least?: number;
  /** For what takes less than a microsecond: a sample is the mean of 4,096 calls. */
  readonly batched?: boolean;
  /** What one call took, in ns, where that is known. */
  readonly took?: number;
}

/** A garbage collector that can be called, where the runtime was started so; mitata's own fallback is an allocation of 1 GB. */
const gc = (globalThis as { gc?: () => void }).gc;

interface MitataStats {
  readonly samples: readonly number[];
  readonly avg: number;
}

/** The times of sorted samples. */
export function timesOf(samples: readonly number[]): Times {
  const at = (part: number): number => samples[Math.ceil(part * (samples.length - 1))] as number;
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
  return { mean, p50: median(samples), p90: at(0.9), p99: at(0.99), min: at(0), max: at(1), samples: samples.length };
}

/** @param took what one call takes, in ns: of what is slow there are fewer samples */
function mitataOptions(
  { budget = 300, least = 5, batched = false }: ClockOptions,
  took: number,
): Record<string, unknown> {
  const look = (quick ? budget / 8 : budget) * 1e6;
  const fewest = quick ? 2 : 3;
  return {
    gc: gc === undefined ? false : () => gc(),
    min_cpu_time: look,
    min_samples: Math.max(fewest, Math.min(quick ? Math.ceil(least / 4) : least, Math.floor(4 * look / took))),
    ...(batched ? {} : { batch_threshold: -1 }),
  };
}

/** What takes longer than that, in ns, is measured once. */
const SLOW = quick ? 0.5e9 : 0.75e9;

/** Calls a function again and again. */
export async function clock(fn: () => unknown, options: ClockOptions = {}): Promise<Times> {
  const took = options.took ?? (await timed(fn)).took;
  if (took > SLOW) return timesOf([took]);
  const { samples } = await measure(fn, mitataOptions(options, took)) as MitataStats;
  return timesOf(samples);
}

/** Calls a function once, and says what it returned and how many ns it took. */
export async function timed<T>(fn: () => T): Promise<{ result: Awaited<T>; took: number }> {
  const start = now();
  const returned = fn();
  const result = await returned;
  const took = now() - start;
  if (typeof returned === "object" && returned !== null && "then" in returned && !(returned instanceof Promise)) {
    throw new TypeError("mitata awaits nothing but a Promise: make one of what this function returns");
  }
  return { result, took };
}

/** Calls a function that often that says itself how many ns of it count. */
export async function clockInside(fn: () => Promise<number>, times: number): Promise<Times> {
  const { samples } = await measure(function* () {
    yield { manual: fn } as unknown as () => unknown;
  }, { ...mitataOptions({}, 1), min_cpu_time: 0, min_samples: quick ? Math.ceil(times / 4) : times }) as MitataStats;
  return timesOf(samples);
}

/** Now, in ns. */
export function now(): number {
  return performance.now() * 1e6;
}
