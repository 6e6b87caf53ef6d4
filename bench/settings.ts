/**
 * What `npm run bench` tells a bench file, through the environment; a file that is run by itself gets the defaults.
 * @module
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import process from "node:process";

const { env } = process;

/** Fewer sizes, fewer samples, fewer rivals: all runtimes in two minutes. */
export const quick: boolean = env["MANYCORE_BENCH_QUICK"] === "1";

/** How many workers a pool has where a question does not say otherwise. */
export const workers: number = Number(env["MANYCORE_BENCH_WORKERS"] ?? Math.min(2, cpus().length));

/** Only rows whose question and name match. */
export const filter: RegExp | undefined = env["MANYCORE_BENCH_FILTER"] === undefined
  ? undefined
  : new RegExp(env["MANYCORE_BENCH_FILTER"], "i");

/** Where rows go, as lines of JSON. */
export const outFile: string | undefined = env["MANYCORE_BENCH_OUT"];

/** How long one row may take, in ms, before it counts as hanging. */
export const rowLimit: number = Number(env["MANYCORE_BENCH_ROW_LIMIT"] ?? (quick ? 8_000 : 15_000));

/** What an earlier process of the same file leaves to this one. */
export interface Skip {
  /** The keys of rows that are measured, or that an earlier process died of. */
  readonly done: readonly string[];
  /** Who hung too often to be asked again. */
  readonly lost: readonly string[];
}

const skipped: Skip = env["MANYCORE_BENCH_SKIP"] === undefined
  ? { done: [], lost: [] }
  : JSON.parse(readFileSync(env["MANYCORE_BENCH_SKIP"], "utf8")) as Skip;

/** What need not be asked. */
export const skip: { readonly done: ReadonlySet<string>; readonly lost: ReadonlySet<string> } = {
  done: new Set(skipped.done),
  lost: new Set(skipped.lost),
};

/** The exit code of a bench file that wants to go on in a fresh process: something hangs in this one. */
export const FRESH_PROCESS = 75;
