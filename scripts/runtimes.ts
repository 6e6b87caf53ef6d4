// The one table of the runtimes this project runs on. The test run, the tour of `npm start` and the benchmarks take
// their executables and arguments from here, so that a runtime is added or bumped in one place (and in package.json).
//
// The executables are the binaries themselves, not the shims in node_modules/.bin: a shim costs a start of Node and keeps
// signals to itself, and under `deno task` a name such as `node` or `deno` means "run that npm package's bin as
// JavaScript", which it is not.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The checkout's root folder. */
export const ROOT: string = dirname(dirname(fileURLToPath(import.meta.url)));

const MODULES = join(ROOT, "node_modules");
const WINDOWS = process.platform === "win32";

const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  devDependencies: Record<string, string>;
};

/** The pinned version behind a devDependency: "npm:node@24.21.0" is 24.21.0. */
function pinned(dependency: string): string {
  return devDependencies[dependency]!.replace(/^npm:.*@/, "");
}

/** The short name by which commands select a runtime. */
export type RuntimeName = "deno" | "bun" | "node22" | "node24" | "node26" | "node20";

/** One runtime: where it is, and how it runs a program and a test file. */
export interface Runtime {
  readonly name: RuntimeName;
  /** For tables and headers: "Node 26.10.0". */
  readonly label: string;
  readonly executable: string;
  /** Runs TypeScript from the checkout. Node 20 does not: it gets the built package and compiled tests. */
  readonly runsTypeScript: boolean;
  /** The arguments that run the program `file`; the program's own arguments follow. */
  runArguments(file: string): string[];
  /** The arguments that run the test file `file`; `report` is where a machine-readable report may go (Deno only). */
  testArguments(file: string, report: string): string[];
}

function firstExisting(...candidates: string[]): string {
  return candidates.find((candidate) => existsSync(candidate)) ?? candidates[0]!;
}

function nodeRuntime(alias: string, name: RuntimeName): Runtime {
  const executable = join(MODULES, alias, "bin", WINDOWS ? "node.exe" : "node");
  // Node 22 warns that it strips types; the flag is new in Node 21.
  const quiet = name === "node20" ? [] : ["--disable-warning=ExperimentalWarning"];
  return {
    name,
    label: `Node ${pinned(alias)}`,
    executable,
    runsTypeScript: name !== "node20",
    runArguments: (file) => [...quiet, file],
    // Not `node --test`: its children report through their standard output, where the output of workers and of processes
    // that a test starts can damage the report. The file itself runs its tests just as well, one process per file.
    testArguments: (file) => [...quiet, "--test-reporter=spec", file],
  };
}

const DENO: Runtime = {
  name: "deno",
  label: `Deno ${pinned("deno")}`,
  executable: firstExisting(
    join(MODULES, "deno", WINDOWS ? "deno.exe" : "deno"),
    join(MODULES, ".bin", WINDOWS ? "deno.cmd" : "deno"),
  ),
  runsTypeScript: true,
  runArguments: (file) => ["run", "-A", file],
  // Type-checking the graph of every worker costs seconds; `npm run check` does it once.
  testArguments: (file, report) => ["test", "-A", "--no-check", `--junit-path=${report}`, file],
};

const BUN: Runtime = {
  name: "bun",
  label: `Bun ${pinned("bun")}`,
  executable: firstExisting(
    join(MODULES, "bun", "bin", "bun.exe"), // the name on every platform
    join(MODULES, ".bin", WINDOWS ? "bun.cmd" : "bun"),
  ),
  runsTypeScript: true,
  runArguments: (file) => ["run", file],
  testArguments: (file) => ["test", file],
};

/** All runtimes, in the order in which the tests run. */
export const RUNTIMES: readonly Runtime[] = [
  DENO,
  BUN,
  nodeRuntime("node", "node26"),
  nodeRuntime("node24", "node24"),
  nodeRuntime("node22", "node22"),
  nodeRuntime("node20", "node20"),
];

/** Looks up runtimes by the names a user gave, such as "deno,bun"; "node" means the newest Node. */
export function selectRuntimes(names: string): Runtime[] {
  return names.split(",").map((name) => name.trim()).filter((name) => name !== "").map((name) => {
    const found = RUNTIMES.find((runtime) => runtime.name === (name === "node" ? "node26" : name));
    if (found === undefined) {
      throw new RangeError(`Unknown runtime "${name}": use ${RUNTIMES.map((runtime) => runtime.name).join(", ")}`);
    }
    return found;
  });
}

/**
 * The environment for a program under test: the caller's, without what npm, Bun and editors put in for their own
 * scripts and without what would change how a runtime behaves or colours its output.
 */
export function cleanEnvironment(additions: Record<string, string> = {}): Record<string, string> {
  const noise =
    /^(npm_.*|INIT_CWD|NODE_OPTIONS|NODE_TEST_CONTEXT|NODE_CHANNEL_.*|BUN_OPTIONS|FORCE_COLOR|CLICOLOR.*)$/i;
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !noise.test(name)) env[name] = value;
  }
  return { ...env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...additions };
}
