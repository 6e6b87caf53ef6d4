// The real job of `npm start`: which of the sources under node_modules are copies, or nearly copies, of one another?
// It runs the same function over the same files first in series, then with a Pool, and compares.
//
//   node scripts/start_job.ts [FOLDER]              or with `deno run -A`, `bun`
//   … --json                                        one JSON line per message, for scripts/start.ts
//
//   files, largest first ──▶ fingerprint(path) ──▶ tokens, SHA-256, 2048 minima ──▶ pairs of (nearly) equal files
//
// The fingerprint is MinHash (Broder 1997): of all runs of five tokens, the smallest value under each of 2048 hash functions. The
// share of minima that two files have in common estimates the share of text that they have in common, to some 2 %.
//
// Files vary a thousandfold in size. Largest first, in small chunks, no worker is left with a large file at the end, when
// the others have nothing to do any more. (Without chunkSize the first of the chunks, an eighth of all files on two cores,
// would hold nearly all of the work.)

import { createHash } from "node:crypto";
import { globSync, readFileSync, statSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { cpuCount, isMain, Pool } from "@manycore/multiprocessing";

/** What is kept of a file. */
export interface Fingerprint {
  readonly sha256: string;
  readonly lines: number;
  readonly tokens: number;
  readonly minima: Uint32Array;
}

/** What the job tells while it runs, and at its end. */
export type JobMessage =
  | {
    readonly kind: "progress";
    readonly phase: string;
    /** Files that are done, and all. */
    readonly done: number;
    readonly total: number;
    /** The part of the work that is done, by the sizes of the files: from 0 to 1. */
    readonly share: number;
  }
  | { readonly kind: "result"; readonly result: JobResult };

/** What it found, and how long it took. */
export interface JobResult {
  readonly workers: number;
  readonly files: number;
  readonly bytes: number;
  readonly lines: number;
  readonly tokens: number;
  /** Files of which another has the very same bytes. */
  readonly copies: number;
  /** Files of which another has nine tenths of the text, though not the same bytes. */
  readonly nearCopies: number;
  /** One hash over all fingerprints. */
  readonly digest: string;
  readonly seriesMs: number;
  readonly poolMs: number;
  readonly same: boolean;
}

const FUNCTIONS = 2048;
const RUN = 5;
/** Larger files are bundles of others: one of them would be a quarter of all the work, and no pool can split it. */
const LARGEST = 1_000_000;
const CHUNK = 4;

const factors = new Int32Array(FUNCTIONS);
const summands = new Int32Array(FUNCTIONS);
for (let i = 0, seed = 1; i < FUNCTIONS; i++) {
  seed = Math.imul(seed, 1664525) + 1013904223 | 0;
  factors[i] = seed | 1;
  seed = Math.imul(seed, 1664525) + 1013904223 | 0;
  summands[i] = seed;
}

/** Reads a file and computes its fingerprint. */
export function fingerprint(path: string): Fingerprint {
  const bytes = readFileSync(path);
  const text = bytes.toString("utf8");
  const hashes = tokenHashes(text);
  return {
    sha256: createHash("sha256").update(bytes).digest("hex"),
    lines: text.split("\n").length,
    tokens: hashes.length,
    minima: minimaOf(hashes),
  };
}

// The hot loops stand in functions of their own, which end where they end: V8 compiles a long loop while it runs, under
// assumptions about the code behind it, and throws the result away when that is reached. In one piece with
// fingerprint() they took three times as long.

/** The hash of each token: word, number or sign (FNV-1a). */
function tokenHashes(text: string): Int32Array {
  const hashes: number[] = [];
  for (const [token] of text.matchAll(/[A-Za-z_$][\w$]*|\d[\w.]*|[^\s\w]/g)) hashes.push(hashOf(token));
  return Int32Array.from(hashes);
}

function hashOf(token: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < token.length; i++) hash = Math.imul(hash ^ token.charCodeAt(i), 16777619);
  return hash;
}

/** The smallest value of all runs of tokens under each hash function. */
function minimaOf(hashes: Int32Array): Uint32Array {
  const minima = new Uint32Array(FUNCTIONS).fill(0xffffffff);
  for (let end = RUN; end <= hashes.length; end++) {
    let run = 0;
    for (let i = end - RUN; i < end; i++) run = Math.imul(run, 31) + hashes[i]! | 0;
    lower(minima, run ^ run >>> 15);
  }
  return minima;
}

function lower(minima: Uint32Array, run: number): void {
  for (let i = 0; i < FUNCTIONS; i++) {
    const value = Math.imul(run, factors[i]!) + summands[i]! >>> 0;
    if (value < minima[i]!) minima[i] = value;
  }
}

/** The sources under a folder, largest first; the same list on every runtime. */
function findSources(folder: string): { path: string; size: number }[] {
  return globSync("**/*.{js,mjs,cjs,ts,mts,cts}", { cwd: folder })
    .map((name) => ({ path: join(folder, name), stat: statSync(join(folder, name), { throwIfNoEntry: false }) }))
    .filter(({ stat }) => stat?.isFile() && stat.size > 0 && stat.size <= LARGEST)
    .map(({ path, stat }) => ({ path, size: stat!.size }))
    .sort((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1));
}

/** One hash over all fingerprints, to compare runs. */
function digestOf(prints: readonly Fingerprint[]): string {
  const hash = createHash("sha256");
  for (const { sha256, lines, tokens, minima } of prints) {
    hash.update(`${sha256} ${lines} ${tokens} ${minima.join(" ")}\n`);
  }
  return hash.digest("hex");
}

/** How many files have a copy, and how many a near copy: candidates share eight consecutive minima. */
function countCopies(prints: readonly Fingerprint[]): { copies: number; nearCopies: number } {
  const counts = new Map<string, number>();
  for (const { sha256 } of prints) counts.set(sha256, (counts.get(sha256) ?? 0) + 1);
  const near = new Set<Fingerprint>();
  for (let band = 0; band < FUNCTIONS; band += 8) {
    const first = new Map<string, Fingerprint>();
    for (const print of prints) {
      const key = print.minima.subarray(band, band + 8).join(" ");
      const other = first.get(key);
      if (other === undefined) first.set(key, print);
      else if (other.sha256 !== print.sha256 && similarity(other, print) >= 0.9) near.add(other).add(print);
    }
  }
  return { copies: prints.filter(({ sha256 }) => counts.get(sha256)! > 1).length, nearCopies: near.size };
}

function similarity(a: Fingerprint, b: Fingerprint): number {
  if (Math.min(a.tokens, b.tokens) < RUN) return 0;
  let equal = 0;
  for (let i = 0; i < FUNCTIONS; i++) if (a.minima[i] === b.minima[i]) equal++;
  return equal / FUNCTIONS;
}

if (isMain(import.meta)) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } });
  const folder = resolve(positionals[0] ?? "node_modules");
  let lastReport = 0;
  // Written at once, also while this thread computes.
  const write = (text: string): void => void writeSync(1, `${text}\n`);
  const sources = findSources(folder);
  const paths = sources.map(({ path }) => path);
  const total = paths.length;
  /** How many bytes the first n files have; a pool works in nearly that order. */
  const bytesOf = [0];
  for (const { size } of sources) bytesOf.push(bytesOf.at(-1)! + size);
  const report = (phase: string, done: number): void => {
    if (performance.now() - lastReport < (values.json ? 50 : 1000) && done < total) return;
    lastReport = performance.now();
    const share = bytesOf[done]! / bytesOf[total]!;
    if (values.json) write(JSON.stringify({ kind: "progress", phase, done, total, share } satisfies JobMessage));
    else write(`${phase}: ${done} of ${total} files, ${(100 * share).toFixed(0)} %`);
  };

  for (const path of paths) readFileSync(path); // From now on they are in memory: the disk is not what is measured.

  let start = performance.now();
  const inSeries = paths.map((path, i) => {
    const print = fingerprint(path);
    report("series", i + 1);
    return print;
  });
  const seriesMs = performance.now() - start;

  start = performance.now();
  const workers = cpuCount();
  const inPool = await new Pool(workers).run((pool) =>
    pool.map(fingerprint, paths, {
      chunkSize: CHUNK,
      onProgress: ({ done }) => report("pool", done),
    })
  );
  const poolMs = performance.now() - start;

  const digest = digestOf(inSeries);
  const sum = (name: "lines" | "tokens"): number => inSeries.reduce((all, print) => all + print[name], 0);
  const result: JobResult = {
    workers,
    files: total,
    bytes: bytesOf[total]!,
    lines: sum("lines"),
    tokens: sum("tokens"),
    ...countCopies(inSeries),
    digest,
    seriesMs,
    poolMs,
    same: digest === digestOf(inPool),
  };
  if (values.json) write(JSON.stringify({ kind: "result", result } satisfies JobMessage));
  else write(JSON.stringify(result, null, 2));
  process.exitCode = result.same ? 0 : 1;
}
