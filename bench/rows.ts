/**
 * What a measurement is, on its way from a benchmark to the report.
 *
 *   suite.ts ──Row, one JSON line each──▶ run.ts ──median of the runs──▶ build/bench/*.json ──▶ results.json ──▶ report/
 * @module
 */
import type { Kind } from "./contestant.ts";

/** Times of one sample, in ns. */
export interface Times {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly min: number;
  readonly max: number;
  readonly samples: number;
}

/** One measurement, or the reason why there is none. */
export interface Row {
  /** What was asked, see questions.ts. */
  readonly question: string;
  /** Who was asked. */
  readonly who: string;
  readonly kind: Kind | "serial" | "python" | "bench";
  /** How many workers it had; 0 for what runs in one thread. */
  readonly workers: number;
  /** Where on the question's axis: bytes, calls in flight, ms of work … */
  readonly x?: number;
  /** How many operations a sample is; 1 when it is not there. */
  readonly per?: number;
  readonly times?: Times;
  /** What is not a time, for example percent of a CPU. */
  readonly figure?: number;
  /** Why there is no measurement, or what went wrong in some of the runs. */
  readonly problem?: string;
}

/** What was run where and when. */
export interface Environment {
  readonly date: string;
  readonly commit: string;
  /** Whether files differed from that commit. */
  readonly dirty: boolean;
  readonly quick: boolean;
  readonly runs: number;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memory: number;
    readonly system: string;
  };
}

/** All rows of one bench file on one runtime, as build/bench/ keeps them. */
export interface Part extends Environment {
  readonly file: string;
  /** The runtime's short name, "python" for a peer. */
  readonly runtime: string;
  /** "Deno 2.9.5" */
  readonly label: string;
  readonly rows: readonly Row[];
}

/** Files that were measured another time than the rest. */
export interface Earlier extends Pick<Environment, "date" | "commit" | "runs"> {
  readonly files: readonly string[];
}

/** What is committed as bench/results.json. */
export interface Results extends Environment {
  readonly version: 1;
  readonly earlier?: readonly Earlier[];
  readonly runtimes: readonly { readonly name: string; readonly label: string }[];
  readonly packages: Readonly<Record<string, string>>;
  readonly rows: readonly (Row & { readonly runtime: string; readonly file: string })[];
}

/** What makes two rows measurements of the same. */
export function keyOf(row: Pick<Row, "question" | "who" | "workers" | "x">): string {
  return `${row.question} | ${row.who} | ${row.workers} | ${row.x ?? ""}`;
}

/** The middle of some numbers; of an even number of them, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle] as number
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

function medianTimes(all: readonly Times[]): Times {
  const of = (name: keyof Times): number => median(all.map((times) => times[name]));
  return {
    mean: of("mean"),
    p50: of("p50"),
    p90: of("p90"),
    p99: of("p99"),
    min: Math.min(...all.map(({ min }) => min)),
    max: Math.max(...all.map(({ max }) => max)),
    samples: all.reduce((sum, { samples }) => sum + samples, 0),
  };
}

/** One row from the same row of several runs: medians, and what went wrong in some of them. */
export function mergeRuns(runs: readonly Row[]): Row {
  const [first] = runs as readonly [Row, ...Row[]];
  const { problem: _, times: __, figure: ___, ...same } = first;
  const times = runs.flatMap((run) => run.times ?? []);
  const figures = runs.flatMap((run) => run.figure ?? []);
  const problems = runs.flatMap((run) => run.problem ?? []);
  const measured = Math.max(times.length, figures.length);
  return {
    ...same,
    ...(times.length > 0 ? { times: medianTimes(times) } : {}),
    ...(figures.length > 0 ? { figure: median(figures) } : {}),
    ...(problems.length === 0 ? {} : {
      problem: measured === 0 || runs.length === 1
        ? problems[0] as string
        : `${problems.length} of ${runs.length} runs: ${problems[0]}`,
    }),
  };
}

/** Merges the rows of several runs, in the order in which they first came. */
export function mergeAll(runs: readonly (readonly Row[])[]): Row[] {
  const byKey = new Map<string, Row[]>();
  for (const row of runs.flat()) {
    const same = byKey.get(keyOf(row));
    if (same === undefined) byKey.set(keyOf(row), [row]);
    else same.push(row);
  }
  return [...byKey.values()].map(mergeRuns);
}
