/**
 * Who is best at what: the values behind the tables and charts.
 * @module
 */
import type { Question } from "../questions.ts";
import type { Results, Row } from "../rows.ts";
import { moreIsBetter, serialOf, valueOf } from "../tables.ts";

/** A row with its runtime. */
export type Measured = Results["rows"][number];

/** A row's value beside what it is called in tables. */
export interface Entry {
  readonly row: Measured;
  readonly value: number | undefined;
}

/** Python has one row, which stands in every runtime's column. */
export function rowsOf(results: Results, question: string, runtime: string): Measured[] {
  return results.rows.filter((row) =>
    row.question === question && (row.runtime === runtime || (row.runtime === "python" && runtime !== "python"))
  );
}

/** The runtimes that have columns. */
export function columnsOf(results: Results): { name: string; label: string }[] {
  return results.runtimes.filter(({ name }) => name !== "python");
}

/** The rows of a question on a runtime, with their values. */
export function entriesOf(results: Results, question: Question, runtime: string): Entry[] {
  const rows = rowsOf(results, question.id, runtime);
  return rows.map((row) => ({ row, value: valueOf(row, question, serialOf(rows, row)) }));
}

/** Whether a is better than b. */
export function isBetter(a: number, b: number, question: Question): boolean {
  return moreIsBetter(question) ? a > b : a < b;
}

/** The best of some entries. */
export function bestOf(entries: readonly Entry[], question: Question): Entry | undefined {
  let best: Entry | undefined;
  for (const entry of entries) {
    if (entry.value === undefined) continue;
    if (best?.value === undefined || isBetter(entry.value, best.value, question)) best = entry;
  }
  return best;
}

/** Those that one would use: this library, rivals and Python; the others are there to compare with. */
export function competes({ kind }: Pick<Row, "kind">): boolean {
  return kind === "ours" || kind === "rival" || kind === "python";
}

/** How a question went on a runtime, at one point of its axis. */
export interface Contest {
  readonly question: Question;
  readonly runtime: string;
  readonly x: number | undefined;
  readonly workers: number;
  readonly ours: Entry;
  readonly rival: Entry | undefined;
  readonly raw: Entry | undefined;
  /** How many times better ours is than the best rival: below 1 the rival is better. */
  readonly lead: number | undefined;
}

/** Every contest that this library took part in. */
export function contestsOf(results: Results, questions: readonly Question[]): Contest[] {
  const contests: Contest[] = [];
  for (const question of questions) {
    for (const { name: runtime } of columnsOf(results)) {
      const entries = entriesOf(results, question, runtime);
      const points = new Map(
        entries.filter(({ row }) => row.kind === "ours").map(({ row }) => [
          `${row.x} ${row.workers}`,
          { x: row.x, workers: row.workers },
        ]),
      );
      for (const { x, workers } of points.values()) {
        const here = entries.filter(({ row }) =>
          row.x === x && (row.workers === workers || ["startup", "idle"].includes(question.id.split("/")[0] as string))
        );
        // The plain pool, not a special case of it; from the sources or from the package, as a user of the runtime would.
        const plain = here.filter(({ row }) => row.who === "Pool" || question.id.startsWith("startup/"));
        const ours = bestOf(plain.filter(({ row }) => row.kind === "ours"), question);
        if (ours?.value === undefined) continue;
        const rival = bestOf(here.filter(({ row }) => row.kind === "rival" || row.kind === "python"), question);
        const raw = bestOf(here.filter(({ row }) => row.kind === "raw"), question);
        const lead = rival?.value === undefined
          ? undefined
          : moreIsBetter(question)
          ? ours.value / rival.value
          : rival.value / ours.value;
        contests.push({ question, runtime, x, workers, ours, rival, raw, lead });
      }
    }
  }
  return contests;
}
