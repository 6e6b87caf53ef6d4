/**
 * Rows as text for a terminal.
 * @module
 */
import { bytes, count, number, rate, time } from "./format.ts";
import { type Question, questionOf } from "./questions.ts";
import type { Row } from "./rows.ts";

/** What a row comes to, as the number that its question is about; undefined when there is none. */
export function valueOf(row: Row, question: Question, serial?: Row): number | undefined {
  const { times, per = 1 } = row;
  switch (question.show) {
    case "time":
      return times === undefined ? undefined : times.p50 / per;
    case "rate":
      return times === undefined ? undefined : per / times.p50 * 1e9;
    case "speedup":
      return times === undefined || serial?.times === undefined ? undefined : serial.times.p50 / times.p50;
    case "overhead":
      // x is what a task takes by itself, in ms.
      return times === undefined ? undefined : times.p50 * Math.max(1, row.workers) / per - (row.x as number) * 1e6;
    case "percent":
    case "bytes":
      return row.figure;
  }
}

/** Whether more is better. */
export function moreIsBetter(question: Question): boolean {
  return question.show === "rate" || question.show === "speedup";
}

/** The value as text. */
export function valueText(value: number, question: Question): string {
  switch (question.show) {
    case "time":
    case "overhead":
      return value < 0 ? `−${time(-value)}` : time(value);
    case "rate":
      return rate(value);
    case "speedup":
      return `${value.toFixed(2)} ×`;
    case "percent":
      return `${number(value)} %`;
    case "bytes":
      return bytes(value);
  }
}

/** A point of a question's axis as text. */
export function xText(x: number, question: Question): string {
  if (question.x === "bytes") return bytes(x);
  if (question.x === "ms") return `${x} ms`;
  if (question.x === "workers") return `${x} worker${x === 1 ? "" : "s"}`;
  if (question.x === "steps") return x === 0 ? "nothing" : `${count(x)} steps`;
  return `${count(x)}${question.x === undefined ? "" : ` ${question.x}`}`;
}

/** The row of a question that ran in one thread: what speed-ups are measured against. */
export function serialOf(rows: readonly Row[], row: Row): Row | undefined {
  const all = rows.filter(({ question, kind }) => question === row.question && kind === "serial");
  return all.find(({ x }) => x === row.x) ?? all[0];
}

function spreadText({ times, per = 1 }: Row): string {
  if (times === undefined || times.samples === 1) return "";
  const { mean, p90, p99, samples } = times;
  return `mean ${time(mean / per)}, p90 ${time(p90 / per)}, p99 ${time(p99 / per)}, ${count(samples)} samples`;
}

/** One row as a line. */
export function rowText(row: Row, rows: readonly Row[] = []): string {
  const question = questionOf(row.question);
  if (question === undefined) return `${row.question} ${row.who}`;
  const value = valueOf(row, question, serialOf(rows, row));
  const shown = value !== undefined ? valueText(value, question) : row.times !== undefined ? time(row.times.p50) : "–";
  const where = `${row.x === undefined ? "" : xText(row.x, question)}${row.workers > 0 ? ` (${row.workers}w)` : ""}`;
  const more = [question.show === "rate" || question.show === "time" ? spreadText(row) : "", row.problem ?? ""];
  return `  ${row.question.padEnd(24)} ${row.who.padEnd(30)} ${where.padEnd(18)} ${shown.padStart(10)}   ${
    more.filter((text) => text !== "").join("; ")
  }`.trimEnd();
}

/** Prints the rows by question, the best first. */
export function printTables(rows: readonly Row[], print: (line: string) => void = console.log): void {
  for (const id of new Set(rows.map(({ question }) => question))) {
    const question = questionOf(id);
    if (question === undefined) continue;
    print(`\n${question.title}`);
    const best = moreIsBetter(question) ? -1 : 1;
    const mine = rows.filter((row) => row.question === id);
    const value = (row: Row): number => (valueOf(row, question, serialOf(rows, row)) ?? best * Infinity) * best;
    mine.sort((a, b) => (a.x ?? 0) - (b.x ?? 0) || a.workers - b.workers || value(a) - value(b));
    for (const row of mine) print(rowText(row, rows));
  }
}
