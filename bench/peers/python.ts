/**
 * Python's own figures, from the same machine in the same run, where there is a python3.
 * @module
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { recordFigures } from "../kit.ts";

/** Runs a peer script and prints its figures, or says that there is no Python. */
export function printPython(script: string): void {
  const path = fileURLToPath(new URL(`./${script}`, import.meta.url));
  const run = spawnSync("python3", [path], { encoding: "utf8", timeout: 120_000 });
  if (run.error !== undefined || run.status !== 0) {
    console.log(`Python: no figures (${run.error?.message ?? run.stderr.trim().split("\n").at(-1)})\n`);
    return;
  }
  console.log("Python's multiprocessing, the same operations in the same run:");
  const figures = JSON.parse(run.stdout) as Record<string, number>;
  recordFigures("Python's multiprocessing, the same operations", figures);
  for (const [name, figure] of Object.entries(figures)) {
    console.log(`  ${name.padEnd(40)} ${Math.round(figure).toLocaleString("en-US").padStart(12)}`);
  }
  console.log();
}
