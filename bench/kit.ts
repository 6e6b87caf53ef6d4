/**
 * What the benchmarks share: raw workers as controls, and the run itself.
 * @module
 */
import { Worker } from "node:worker_threads";
import process from "node:process";
import { run } from "mitata";

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

/** Runs what was declared, prints mitata's tables, and ends the program: workers may be left. */
export async function runBenches(): Promise<never> {
  const filter = process.env["MANYCORE_BENCH_FILTER"];
  await run({ throw: true, ...(filter === undefined ? {} : { filter: new RegExp(filter) }) });
  process.exit(0);
}
