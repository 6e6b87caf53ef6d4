// `npm run bench`: runs bench/*_bench.ts on the runtimes, one after the other, and prints mitata's tables.
//
//   npm run bench -- [--runtimes deno,bun,node26] [--files pool,sync] [--filter PATTERN]

import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runProgram } from "../scripts/run_program.ts";
import { cleanEnvironment, ROOT, selectRuntimes } from "../scripts/runtimes.ts";

const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: "deno,bun,node26" },
    files: { type: "string", default: "" },
    filter: { type: "string" },
  },
});
const wanted = values.files.split(",").filter((name) => name !== "");
const files = readdirSync(join(ROOT, "bench")).filter((name) =>
  name.endsWith("_bench.ts") && (wanted.length === 0 || wanted.some((part) => name.includes(part)))
);
if (files.length === 0) throw new RangeError(`No bench/*_bench.ts has one of ${wanted.join(", ")} in its name.`);

console.log(`${cpus()[0]?.model ?? "unknown CPU"}, ${cpus().length} CPUs, ${process.platform} ${process.arch}`);
let failed = 0;
for (const runtime of selectRuntimes(values.runtimes)) {
  for (const file of files) {
    console.log(`\n=== ${runtime.label} · ${file} ===`);
    const { code } = await runProgram(runtime.executable, runtime.runArguments(join(ROOT, "bench", file)), {
      env: cleanEnvironment(values.filter === undefined ? {} : { MANYCORE_BENCH_FILTER: values.filter }),
      limit: 30 * 60_000,
      onOutput: (text) => process.stdout.write(text),
    });
    if (code !== 0) failed++;
  }
}
process.exit(failed === 0 ? 0 : 1);
