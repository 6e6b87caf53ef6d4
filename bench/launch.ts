/**
 * Runs one bench file on one runtime, whatever it does: a process of its own, which says on every row that it begins it, so that a
 * blocked thread or a crash is known by its row. The file goes on behind that row in a fresh process.
 * @module
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { runProgram } from "../scripts/run_program.ts";
import { cleanEnvironment, ROOT, type Runtime } from "../scripts/runtimes.ts";
import { keyOf, type Row } from "./rows.ts";
import { FRESH_PROCESS, type Skip } from "./settings.ts";

/** Where measurements go. */
export const FOLDER: string = join(ROOT, "build", "bench");

/** What a bench file is told. */
export interface LaunchOptions {
  readonly quick: boolean;
  readonly workers?: string | undefined;
  readonly filter?: string | undefined;
  /** Keys of rows that need not be measured. */
  readonly skip?: readonly string[];
  /** How long one row may take, in ms, where that is not the default. */
  readonly rowLimit?: number;
  /** Called for each row, as it comes. */
  readonly onRow?: (row: Row) => void;
  /** Receives what the program prints. */
  readonly onOutput?: (text: string) => void;
}

type Line =
  | { readonly event: "begin"; readonly rows: readonly Row[]; readonly limit: number }
  | { readonly event: "row"; readonly row: Row }
  | { readonly event: "done" };

/** What a program has written so far, and what it is at. */
class Progress {
  readonly rows: Row[] = [];
  done = false;
  /** What it began and did not end. */
  begun: readonly Row[] = [];
  deadline = Infinity;
  readonly #path: string;
  readonly #onRow: ((row: Row) => void) | undefined;
  readonly #grace: number;
  #read = 0;

  constructor(path: string, { onRow, rowLimit }: LaunchOptions) {
    this.#path = path;
    this.#onRow = onRow;
    this.#grace = Math.min(GRACE, 3 * (rowLimit ?? GRACE));
    writeFileSync(path, "");
  }

  /** Reads what is new. */
  look(): void {
    const text = readFileSync(this.#path, "utf8");
    const end = text.lastIndexOf("\n") + 1;
    for (const line of text.slice(this.#read, end).split("\n")) if (line !== "") this.#take(JSON.parse(line) as Line);
    this.#read = end;
  }

  #take(line: Line): void {
    if (line.event === "begin") {
      this.begun = line.rows;
      this.deadline = Date.now() + line.limit + this.#grace;
    } else if (line.event === "row") {
      this.rows.push(line.row);
      this.#onRow?.(line.row);
      this.begun = this.begun.filter((row) => keyOf(row) !== keyOf(line.row));
    } else {
      this.done = true;
      this.deadline = Date.now() + this.#grace;
    }
  }
}

/** The file looks at its own limits; here they are for a thread that cannot. */
const GRACE = 5_000;
const LOOK_EVERY = 250;

/** Whether a row was given up because it took too long: it will again, so that further runs leave it out. */
export function hung({ problem = "" }: Row): boolean {
  return /was not done after|had to be killed|was not asked again/.test(problem);
}

/** After so many rows that hung, a contestant is not asked again by this file. */
const PATIENCE = 2;

/** No file needs more processes than that, unless it fails before its first row. */
const MOST_PROCESSES = 40;

/** How a runtime runs a bench file: with a garbage collector that can be called between rows. */
export function benchArguments(runtime: Runtime, file: string): string[] {
  const args = runtime.runArguments(file);
  if (runtime.name === "deno") return ["run", "-A", "--no-check", "--v8-flags=--expose-gc", file];
  return runtime.name === "bun" ? args : ["--expose-gc", ...args];
}

/** Runs a bench file, named from bench/ on, to its end. */
export async function launch(
  runtime: Runtime,
  file: string,
  options: LaunchOptions,
): Promise<{ rows: Row[]; failure?: string }> {
  mkdirSync(FOLDER, { recursive: true });
  const scratch = join(FOLDER, `${runtime.name}.${basename(file, "_bench.ts")}`);
  const [out, skip] = [`${scratch}.rows`, `${scratch}.skip`];
  const rows: Row[] = [];
  const hangs = new Map<string, number>();
  try {
    for (let processes = 0; processes < MOST_PROCESSES; processes++) {
      const lost = [...hangs].filter(([, times]) => times >= PATIENCE).map(([who]) => who);
      writeFileSync(skip, JSON.stringify({ done: [...(options.skip ?? []), ...rows.map(keyOf)], lost } satisfies Skip));
      const before = rows.length;
      const { progress, ended } = await runOnce(runtime, file, options, out, skip);
      rows.push(...progress.rows);
      for (const row of progress.rows) {
        if (hung(row)) hangs.set(row.who, (hangs.get(row.who) ?? 0) + 1);
      }
      if (progress.done) return { rows };
      if (ended.code === FRESH_PROCESS && progress.begun.length === 0) continue;
      for (const row of progress.begun) {
        const problem = ended.code === FRESH_PROCESS ? "was not done" : ended.what;
        rows.push({ ...row, problem });
        options.onRow?.({ ...row, problem });
        hangs.set(row.who, (hangs.get(row.who) ?? 0) + 1);
      }
      if (rows.length === before) return { rows, failure: ended.what };
    }
    return { rows, failure: `gave up after ${MOST_PROCESSES} processes` };
  } finally {
    rmSync(out, { force: true });
    rmSync(skip, { force: true });
  }
}

async function runOnce(
  runtime: Runtime,
  file: string,
  options: LaunchOptions,
  out: string,
  skip: string,
): Promise<{ progress: Progress; ended: { code: number; what: string } }> {
  const progress = new Progress(out, options);
  const killer = new AbortController();
  const watch = setInterval(() => {
    progress.look();
    if (Date.now() > progress.deadline) killer.abort();
  }, LOOK_EVERY);
  try {
    const { code, output } = await runProgram(
      runtime.executable,
      benchArguments(runtime, resolve(ROOT, "bench", file)),
      {
        env: cleanEnvironment({
          MANYCORE_BENCH_OUT: out,
          MANYCORE_BENCH_SKIP: skip,
          ...(options.quick ? { MANYCORE_BENCH_QUICK: "1" } : {}),
          ...(options.workers === undefined ? {} : { MANYCORE_BENCH_WORKERS: options.workers }),
          ...(options.filter === undefined ? {} : { MANYCORE_BENCH_FILTER: options.filter }),
          ...(options.rowLimit === undefined ? {} : { MANYCORE_BENCH_ROW_LIMIT: String(options.rowLimit) }),
        }),
        limit: 60 * 60_000,
        signal: killer.signal,
        ...(options.onOutput === undefined ? {} : { onOutput: options.onOutput }),
      },
    );
    progress.look();
    const last = output.trim().split("\n").findLast((line) => /error/i.test(line)) ?? "";
    const what = killer.signal.aborted
      ? "blocked its thread, and the process had to be killed"
      : `ended the process with exit code ${code}${last === "" ? "" : `: ${last.trim().slice(0, 160)}`}`;
    return { progress, ended: { code, what } };
  } finally {
    clearInterval(watch);
  }
}
