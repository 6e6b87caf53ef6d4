/**
 * From the parts of build/bench/ to the one file that is committed, bench/results.json.
 * @module
 */
import type { Earlier, Part, Results } from "../rows.ts";

/** Runtimes in the order of the tables' columns; what is not here comes behind. */
const ORDER = ["deno", "bun", "node26", "node24", "node22", "node20", "python"];

function rank(name: string): number {
  const place = ORDER.indexOf(name);
  return place < 0 ? ORDER.length : place;
}

/**
 * Merges parts. They may come from several days and commits; the newest speaks for all.
 *
 * @throws {RangeError} without parts
 */
export function mergeParts(parts: readonly Part[], packages: Readonly<Record<string, string>>): Results {
  if (parts.length === 0) throw new RangeError("Nothing was measured yet: run `npm run bench` first.");
  const newest = parts.reduce((a, b) => a.date >= b.date ? a : b);
  const labels = new Map(parts.map(({ runtime, label }) => [runtime, label]));
  const sorted = parts.toSorted((a, b) => rank(a.runtime) - rank(b.runtime));
  return {
    version: 1,
    date: newest.date,
    commit: newest.commit,
    dirty: parts.some(({ dirty }) => dirty),
    quick: parts.some(({ quick }) => quick),
    runs: Math.min(...parts.map(({ runs }) => runs)),
    machine: newest.machine,
    runtimes: [...labels].map(([name, label]) => ({ name, label })).sort((a, b) => rank(a.name) - rank(b.name)),
    packages,
    rows: sorted.flatMap(({ runtime, file, rows }) => rows.map((row) => ({ runtime, file, ...row }))),
  };
}

/** What a run measures as a whole: a file on a runtime; of Python, whose rows of all files are one part, a question. */
function unitOf({ runtime, file, question }: Results["rows"][number]): string {
  return `${runtime} ${runtime === "python" ? question : file}`;
}

/** Results of which some files were measured again; the page says which were not. */
export function replaceIn(kept: Results, fresh: Results): Results {
  const again = new Set(fresh.rows.map(unitOf));
  const old = kept.rows.filter((row) => !again.has(unitOf(row)));
  const left = new Set(old.filter(({ runtime }) => runtime !== "python").map(({ file }) => file));
  const times: Earlier[] = (kept.earlier ?? [])
    .map((time) => ({ ...time, files: time.files.filter((file) => left.has(file)) }));
  const known = new Set(times.flatMap(({ files }) => files));
  const { date, commit, runs } = kept;
  times.push({ date, commit, runs, files: [...left].filter((file) => !known.has(file)) });
  const labels = new Map([...kept.runtimes, ...fresh.runtimes].map(({ name, label }) => [name, label]));
  const files = [...new Set([...kept.rows, ...fresh.rows].map(({ file }) => file))];
  return {
    ...fresh,
    earlier: times.filter(({ files }) => files.length > 0),
    runtimes: [...labels].map(([name, label]) => ({ name, label })).sort((a, b) => rank(a.name) - rank(b.name)),
    rows: [...old, ...fresh.rows].sort((a, b) =>
      rank(a.runtime) - rank(b.runtime) || files.indexOf(a.file) - files.indexOf(b.file)
    ),
  };
}

/** The results as text: one row a line, rounded to what was measured, so that two runs can be compared line by line. */
export function resultsText(results: Results): string {
  const { rows, ...head } = results;
  const round = (_: string, value: unknown): unknown =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
  const start = JSON.stringify(head, round, 2).slice(0, -2);
  return `${start},\n  "rows": [\n${rows.map((row) => `    ${JSON.stringify(row, round)}`).join(",\n")}\n  ]\n}\n`;
}
