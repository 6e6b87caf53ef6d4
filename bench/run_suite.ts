/**
 * The whole suite: every file on every runtime, several times, and Python.
 *
 *   run 1: latency on Deno, on Bun, on Node; throughput on Deno … ──▶ run 2 ──▶ run 3 ──▶ medians ──▶ build/bench/
 *
 * The runs lie apart in time, so that what disturbs the machine for a while disturbs one of them.
 * @module
 */
import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ROOT, type Runtime } from "../scripts/runtimes.ts";
import { environmentOf, savePart } from "./environment.ts";
import { hung, launch } from "./launch.ts";
import { runPython } from "./python.ts";
import { keyOf, mergeAll, type Part, type Row } from "./rows.ts";
import { rowText } from "./tables.ts";

/** What to run. */
export interface SuiteOptions {
  readonly quick: boolean;
  readonly runtimes: readonly Runtime[];
  /** Names of bench files. */
  readonly files: readonly string[];
  readonly filter?: string | undefined;
  readonly workers?: string | undefined;
  readonly runs: number;
}

/** The files about pools, which quick runs consist of, and which Python has rows in. */
export const POOL_FILES: readonly string[] = [
  "latency_bench.ts",
  "throughput_bench.ts",
  "payload_bench.ts",
  "compute_bench.ts",
  "scaling_bench.ts",
  "startup_bench.ts",
  "idle_bench.ts",
];

/**
 * The bench files whose names have one of the parts; without parts all, or those about pools in a quick run.
 *
 * @throws {RangeError} when there is none
 */
export function benchFiles(parts: string, quick: boolean): string[] {
  const wanted = parts.split(",").map((part) => part.trim()).filter((part) => part !== "");
  const others = readdirSync(join(ROOT, "bench")).filter((name) => name.endsWith("_bench.ts"));
  const all = [...POOL_FILES, ...others.filter((name) => !POOL_FILES.includes(name)).sort()];
  if (wanted.length === 0) return quick ? [...POOL_FILES] : all;
  const files = all.filter((name) => wanted.some((part) => name.includes(part)));
  if (files.length === 0) throw new RangeError(`No bench/*_bench.ts has one of ${wanted.join(", ")} in its name.`);
  return files;
}

function nameOf(file: string): string {
  return file.replace(/_bench\.ts$/, "");
}

/** Runs the suite; resolves to what was measured, and to what failed as a whole. */
export async function runSuite(options: SuiteOptions): Promise<{ parts: Part[]; failures: string[] }> {
  const { quick, runtimes, files, runs } = options;
  if (!(Number.isInteger(runs) && runs > 0)) {
    throw new RangeError(`--runs takes a whole number from 1 up, not ${runs}.`);
  }
  const environment = environmentOf(quick, runs);
  const { cpu, cores, system } = environment.machine;
  console.log(
    `${cpu}, ${cores} CPUs, ${system}, commit ${environment.commit}${environment.dirty ? " and changes" : ""}`,
  );
  const measured = new Map<string, { head: Pick<Part, "file" | "runtime" | "label">; rows: Row[][] }>();
  const failures: string[] = [];

  const keep = (head: Pick<Part, "file" | "runtime" | "label">, rows: Row[]): void => {
    const key = `${head.runtime} ${head.file}`;
    const entry = measured.get(key) ?? { head, rows: [] };
    measured.set(key, entry);
    entry.rows.push(rows);
    if (rows.length === 0) return;
    savePart({ ...environment, ...head, rows: mergeAll(entry.rows) }, options.filter !== undefined);
  };

  for (let run = 1; run <= runs; run++) {
    for (const file of files) {
      for (const runtime of runtimes) {
        console.log(`\n--- run ${run} of ${runs} · ${runtime.label} · ${file}`);
        const started = Date.now();
        const aboutPools = POOL_FILES.includes(file);
        const { rows, failure } = await launch(runtime, file, {
          quick,
          workers: options.workers,
          filter: options.filter,
          skip: (measured.get(`${runtime.name} ${nameOf(file)}`)?.rows ?? []).flat().filter(hung).map(keyOf),
          ...(aboutPools
            ? { onRow: (row: Row) => console.log(rowText(row)) }
            : { onOutput: (text: string) => void process.stdout.write(text) }),
        });
        console.log(`--- ${((Date.now() - started) / 1000).toFixed(1)} s`);
        if (failure !== undefined) failures.push(`${file} on ${runtime.label}: ${failure}`);
        keep({ file: nameOf(file), runtime: runtime.name, label: runtime.label }, rows);
      }
    }
    const topics = files.filter((file) => POOL_FILES.includes(file)).map((file) => nameOf(file));
    if (topics.length > 0) {
      console.log(`\n--- run ${run} of ${runs} · Python`);
      const workers = options.workers ?? String(Math.min(2, cpus().length));
      const { label, rows } = await runPython(topics, { quick, workers, filter: options.filter });
      for (const row of rows) console.log(rowText(row));
      keep({ file: "pool", runtime: "python", label }, rows);
    }
  }
  const parts = [...measured.values()].map(({ head, rows }) => ({ ...environment, ...head, rows: mergeAll(rows) }));
  return { parts, failures };
}
