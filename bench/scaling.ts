// The smallest task that is worth a worker on this machine, per runtime: measures (or reads what `npm run bench` has measured), fits
// the model of model.ts, and prints both.
//
//   npm run bench:scaling -- [--runtimes deno,bun,node26] [--quick] [--measured]
//
//   --measured    uses what is in build/bench/ instead of measuring

import { cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { selectRuntimes } from "../scripts/runtimes.ts";
import { loadParts } from "./environment.ts";
import { modelOf, pointsOf, predictions, WAYS, worthIt } from "./fitting.ts";
import { time } from "./format.ts";
import type { Part } from "./rows.ts";
import { runSuite } from "./run_suite.ts";

const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: "deno,bun,node26" },
    quick: { type: "boolean", default: false },
    measured: { type: "boolean", default: false },
  },
});
const runtimes = selectRuntimes(values.runtimes);

async function measure(): Promise<readonly Part[]> {
  const { parts } = await runSuite({
    quick: values.quick,
    runtimes,
    files: ["scaling_bench.ts"],
    filter: "scaling/size",
    runs: 1,
  });
  return parts;
}

const parts = values.measured ? loadParts() : await measure();
for (const { name, label } of runtimes) {
  const part = parts.find(({ runtime, file }) => runtime === name && file === "scaling");
  if (part === undefined) {
    console.log(`\n${label}: nothing was measured. Run this without --measured.`);
    process.exitCode = 1;
    continue;
  }
  const { cores } = part.machine;
  for (const way of WAYS) {
    const model = modelOf(part.rows, way, cores);
    if (model === undefined) continue;
    const workers = Math.min(2, cores);
    const { even, most } = worthIt(model, workers);
    console.log(`\n${label}, ${way === "Pool" ? "pool.apply, many in flight" : "pool.map"}`);
    console.log(
      `  a task costs ${time(model.host)} on the host and ${time(model.worker)} in the worker, a batch ${
        time(model.batch)
      }`,
    );
    console.log(
      `  the work had the use of ${model.capacity.toFixed(2)} of ${cores} CPUs; predictions are off by a factor of ${
        model.error.toFixed(2)
      }`,
    );
    console.log(
      `  with ${workers} workers it pays from tasks of ${even} on; 0.9 of what the machine gives from ${most} on`,
    );
    for (const line of predictions(model, pointsOf(part.rows, way), workers)) {
      console.log(`  ${line.map((cell) => cell.padStart(18)).join("")}`);
    }
  }
}
if (cpus().length < 2) console.log("\nThis machine has one CPU: no number of workers makes anything faster.");
process.exit();
