/**
 * What the benchmarks of locks, values, queues … share: raw workers as controls, and the run itself. Those of pools have more than
 * one library to ask and are run by suite.ts.
 * @module
 */
import { appendFileSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { run } from "mitata";
import { timesOf } from "./clock.ts";
import { keyOf, type Row } from "./rows.ts";
import { filter, outFile, skip } from "./settings.ts";

/** A worker without this library: what it reaches is what the runtime can do. */
export class RawWorker {
  readonly #worker: Worker;
  #next: (message: unknown) => void = () => {};

  /** Starts it. */
  constructor() {
    this.#worker = new Worker(new URL("./raw_worker.ts", import.meta.url));
    this.#worker.on("message", (message) => this.#next(message));
  }

  /** Sends one message and waits for the answer. */
  ask(message: unknown): Promise<unknown> {
    return new Promise((resolve) => {
      this.#next = resolve;
      this.#worker.postMessage(message);
    });
  }

  /** Sends many messages at once and waits for as many answers. */
  askAll(messages: readonly unknown[]): Promise<void> {
    return new Promise((resolve) => {
      let missing = messages.length;
      this.#next = () => {
        if (--missing === 0) resolve();
      };
      for (const message of messages) this.#worker.postMessage(message);
    });
  }

  /** Ends it. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Deals the items out to `hands` arrays, in turn. */
export function deal<T>(items: readonly T[], hands: number): T[][] {
  const dealt: T[][] = Array.from({ length: hands }, () => []);
  items.forEach((item, i) => (dealt[i % hands] as T[]).push(item));
  return dealt;
}

/** Fails when a benchmark measured something that computes the wrong thing. */
export function expect(actual: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(wanted)) throw new Error(`${what} is wrong: ${JSON.stringify(actual)}`);
}

interface Trial {
  readonly alias: string;
  readonly group: number;
  readonly runs: readonly { readonly name: string; readonly stats?: { readonly samples: readonly number[] } }[];
}

function write(line: unknown): void {
  if (outFile !== undefined) appendFileSync(outFile, JSON.stringify(line) + "\n");
}

/** The name of the bench file that runs, as questions are called by: "sync" for bench/sync_bench.ts. */
function fileName(): string {
  return basename(process.argv[1] ?? "").replace(/_bench\.[a-z]+$/, "");
}

/** Hands figures to the report that mitata did not take, for example those of another program. The name says the unit. */
export function recordFigures(group: string, figures: Readonly<Record<string, number>>): void {
  for (const [who, figure] of Object.entries(figures)) {
    write({
      event: "row",
      row: { question: `${fileName()}/${group}`, who, kind: "bench", workers: 0, figure } satisfies Row,
    });
  }
}

/** Runs what was declared, prints mitata's tables, and ends the program: workers may be left. */
export async function runBenches(): Promise<never> {
  const all: Row = { question: fileName(), who: "all of it", kind: "bench", workers: 0 };
  if (skip.done.has(keyOf(all))) process.exit(0);
  write({ event: "begin", rows: [all], limit: 10 * 60_000 });
  const result = await run({ throw: true, ...(filter === undefined ? {} : { filter }) }) as unknown as {
    readonly layout: readonly { readonly name: string | null }[];
    readonly benchmarks: readonly Trial[];
  };
  for (const { alias, group, runs } of result.benchmarks) {
    for (const { name, stats } of runs) {
      if (stats === undefined) continue;
      const title = result.layout[group]?.name ?? "";
      const times = timesOf([...stats.samples].sort((a, b) => a - b));
      const who = name === "" || name === undefined ? alias : name;
      write({
        event: "row",
        row: { question: `${fileName()}/${title}`, who, kind: "bench", workers: 0, times } satisfies Row,
      });
    }
  }
  write({ event: "done" });
  process.exit(0);
}
