// `npm run check`: everything about the checkout that can be judged without running the tests. Each step says "ok" or
// "FAILED" with what it found; nothing needs a network. The last line is "N passed, N failed".
//
//   --only format,lint    some steps        --list    their names

import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { buildPackage, packPackage, runTool } from "./build_package.ts";
import { checkConsumer } from "./consumer.ts";
import { ROOT, selectRuntimes } from "./runtimes.ts";

interface Step {
  readonly name: string;
  readonly what: string;
  /** Throws, with what was found, when the check fails. */
  run(): Promise<unknown>;
}

const [deno] = selectRuntimes("deno");

function denoStep(name: string, what: string, ...args: string[]): Step {
  return { name, what, run: () => runTool(`deno ${args[0]}`, deno!.executable, args) };
}

/** A step that runs a JavaScript tool or one of our scripts under this Node. */
function nodeStep(name: string, what: string, file: string, ...args: string[]): Step {
  return {
    name,
    what,
    run: () => runTool(file, process.execPath, ["--disable-warning=ExperimentalWarning", join(ROOT, file), ...args]),
  };
}

let packing: Promise<string> | undefined;

/** Builds and packs the package once for all steps that look at it. */
function packed(): Promise<string> {
  packing ??= buildPackage().then(packPackage);
  return packing;
}

/** The folders of TypeScript that exist; Deno refuses to check one that does not. */
function existing(...paths: string[]): string[] {
  return paths.filter((path) => existsSync(join(ROOT, path)));
}

const STEPS: readonly Step[] = [
  denoStep("format", "deno fmt", "fmt", "--check"),
  denoStep("lint", "deno lint", "lint"),
  nodeStep("tsc", "types, by TypeScript", "node_modules/typescript/bin/tsc", "-p", "."),
  denoStep("deno-check", "types, by Deno", "check"),
  nodeStep("layers", "rooms, imports and words of runtimes", "scripts/check_layers.ts"),
  nodeStep("manifests", "deno.json, jsr.json, package.json, lock", "scripts/check_manifests.ts"),
  nodeStep("docs", "links and code blocks of the documents", "scripts/check_docs.ts"),
  denoStep("readme", "types of the README's programs", "check", "--doc-only", "README.md"),
  denoStep("examples", "types of the @examples", "check", "--doc", ...existing("mod.ts", "src")),
  denoStep("doc-lint", "documentation of every export", "doc", "--lint", "mod.ts"),
  denoStep("publish", "what JSR would say", "publish", "--dry-run", "--allow-dirty"),
  { name: "package", what: "the npm package builds and packs", run: packed },
  { name: "consumer", what: "its types and a program, from outside", run: async () => checkConsumer(await packed()) },
  {
    name: "publint",
    what: "its manifest",
    run: async () => nodeStep("", "", "node_modules/publint/src/cli.js", await packed(), "--strict").run(),
  },
  {
    name: "attw",
    what: "how its types resolve",
    run: async () => {
      const file = "node_modules/@arethetypeswrong/cli/dist/index.js";
      await nodeStep("", "", file, "--profile", "esm-only", await packed()).run();
    },
  },
];

/** Deno's documentation tools complain that they do not find the parts of @types/node; nothing of ours depends on it. */
function withoutNoise(text: string): string {
  return text.replace(/^Warning Failed resolving types\. Could not find package .*\n {4}at .*@types\/node.*\n/gm, "");
}

function selectSteps(): readonly Step[] {
  const { values } = parseArgs({ options: { only: { type: "string" }, list: { type: "boolean" } } });
  if (values.list) {
    for (const { name, what } of STEPS) console.log(`${name.padEnd(12)}${what}`);
    process.exit(0);
  }
  if (values.only === undefined) return STEPS;
  return values.only.split(",").map((name) => {
    const step = STEPS.find((step) => step.name === name.trim());
    if (step === undefined) throw new RangeError(`Unknown check "${name}"; \`npm run check -- --list\` names them`);
    return step;
  });
}

const steps = selectSteps();
const failed: string[] = [];
for (const { name, what, run } of steps) {
  const started = Date.now();
  let problem: string | null = null;
  try {
    await run();
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`${problem === null ? "ok    " : "FAILED"}  ${name.padEnd(12)}${what} (${seconds} s)`);
  if (problem === null) continue;
  failed.push(name);
  console.log(withoutNoise(problem).trimEnd().replace(/^/gm, "        "));
}
if (failed.length > 0) console.log(`\nFAILED: ${failed.join(", ")}`);
console.log(`\n${steps.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 ? 1 : 0;
