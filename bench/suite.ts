/**
 * Runs the cells of one bench file: opens each contestant, lets it answer, closes it.
 *
 * Nothing that a contestant does may stop the others: opening, answering and closing have limits, what is thrown anywhere
 * becomes the row's reason, and after a hang the file asks for a fresh process (settings.ts, FRESH_PROCESS), since what hangs may
 * go on using a CPU. What cannot be caught in here (a blocked thread, a crash) is noticed by the launcher: every row begins with
 * a line that says so.
 * @module
 */
import { appendFileSync } from "node:fs";
import process from "node:process";
import type { Opened } from "./contestant.ts";
import { reason } from "./format.ts";
import { questionOf } from "./questions.ts";
import { printTables, rowText } from "./tables.ts";
import { keyOf, type Row, type Times } from "./rows.ts";
import { filter, FRESH_PROCESS, outFile, rowLimit, skip } from "./settings.ts";

/** One question to one contestant. */
export interface Cell {
  readonly question: string;
  readonly x?: number;
  /** How many operations a sample is. */
  readonly per?: number;
  /** Its row's name, where it differs from the contestant's. */
  readonly who?: string;
  /** Takes times, or one figure; or both with what is to be said of them. */
  measure(opened: Opened): Promise<Times | number | Pick<Row, "times" | "problem">>;
}

/** One contestant, opened once, and what it is asked. */
export interface Entry {
  readonly who: string;
  readonly kind: Row["kind"];
  readonly workers: number;
  readonly intrusive?: boolean | undefined;
  /** Why it does not take part. */
  readonly refusal?: string | undefined;
  open(): Opened | Promise<Opened>;
  readonly cells: readonly Cell[];
}

/** Thrown by a cell that has nothing to measure, with the reason. */
export class NotHere extends Error {}

const OPEN_LIMIT = 15_000;
const CLOSE_LIMIT = 3_000;

class Hang extends Error {}

/** What rivals throw outside of any promise, while they are asked. */
let onUncaught: (error: unknown) => void = () => {};
process.on("uncaughtException", (error) => onUncaught(error));
process.on("unhandledRejection", (error) => onUncaught(error));

/** Resolves as the promise does; rejects when it takes too long, or when something is thrown meanwhile that nobody catches. */
async function within<T>(limit: number, what: string, make: () => T | PromiseLike<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      timer = setTimeout(() => reject(new Hang(`${what} was not done after ${limit / 1000} s`)), limit);
      onUncaught = reject;
      Promise.resolve().then(make).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    onUncaught = () => {};
  }
}

function write(line: unknown): void {
  if (outFile !== undefined) appendFileSync(outFile, JSON.stringify(line) + "\n");
}

/** Collects entries, and runs them. */
export class Suite {
  readonly #entries: Entry[] = [];
  readonly #rows: Row[] = [];

  /** Adds a contestant with its cells. */
  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** Runs everything, prints it, and ends the program: workers may be left. */
  async run(): Promise<never> {
    // Who replaces globals of this process comes last.
    const entries = this.#entries.toSorted((a, b) => Number(a.intrusive ?? false) - Number(b.intrusive ?? false));
    for (const entry of entries) await this.#runEntry(entry);
    write({ event: "done" });
    if (outFile === undefined) printTables(this.#rows);
    process.exit(0);
  }

  #record(entry: Entry, cell: Cell, result: Partial<Row>): void {
    const row: Row = { ...rowOf(entry, cell), ...result };
    this.#rows.push(row);
    write({ event: "row", row });
    if (outFile === undefined) console.log(rowText(row));
  }

  async #runEntry(entry: Entry): Promise<void> {
    const cells = entry.cells.filter((cell) => {
      const row = rowOf(entry, cell);
      if (questionOf(row.question) === undefined) throw new RangeError(`No question is called ${row.question}.`);
      return !skip.done.has(keyOf(row)) && (filter === undefined || filter.test(`${row.question} ${row.who}`));
    });
    if (cells.length === 0) return;
    const refusal = skip.lost.has(entry.who) ? "hung before, and was not asked again" : entry.refusal;
    if (refusal !== undefined) {
      for (const cell of cells) this.#record(entry, cell, { problem: refusal });
      return;
    }
    write({ event: "begin", rows: cells.map((cell) => rowOf(entry, cell)), limit: OPEN_LIMIT });
    let opened: Opened;
    try {
      opened = await within(OPEN_LIMIT, "opening", () => entry.open());
    } catch (error) {
      for (const cell of cells) this.#record(entry, cell, { problem: `does not start: ${reason(error)}` });
      return goOn(error);
    }
    for (const cell of cells) {
      write({ event: "begin", rows: [rowOf(entry, cell)], limit: rowLimit });
      try {
        const result = await within(rowLimit, "it", () => cell.measure(opened));
        if (typeof result === "number") this.#record(entry, cell, { figure: result });
        else this.#record(entry, cell, "samples" in result ? { times: result } : result);
      } catch (error) {
        this.#record(entry, cell, { problem: reason(error) });
        goOn(error);
      }
    }
    write({ event: "begin", rows: [], limit: CLOSE_LIMIT });
    await within(CLOSE_LIMIT, "closing", async () => void await opened.close()).catch(goOn);
  }
}

/** After a hang the rest of the file is for another process, where there is someone to start it. */
function goOn(error: unknown): void {
  if (error instanceof Hang && outFile !== undefined) process.exit(FRESH_PROCESS);
}

function rowOf(entry: Entry, cell: Cell): Row {
  return {
    question: cell.question,
    who: cell.who ?? entry.who,
    kind: entry.kind,
    workers: entry.workers,
    ...(cell.x === undefined ? {} : { x: cell.x }),
    ...(cell.per === undefined ? {} : { per: cell.per }),
  };
}
