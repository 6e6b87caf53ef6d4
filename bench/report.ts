// `npm run bench:report`: runs the suite on all runtimes, merges what was measured into bench/results.json, and writes bench/RESULTS.md
// and bench/charts/ from it.
//
//   npm run bench:report -- [--quick] [--runtimes …] [--files …] [--workers N] [--runs N]    as of `npm run bench`
//
//   --keep        keeps what bench/results.json has of other files; the page says when that was taken
//   --measured    measures nothing: merges what is in build/bench/ already
//   --results     neither: writes the page and the charts from bench/results.json as it is

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runTool } from "../scripts/build_package.ts";
import { ROOT, selectRuntimes } from "../scripts/runtimes.ts";
import { loadParts } from "./environment.ts";
import { drawCharts } from "./report/charts.ts";
import { markdownOf } from "./report/markdown.ts";
import { mergeParts, replaceIn, resultsText } from "./report/merge.ts";
import type { Results } from "./rows.ts";
import { benchFiles, runSuite } from "./run_suite.ts";

const FOLDER = join(ROOT, "bench");
const RESULTS = join(FOLDER, "results.json");

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    runtimes: { type: "string", default: "deno,bun,node26" },
    files: { type: "string", default: "" },
    workers: { type: "string" },
    runs: { type: "string" },
    keep: { type: "boolean", default: false },
    measured: { type: "boolean", default: false },
    results: { type: "boolean", default: false },
  },
});

/** The versions of what takes part. */
function packages(): Record<string, string> {
  const read = (path: string): { devDependencies: Record<string, string> } =>
    JSON.parse(readFileSync(join(ROOT, path), "utf8")) as { devDependencies: Record<string, string> };
  const { echarts: _, msgpackr: __, ...rivals } = read("bench/package.json").devDependencies;
  const { mitata = "" } = read("package.json").devDependencies;
  return { ...rivals, mitata };
}

let failures: string[] = [];
if (!values.results) {
  if (!values.measured) {
    ({ failures } = await runSuite({
      quick: values.quick,
      runtimes: selectRuntimes(values.runtimes),
      files: benchFiles(values.files, values.quick),
      workers: values.workers,
      runs: Number(values.runs ?? (values.quick ? 1 : 3)),
    }));
  }
  const merged = mergeParts(loadParts(), packages());
  const kept = values.keep ? JSON.parse(readFileSync(RESULTS, "utf8")) as Results : undefined;
  writeFileSync(RESULTS, resultsText(kept === undefined ? merged : replaceIn(kept, merged)));
}

const results = JSON.parse(readFileSync(RESULTS, "utf8")) as Results;
const charts = join(FOLDER, "charts");
if (existsSync(charts)) {
  for (const name of readdirSync(charts)) {
    if (name.endsWith(".svg")) rmSync(join(charts, name));
  }
}
mkdirSync(charts, { recursive: true });
for (const [file, svg] of drawCharts(results)) writeFileSync(join(charts, file), svg + "\n");
writeFileSync(join(FOLDER, "RESULTS.md"), markdownOf(results));
const [deno] = selectRuntimes("deno");
await runTool("deno fmt", deno!.executable, ["fmt", join(FOLDER, "RESULTS.md")]);
console.log(`Wrote bench/RESULTS.md, bench/results.json (${results.rows.length} rows) and the charts.`);
for (const failure of failures) console.error(`FAILED: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);
