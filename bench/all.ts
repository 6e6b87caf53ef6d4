// `deno bench -A`: the suite on Deno, quickly. Deno would start the bench files one after the other in one process, but each of them
// needs one of its own: workers stay behind, rivals replace globals. `npm run bench` and `deno task bench` take options.

import process from "node:process";
import { selectRuntimes } from "../scripts/runtimes.ts";
import { benchFiles, runSuite } from "./run_suite.ts";
import { printTables } from "./tables.ts";

const { parts, failures } = await runSuite({
  quick: true,
  runtimes: selectRuntimes("deno"),
  files: benchFiles("", true),
  runs: 1,
});
for (const { label, rows } of parts) {
  console.log(`\n${label}`);
  printTables(rows);
}
for (const failure of failures) console.error(`FAILED: ${failure}`);
process.exitCode = failures.length === 0 ? 0 : 1;
