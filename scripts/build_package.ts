// Builds the npm package into npm/ with tsc, and packs it. The published package is meant to come from
// scripts/build_npm.ts (dnt), which needs JSR; this one needs nothing but npm, has the same `exports`, and is what the
// tests run against on Node 20 and what publint and attw look at.
//
//   mod.ts, src/**  ──tsc──▶ npm/esm/*.d.ts and modules ──bundle──▶ npm/esm/manycore.js, worker_main.js and what they share
//   package.json    ───────▶ npm/package.json (exports of the built files, no tooling)
//
// A worker pays for every module file that it loads, 0.3 to 0.4 ms each: 33 files cost Node 26 as much as the whole of a bare
// worker. So the modules are bundled into a few files, which are not minified, for readable stacks.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type OutputAsset, type OutputChunk, rollup } from "@rollup/wasm-node";
import { runProgram } from "./run_program.ts";
import { cleanEnvironment, ROOT } from "./runtimes.ts";

/** Where generated configuration, the packed tarball and the Node 20 tests go; ignored by git. */
export const BUILD: string = join(ROOT, "build");
/** Where the package is built. */
export const PACKAGE: string = join(ROOT, "npm");

/** What the generated configurations share: JavaScript for Node 20, imports of `.ts` rewritten to `.js`. */
const EMIT = {
  noEmit: false,
  allowImportingTsExtensions: false,
  rewriteRelativeImportExtensions: true,
  // Node 20 knows ES2023; a newer target would leave `using` in the output.
  target: "ES2023",
  rootDir: ROOT,
};

/** Runs a tool, and throws with its output when it fails. */
export async function runTool(
  what: string,
  command: string,
  args: readonly string[],
  cwd: string = ROOT,
): Promise<string> {
  const { code, output } = await runProgram(command, args, { cwd, env: cleanEnvironment(), limit: 10 * 60_000 });
  if (code !== 0) throw new Error(`${what} failed with exit code ${code}:\n${output}`);
  return output;
}

/** Compiles with tsc under a configuration made from tsconfig.json and the given changes; paths are the root's. */
export async function compile(
  name: string,
  include: string[],
  compilerOptions: Record<string, unknown>,
  exclude: string[] = [],
): Promise<void> {
  mkdirSync(BUILD, { recursive: true });
  const config = join(BUILD, `tsconfig.${name}.json`);
  writeFileSync(
    config,
    JSON.stringify(
      {
        extends: "../tsconfig.json",
        include: include.map((path) => `../${path}`),
        exclude: exclude.map((path) => `../${path}`),
        compilerOptions: { ...EMIT, ...compilerOptions },
      },
      null,
      2,
    ),
  );
  await runTool(`tsc (${name})`, process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", config]);
}

/** The declarations that tsc makes of an export of the source checkout. */
function declarations(source: string): string {
  return source.replace(/^\.\//, "./esm/").replace(/\.ts$/, ".d.ts");
}

/** The bundle of an export. `src/worker_url.ts` and `src/runtime/stack.ts` know these names. */
function bundled(source: string): string {
  return source === "./mod.ts" ? "./esm/manycore.js" : `./esm/${basename(source, ".ts")}.js`;
}

/** The package.json of the published package. */
export function packageManifest(): Record<string, unknown> {
  const root = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const exports: Record<string, unknown> = {};
  for (const [name, source] of Object.entries(root.exports as Record<string, string>)) {
    exports[name] = { types: declarations(source), default: bundled(source) };
  }
  exports["./package.json"] = "./package.json";
  const { name, version, description, license, author, type, engines } = root;
  return {
    name,
    version,
    description,
    keywords: ["multiprocessing", "worker", "threads", "pool", "parallel", "deno", "bun"],
    license,
    author,
    type,
    // The worker's entry starts a worker when it is loaded; a bundler must not drop or merge it.
    sideEffects: ["./esm/worker_main.js", "./esm/worker_cached.js"],
    exports,
    engines,
  };
}

/** Builds the package into npm/. */
export async function buildPackage(): Promise<void> {
  rmSync(PACKAGE, { recursive: true, force: true });
  const outDir = join(PACKAGE, "esm");
  // Twice: comments belong into the declarations, and not into what every worker reads.
  const declarations = { declaration: true, emitDeclarationOnly: true };
  await compile("declarations", ["mod.ts", "src"], { ...declarations, noEmitOnError: true, outDir });
  await compile("package", ["mod.ts", "src"], { removeComments: true, noEmitOnError: true, outDir });
  rewriteDeclarations(outDir);
  await bundlePackage(outDir);
  writeFileSync(join(PACKAGE, "package.json"), JSON.stringify(packageManifest(), null, 2) + "\n");
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) {
    if (existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(PACKAGE, name));
  }
}

/**
 * Replaces the modules in `folder` by bundles: what `mod.js` exports, the roots of workers, and chunks with what they share, so
 * that a worker whose task imports the library has one copy of it.
 */
export async function bundlePackage(folder: string): Promise<void> {
  const generate = async (roots: Record<string, string>): Promise<(OutputChunk | OutputAsset)[]> => {
    const bundle = await rollup({
      input: Object.fromEntries(Object.entries(roots).map(([name, path]) => [name, join(folder, path)])),
      external: [/^node:/, ...("worker_main" in roots ? [] : [/worker_main/])],
      onLog(_level, log) {
        // tsc's own helper for `import(url)` says `this` at the top level.
        if (log.code !== "THIS_IS_UNDEFINED") throw new Error(`rollup: ${log.message}`);
      },
    });
    const { output } = await bundle.generate({
      format: "es",
      entryFileNames: "[name].js",
      chunkFileNames: "manycore-[hash].js",
      minifyInternalExports: false,
    });
    return output;
  };
  const output = [
    ...await generate({ manycore: "mod.js", worker_main: "src/worker_main.js" }),
    // By itself: it switches the compile cache on, and what it imports is loaded before that.
    ...await generate({ worker_cached: "src/worker_cached.js" }),
  ];
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".js")) rmSync(join(folder, name));
  }
  for (const file of output) {
    writeFileSync(join(folder, file.fileName), file.type === "chunk" ? file.code : file.source);
  }
}

/** tsc rewrites the extensions in JavaScript only; a consumer's compiler wants `.js` in declarations, too. */
function rewriteDeclarations(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".d.ts")) continue;
    const path = join(folder, name);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replace(/((?:\bfrom|\bimport)\s*\(?\s*["']\.{1,2}\/[^"'\n]+)\.ts(["'])/g, "$1.js$2"));
  }
}

/** Packs npm/ into a tarball in build/ and resolves to its path. */
export async function packPackage(): Promise<string> {
  mkdirSync(BUILD, { recursive: true });
  const output = await runTool("npm pack", "npm", ["pack", "--silent", "--pack-destination", BUILD], PACKAGE);
  const name = output.trim().split(/\s+/).findLast((word) => word.endsWith(".tgz"));
  if (name === undefined) throw new Error(`npm pack named no tarball:\n${output}`);
  return join(BUILD, name);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildPackage();
  console.log(`Built ${PACKAGE}\nPacked ${await packPackage()}`);
}
