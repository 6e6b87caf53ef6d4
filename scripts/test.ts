// `npm test`: every test file on every runtime, then the built package on Node 20.
//
//   for each runtime ── for each tests/**/*_test.ts ── one process ──▶ its output, as it comes ──▶ counts
//
// One process per file: what one file leaves behind cannot disturb the next, and a hang (which inside a synchronous wait
// no runner's own limit can end) costs its file alone. A file that hangs, crashes, reports nothing or runs no test counts
// as one failure. The last line is always "N passed, N failed".
//
//   --runtimes deno,bun,node22,node24,node26,node20   a selection; --fast is deno,bun,node26
//   --filter TEXT                                     only files whose path contains TEXT
//   --file-limit SECONDS, --limit SECONDS             per file (default 240), per runtime (default 900)

import { globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { BUILD } from "./build_package.ts";
import { prepareNode20 } from "./node20_package.ts";
import { runProgram, type RunResult } from "./run_program.ts";
import { ROOT, type Runtime, RUNTIMES, selectRuntimes } from "./runtimes.ts";
import { countBun, countDeno, countNode, type Counts, stripColours } from "./test_counts.ts";

interface Options {
  readonly runtimes: readonly Runtime[];
  readonly filter: string;
  readonly fileLimit: number;
  readonly limit: number;
}

interface RuntimeResult extends Counts {
  readonly label: string;
  readonly seconds: number;
  /** One line per failure that the runner itself may not have explained. */
  readonly problems: string[];
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      runtimes: { type: "string" },
      fast: { type: "boolean" },
      filter: { type: "string", default: "" },
      "file-limit": { type: "string", default: "240" },
      limit: { type: "string", default: "900" },
    },
  });
  const seconds = (name: "file-limit" | "limit"): number => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new RangeError(`--${name} takes a number of seconds, not "${values[name]}"`);
    return value * 1000;
  };
  return {
    runtimes: values.runtimes !== undefined
      ? selectRuntimes(values.runtimes)
      : values.fast
      ? selectRuntimes("deno,bun,node26")
      : RUNTIMES,
    filter: values.filter,
    fileLimit: seconds("file-limit"),
    limit: seconds("limit"),
  };
}

function findTests(folder: string, extension: string, filter: string): string[] {
  return globSync(`tests/**/*_test${extension}`, { cwd: folder })
    .map((path) => `./${path.replaceAll("\\", "/")}`)
    .filter((path) => path.includes(filter))
    .sort();
}

function readReport(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/**
 * With threads that come and go, the V8 of Node 18 to 24 now and then loses count of its pages of code where the CPU has
 * protection keys, and ends the program: https://github.com/nodejs/node/issues/64500. Seen once in five full runs.
 */
const V8_LOST_JIT_PAGE = "Check failed: jit_page";

/** Turns how a test file's process ended into counts, and says what is wrong with it. */
function judge(runtime: Runtime, run: RunResult, report: string, limit: number): Counts & { problem?: string } {
  if (run.timedOut) {
    const problem = `did not end within ${limit / 1000} s and was killed: a hang, or a worker or handle left open`;
    return { passed: 0, failed: 1, skipped: 0, problem };
  }
  const output = stripColours(run.output);
  const counts = runtime.name === "deno"
    ? countDeno(output, report)
    : runtime.name === "bun"
    ? countBun(output)
    : countNode(output);
  if (counts === null) {
    const problem = `ended with exit code ${run.code} and no summary of its tests`;
    return { passed: 0, failed: 1, skipped: 0, problem };
  }
  if (counts.passed + counts.failed + counts.skipped === 0) return { ...counts, failed: 1, problem: "ran no test" };
  if (counts.failed > 0) return { ...counts, problem: `${counts.failed} failed` };
  if (run.code !== 0) {
    return { ...counts, failed: 1, problem: `ended with exit code ${run.code} though no test failed` };
  }
  return counts;
}

async function runFile(
  runtime: Runtime,
  folder: string,
  file: string,
  limit: number,
): Promise<ReturnType<typeof judge>> {
  const report = join(BUILD, `test_report.${process.pid}.xml`);
  rmSync(report, { force: true });
  console.log(`\n── ${runtime.label} · ${file}`);
  const start = (): Promise<RunResult> =>
    runProgram(runtime.executable, runtime.testArguments(file, report), {
      cwd: folder,
      limit,
      onOutput: (text) => process.stdout.write(text),
    });
  let run = await start();
  if (runtime.name.startsWith("node") && run.output.includes(V8_LOST_JIT_PAGE)) {
    console.log(`V8 aborted ("${V8_LOST_JIT_PAGE}", nodejs/node#64500); ${file} is run once more.`);
    run = await start();
  }
  const result = judge(runtime, run, readReport(report), limit);
  rmSync(report, { force: true });
  if (result.problem !== undefined) console.log(`FAILED ${file} on ${runtime.label}: ${result.problem}`);
  return result;
}

async function runRuntime(runtime: Runtime, options: Options): Promise<RuntimeResult> {
  const started = Date.now();
  const total = { passed: 0, failed: 0, skipped: 0 };
  const problems: string[] = [];
  const fail = (problem: string): void => {
    total.failed++;
    problems.push(problem);
    console.log(`FAILED on ${runtime.label}: ${problem}`);
  };
  console.log(`\n${"═".repeat(100)}\n═ ${runtime.label}\n${"═".repeat(100)}`);
  try {
    const folder = runtime.runsTypeScript ? ROOT : await prepareNode20();
    const files = findTests(folder, runtime.runsTypeScript ? ".ts" : ".js", options.filter);
    for (const file of files) {
      const left = options.limit - (Date.now() - started);
      if (left <= 0) {
        fail(`${file} was not run: the ${options.limit / 1000} s of this runtime are over`);
        continue;
      }
      const { passed, failed, skipped, problem } = await runFile(
        runtime,
        folder,
        file,
        Math.min(options.fileLimit, left),
      );
      total.passed += passed;
      total.failed += failed;
      total.skipped += skipped;
      if (problem !== undefined) problems.push(`${file}: ${problem}`);
    }
    if (total.passed + total.failed === 0) fail("no test was executed");
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
  return { ...total, label: runtime.label, seconds: (Date.now() - started) / 1000, problems };
}

function printTable(results: readonly RuntimeResult[]): void {
  const row = (...[label, ...cells]: string[]): void =>
    console.log(label!.padEnd(16) + cells.map((cell) => cell.padStart(10)).join(""));
  console.log(`\n${"═".repeat(100)}\n`);
  row("", "passed", "failed", "skipped", "time");
  for (const { label, passed, failed, skipped, seconds } of results) {
    row(label, `${passed}`, `${failed}`, `${skipped}`, `${seconds.toFixed(1)} s`);
  }
  const problems = results.flatMap(({ label, problems }) => problems.map((problem) => `  ${label} · ${problem}`));
  if (problems.length > 0) console.log(`\nFailures:\n${problems.join("\n")}`);
}

const options = readOptions();
mkdirSync(BUILD, { recursive: true });
const results: RuntimeResult[] = [];
for (const runtime of options.runtimes) results.push(await runRuntime(runtime, options));
printTable(results);
const sum = (name: keyof Counts): number => results.reduce((total, result) => total + result[name], 0);
console.log(`\n${sum("passed")} passed, ${sum("failed")} failed`);
process.exitCode = sum("failed") > 0 ? 1 : 0;
