// Type-checks the packed package from outside, as a user's compiler sees it: its declarations must be whole (every file
// they import is in the tarball) and must ask for no more than a user has, be it the types of Node or those of the DOM.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { BUILD, packageManifest, runTool } from "./build_package.ts";
import { ROOT } from "./runtimes.ts";

const ENVIRONMENTS = [
  { name: "node", lib: ["ESNext"], types: ["node"] },
  { name: "dom", lib: ["ESNext", "DOM"], types: [] },
];

/** Installs the tarball in a project of its own and type-checks every export of it; throws when one fails. */
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
  return `${modules.join(" and ")} type-check with ${ENVIRONMENTS.map(({ name }) => name).join(" and ")}`;
}
