// Prepares the run on Node 20, which reads no TypeScript: the package is built, packed and installed as a user would
// install it, and the tests and examples are compiled to JavaScript beside it.
//
//   build/node20/package.json                               a project of its own, so that no name leads back here
//   build/node20/node_modules/@manycore/multiprocessing/    from the tarball
//   build/node20/node_modules/@std/assert/                  a copy of tools/std-assert
//   build/node20/{tests,examples}/**                        compiled; other files are copied
//   build/node20/{mod.js,src/**}                            compiled, for tests that import ../src/… directly

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, sep } from "node:path";
import { BUILD, buildPackage, compile, packPackage, runTool } from "./build_package.ts";
import { ROOT } from "./runtimes.ts";

/** What is compiled, as far as it exists. The tooling's own tests need the checkout and stay out. */
const SOURCES = ["mod.ts", "src", "tests", "examples"];
const TOOLING = ["tests/scripts", "tests/bench"];
const LEFT_OUT = TOOLING.map((path) => join(ROOT, path));

/** Builds build/node20 anew and resolves to its path. */
export async function prepareNode20(): Promise<string> {
  const folder = join(BUILD, "node20");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "node20-tests", private: true, type: "module" }, null, 2) + "\n",
  );

  await buildPackage();
  const tarball = await packPackage();
  await runTool(
    "npm install (the packed package)",
    "npm",
    ["install", "--offline", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", tarball],
    folder,
  );
  cpSync(join(ROOT, "tools", "std-assert"), join(folder, "node_modules", "@std", "assert"), { recursive: true });

  const sources = SOURCES.filter((path) => existsSync(join(ROOT, path)));
  await compile("node20", sources, { outDir: folder, noCheck: true }, TOOLING);
  for (const path of sources) {
    cpSync(join(ROOT, path), join(folder, path), {
      recursive: true,
      filter: (source) =>
        !LEFT_OUT.some((out) => `${source}${sep}`.startsWith(`${out}${sep}`)) &&
        (statSync(source).isDirectory() || !source.endsWith(".ts")),
    });
  }
  const kit = join(folder, "tests", "one_copy_kit");
  cpSync(join(folder, "tests", "kit"), kit, { recursive: true });
  useOneCopy(kit);
  useOneCopy(join(folder, "tests", "channel"));
  return folder;
}

/**
 * The tests of queues and pipes start threads by the library's inner parts, and count what is under way: they, and the kit that they
 * use, must have one copy of the library, the compiled one. The other tests have the package.
 */
function useOneCopy(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!name.endsWith(".js")) continue;
    const text = readFileSync(path, "utf8").replaceAll('"@manycore/multiprocessing"', '"../../mod.js"');
    writeFileSync(path, text.replaceAll("../kit/", "../one_copy_kit/"));
  }
}
