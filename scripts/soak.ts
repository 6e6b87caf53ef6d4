// `npm run soak`: queues and pipes under load, for ten minutes on each runtime, one after the other. It fails when an item is lost, comes twice,
// damaged or out of order, when anything hangs, and when the memory of the program grows. `soak_job.ts` has what runs.
//
//   npm run soak -- [--minutes 10] [--runtimes deno,bun,node26]

import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runProgram } from "./run_program.ts";
import { cleanEnvironment, ROOT, selectRuntimes } from "./runtimes.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    runtimes: { type: "string", default: "deno,bun,node26" },
  },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new RangeError(`--minutes takes a number, not "${values.minutes}"`);

let failed = 0;
for (const runtime of selectRuntimes(values.runtimes)) {
  console.log(`\n${runtime.label}, ${minutes} min`);
  const args = [...runtime.runArguments(join(ROOT, "scripts", "soak_job.ts")), `${minutes * 60}`];
  const { code, timedOut } = await runProgram(runtime.executable, args, {
    cwd: ROOT,
    env: cleanEnvironment(),
    // What has not ended by itself a minute later hangs.
    limit: (minutes + 1) * 60_000,
    onOutput: (text) => process.stdout.write(text),
  });
  if (timedOut) console.error("FAILED: it hangs");
  if (code !== 0 || timedOut) failed++;
}
console.log(failed === 0 ? "\nAll of it is sound." : `\n${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
