// `npm start`: the tour. First the guide's programs, each on one of the runtimes in turn; then one real job, on each of
// them, in series and with a pool; at the end a table.
//
//   examples/NN_*.ts ── one after the other, Deno, Bun, Node, Deno, … ──▶ their output
//   scripts/start_job.ts ── on Deno, then Bun, then Node ──▶ progress, result ──▶ table
//
//   --runtimes deno,bun,node     a selection
//   --skip examples,job          without one of the parts
//
// The exit code is 1 when a program failed, or when a result differs from the one in series or from another runtime's.

import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import cliProgress from "cli-progress";
import { runProgram } from "./run_program.ts";
import { ROOT, type Runtime, selectRuntimes } from "./runtimes.ts";
import type { JobMessage, JobResult } from "./start_job.ts";

const MINUTE = 60_000;
const failures: string[] = [];

function heading(text: string): void {
  console.log(`\n── ${text} ${"─".repeat(Math.max(0, 96 - text.length))}`);
}

/** What an example says of itself: the first line of its opening comment. */
function titleOf(path: string): string {
  return /^\/\/ (.*)$/m.exec(readFileSync(path, "utf8"))?.[1] ?? basename(path);
}

async function showExamples(runtimes: readonly Runtime[]): Promise<void> {
  const files = globSync("examples/[0-9][0-9]_*.ts", { cwd: ROOT }).sort();
  for (const [i, file] of files.entries()) {
    const runtime = runtimes[i % runtimes.length]!;
    heading(`${basename(file)} on ${runtime.label}`);
    console.log(`   ${titleOf(join(ROOT, file))}\n`);
    const { code, timedOut } = await runProgram(runtime.executable, runtime.runArguments(file), {
      limit: MINUTE,
      onOutput: (text) => process.stdout.write(text),
    });
    if (code === 0 && !timedOut) continue;
    const how = timedOut ? `did not end within ${MINUTE / 1000} s` : `ended with exit code ${code}`;
    failures.push(`${file} on ${runtime.label} ${how}`);
  }
}

/** Shows how far the job is: a bar on a terminal, a line at each quarter elsewhere. */
class Progress {
  readonly #bar = new cliProgress.SingleBar({
    format: "   {phase} {bar} {percentage} % | {files} files | {duration_formatted}",
    stream: process.stderr,
    hideCursor: true,
    barsize: 32,
  }, cliProgress.Presets.shades_classic);
  #phase = "";
  #quarter = 0;
  readonly #end = (): void => this.end();

  update({ phase, done, total, share }: JobMessage & { kind: "progress" }): void {
    const begins = phase !== this.#phase;
    if (begins) this.end();
    this.#phase = phase;
    if (process.stderr.isTTY) {
      const shown = { phase: phase.padEnd(6), files: `${done} of ${total}` };
      if (begins) {
        this.#bar.start(1000, 0, shown);
        // The bar hides the cursor, and Ctrl-C must bring it back.
        process.once("exit", this.#end);
      }
      this.#bar.update(Math.floor(1000 * share), shown);
      return;
    }
    const quarter = Math.floor(4 * share);
    if (!begins && quarter === this.#quarter) return;
    this.#quarter = quarter;
    console.error(`   ${phase}: ${(100 * share).toFixed(0)} %, ${done} of ${total} files`);
  }

  end(): void {
    if (this.#phase === "") return;
    this.#phase = "";
    this.#bar.stop();
    process.off("exit", this.#end);
  }
}

async function runJob(runtime: Runtime): Promise<JobResult | undefined> {
  console.log(`\n   ${runtime.label}`);
  const progress = new Progress();
  let result: JobResult | undefined;
  let partial = "";
  const receive = (text: string): void => {
    const lines = (partial + text).split("\n");
    partial = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith("{")) {
        console.error(line);
        continue;
      }
      const message = JSON.parse(line) as JobMessage;
      if (message.kind === "progress") progress.update(message);
      else result = message.result;
    }
  };
  const args = [...runtime.runArguments("scripts/start_job.ts"), "--json", join(ROOT, "node_modules")];
  const { code, timedOut } = await runProgram(runtime.executable, args, { limit: 5 * MINUTE, onOutput: receive });
  progress.end();
  if (result !== undefined) return result;
  failures.push(`the job on ${runtime.label} ${timedOut ? "took too long" : `ended with exit code ${code}`}`);
  return undefined;
}

async function showJob(runtimes: readonly Runtime[]): Promise<void> {
  heading("a real job: which of the sources under node_modules are copies of one another?");
  console.log("   MinHash over every run of five tokens of every file, in series, then with a pool of all CPUs.");
  const results: [Runtime, JobResult][] = [];
  for (const runtime of runtimes) {
    const result = await runJob(runtime);
    if (result !== undefined) results.push([runtime, result]);
  }
  const first = results[0]?.[1];
  if (first === undefined) return;

  const mega = (n: number): string => (n / 1e6).toFixed(1);
  console.log(
    `\n   ${first.files} files, ${mega(first.bytes)} MB, ${mega(first.tokens)} million tokens: ${first.copies} files ` +
      `have an exact copy, ${first.nearCopies} a near copy. Workers: ${first.workers}.\n`,
  );
  const row = (...[label, ...cells]: string[]): void =>
    console.log("   " + label!.padEnd(16) + cells.map((cell) => cell.padStart(14)).join(""));
  row("runtime", "in series", "with the pool", "speed-up", "same result");
  for (const [{ label }, result] of results) {
    const same = result.same && result.digest === first.digest;
    if (!same) failures.push(`the result of the job on ${label} is another one`);
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
    row(
      label,
      seconds(result.seriesMs),
      seconds(result.poolMs),
      `${(result.seriesMs / result.poolMs).toFixed(2)} ×`,
      same ? "yes" : "NO",
    );
  }
}

// `npm start | head`: nobody reads on, so there is nothing more to do. The signal also ends what runs.
process.stdout.on("error", () => process.kill(process.pid, "SIGTERM"));

const { values } = parseArgs({
  options: { runtimes: { type: "string", default: "deno,bun,node" }, skip: { type: "string", default: "" } },
});
const skipped = new Set(values.skip.split(",").map((name) => name.trim()));
const runtimes = selectRuntimes(values.runtimes).filter((runtime) => runtime.runsTypeScript);
for (const { label, executable } of runtimes) {
  if (!existsSync(executable)) throw new Error(`${label} is not installed; run this through npm start`);
}
if (!skipped.has("examples")) await showExamples(runtimes);
if (!skipped.has("job")) await showJob(runtimes);
for (const failure of failures) console.log(`\nFAILED: ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;
