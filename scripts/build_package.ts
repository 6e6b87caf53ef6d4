// Builds the npm package into npm/ with tsc, and packs it. The published package is meant to come from
// scripts/build_npm.ts (dnt), which needs JSR; this one needs nothing but npm, has the same `exports`, and is what the
// tests run against on Node 20 and what publint and attw look at.
//
//   mod.ts, src/**  ──tsc──▶  npm/esm/mod.js, mod.d.ts, src/**
//   package.json    ───────▶  npm/package.json (exports of the built files, no tooling)

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
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

/** The JavaScript or declaration file that tsc makes of an export of the source checkout. */
function built(source: string, extension: string): string {
  return source.replace(/^\.\//, "./esm/").replace(/\.ts$/, extension);
}

/** The package.json of the published package. */
export function packageManifest(): Record<string, unknown> {
  const root = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const exports: Record<string, unknown> = {};
  for (const [name, source] of Object.entries(root.exports as Record<string, string>)) {
    exports[name] = { types: built(source, ".d.ts"), default: built(source, ".js") };
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
    sideEffects: [built(root.exports["./worker"], ".js")],
    exports,
    engines,
  };
}

/** Builds the package into npm/. */
export async function buildPackage(): Promise<void> {
  rmSync(PACKAGE, { recursive: true, force: true });
  await compile("package", ["mod.ts", "src"], {
    declaration: true,
    isolatedDeclarations: true,
    noEmitOnError: true,
    outDir: join(PACKAGE, "esm"),
  });
  rewriteDeclarations(join(PACKAGE, "esm"));
  writeFileSync(join(PACKAGE, "package.json"), JSON.stringify(packageManifest(), null, 2) + "\n");
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) {
    if (existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(PACKAGE, name));
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
