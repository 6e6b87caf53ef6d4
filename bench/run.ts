// `npm run bench`: runs bench/*_bench.ts on the runtimes, and Python's multiprocessing beside them. What was measured is printed, and
// kept in build/bench/ for `npm run bench:report`.
//
//   npm run bench -- [--quick] [--runtimes deno,bun,node26] [--files latency,sync] [--filter PATTERN] [--workers N] [--runs N]
//
//   --quick    the questions about pools alone, fewer sizes, fewer rivals, one run: about a minute and a half
//   --files    parts of the files' names       --filter    a pattern that "question name" has to match, such as "flight.*Pool"
//   --runs     medians of so many runs (default 1; npm run bench:report takes 3)

import process from "node:process";
import { parseArgs } from "node:util";
import { printTables } from "./tables.ts";
import { benchFiles, runSuite } from "./run_suite.ts";
import { selectRuntimes } from "../scripts/runtimes.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    runtimes: { type: "string", default: "deno,bun,node26" },
    files: { type: "string", default: "" },
    filter: { type: "string" },
    workers: { type: "string" },
    runs: { type: "string" },
  },
});

const { parts, failures } = await runSuite({
  quick: values.quick,
  runtimes: selectRuntimes(values.runtimes),
  files: benchFiles(values.files, values.quick),
  filter: values.filter,
  workers: values.workers,
  runs: Number(values.runs ?? 1),
});
for (const { label, rows } of parts) {
  console.log(`\n${"=".repeat(100)}\n${label}`);
  printTables(rows);
}
for (const failure of failures) console.error(`FAILED: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);
