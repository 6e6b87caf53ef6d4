// Looks at the packed package from outside. Its declarations must be whole (every file they import is in the tarball) and
// must ask for no more than a user has, be it the types of Node or those of the DOM. And a program that has nothing else
// must run with it on every runtime: what is packed are bundles, which no other test loads.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { BUILD, packageManifest, runTool } from "./build_package.ts";
import { ROOT, selectRuntimes } from "./runtimes.ts";

const ENVIRONMENTS = [
  { name: "node", lib: ["ESNext"], types: ["node"] },
  { name: "dom", lib: ["ESNext", "DOM"], types: [] },
];

/** A worker finds an exported function, one that it gets as text, shared objects, and names the culprit of an error. */
const PROGRAM = `
import { Lock, Pool, Process, Value, isMain } from "@manycore/multiprocessing";
import { addTo } from "./tasks.mjs";

export const square = (n) => n * n;

if (isMain(import.meta)) {
  const pool = new Pool(2);
  const squares = await pool.map(square, [1, 2, 3]);
  const total = new Value("int32", 0);
  const lock = new Lock();
  await pool.map((x) => x + 1, [1]);
  const process = new Process(addTo, [total, lock, 5]);
  process.start();
  await pool.apply(addTo, [total, lock, 37]);
  await process.join();
  let refused;
  try {
    await pool.apply(square, [() => 1]);
  } catch (error) {
    refused = error.path;
  }
  await pool.close();
  await pool.join();
  console.log(squares.join(), total.value, refused);
}
`;
const TASKS = `
export function addTo(total, lock, n) {
  lock.runSync(() => { total.value += n; });
}
`;
const SAYS = "1,4,9 42 args[0]";

/** Installs the tarball in a project of its own, type-checks every export of it and runs a program; throws when one fails. */
export async function checkConsumer(tarball: string): Promise<string> {
  const folder = join(BUILD, "consumer");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const write = (name: string, value: unknown): void =>
    writeFileSync(join(folder, name), JSON.stringify(value, null, 2));

  write("package.json", { name: "consumer", private: true, type: "module" });
  const install = ["install", "--offline", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", tarball];
  await runTool("npm install (the packed package)", "npm", install, folder);

  const { name, exports } = packageManifest() as { name: string; exports: Record<string, unknown> };
  const modules = Object.keys(exports).filter((path) => !path.endsWith(".json")).map((path) => name + path.slice(1));
  const lines = modules.map((module, n) =>
    `import type * as m${n} from "${module}";\nexport type M${n} = typeof m${n};\n`
  );
  writeFileSync(join(folder, "consumer.ts"), lines.join(""));

  for (const { name: environment, lib, types } of ENVIRONMENTS) {
    const compilerOptions = {
      target: "ESNext",
      module: "NodeNext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
      lib,
      types,
    };
    write(`tsconfig.${environment}.json`, { compilerOptions, files: ["consumer.ts"] });
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    await runTool(
      `tsc with the types of ${environment}`,
      process.execPath,
      [tsc, "-p", `tsconfig.${environment}.json`],
      folder,
    );
  }

  write("package.json", { name: "consumer", private: true, type: "module", dependencies: { [name]: "*" } });
  writeFileSync(join(folder, "program.mjs"), PROGRAM);
  writeFileSync(join(folder, "tasks.mjs"), TASKS);
  const runtimes = selectRuntimes("deno,bun,node20,node22,node24,node26");
  for (const runtime of runtimes) {
    const args = runtime.runArguments("program.mjs");
    const output = await runTool(runtime.label, runtime.executable, args, folder);
    if (output.trim() !== SAYS) throw new Error(`On ${runtime.label} the program says:\n${output}\ninstead of ${SAYS}`);
  }
  return `${modules.join(" and ")} type-check with ${ENVIRONMENTS.map(({ name }) => name).join(" and ")}, and run on ` +
    runtimes.map(({ label }) => label).join(", ");
}
