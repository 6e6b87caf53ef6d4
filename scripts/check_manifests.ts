// Keeps the manifests equal. `deno publish` ignores jsr.json where a deno.json exists, npm reads neither, and a version or
// an export that was changed in one of three files is published wrong without a word. Run by `npm run check`.
//
//   node scripts/check_manifests.ts [ROOT]

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

type Json = Record<string, unknown>;

function readJson(root: string, name: string): Json {
  return JSON.parse(readFileSync(join(root, name), "utf8")) as Json;
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}

/** Checks the checkout at `root` and returns one sentence per disagreement. */
export function checkManifests(root: string): string[] {
  const problems: string[] = [];
  const npm = readJson(root, "package.json");
  const deno = readJson(root, "deno.json");
  const jsr = readJson(root, "jsr.json");

  for (const field of ["name", "version", "license", "exports"]) {
    for (const [file, manifest] of [["deno.json", deno], ["jsr.json", jsr]] as const) {
      if (isDeepStrictEqual(manifest[field], npm[field])) continue;
      problems.push(`${field}: ${file} has ${show(manifest[field])}, package.json ${show(npm[field])}`);
    }
  }
  if (!isDeepStrictEqual(deno["publish"], jsr["publish"])) {
    problems.push(`publish: deno.json has ${show(deno["publish"])}, jsr.json ${show(jsr["publish"])}`);
  }
  for (const [name, path] of Object.entries(npm["exports"] as Record<string, string>)) {
    if (!existsSync(join(root, path))) problems.push(`exports: ${name} is ${path}, which does not exist`);
  }
  checkSelfImport(deno, npm, problems);
  checkTasks(deno, npm, problems);
  checkDependencies(root, npm, problems);
  return problems;
}

/** On Deno the checkout finds itself by the import map, on Node and Bun by `exports`: both must lead to one file. */
function checkSelfImport(deno: Json, npm: Json, problems: string[]): void {
  const mapped = (deno["imports"] as Record<string, string>)[npm["name"] as string];
  const exported = (npm["exports"] as Record<string, string>)["."];
  if (mapped !== exported) {
    problems.push(`imports: deno.json maps the package to ${show(mapped)}, not ${show(exported)}`);
  }
}

/** Each npm script is a task of Deno's, too. A task calls npm: in a task, `node` would mean the npm package's bin. */
function checkTasks(deno: Json, npm: Json, problems: string[]): void {
  const tasks = deno["tasks"] as Record<string, string>;
  const scripts = Object.keys(npm["scripts"] as Json);
  for (const name of new Set([...scripts, ...Object.keys(tasks)])) {
    if (!scripts.includes(name)) problems.push(`tasks: deno.json has "${name}", package.json has no such script`);
    else if (tasks[name] === undefined) problems.push(`tasks: deno.json lacks the script "${name}" of package.json`);
    else if (![`npm ${name} --`, `npm run-script ${name} --`].includes(tasks[name])) {
      problems.push(`tasks: "${name}" in deno.json does not call npm's script: ${tasks[name]}`);
    }
  }
}

/** No dependencies at run time; exact versions of the tools; a lock that agrees and names no registry. */
function checkDependencies(root: string, npm: Json, problems: string[]): void {
  const tools = npm["devDependencies"] as Record<string, string>;
  if (npm["dependencies"] !== undefined) problems.push("dependencies: the package has none at run time");
  for (const [name, version] of Object.entries(tools)) {
    if (!/^(npm:[\w@/.-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
      problems.push(`devDependencies: ${name} is "${version}", not one exact version`);
    }
  }
  const packages = readJson(root, "package-lock.json")["packages"] as Record<string, Json>;
  const locked = packages[""] ?? {};
  for (const field of ["name", "version", "devDependencies", "workspaces", "engines"]) {
    if (isDeepStrictEqual(locked[field], npm[field])) continue;
    problems.push(`package-lock.json: ${field} differs from package.json; run \`npm install\``);
  }
  for (const [path, entry] of Object.entries(packages)) {
    if (/^https?:/.test(String(entry["resolved"] ?? ""))) {
      problems.push(
        `package-lock.json: ${path} names a registry; .npmrc has the setting against it, run \`npm install\``,
      );
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = checkManifests(process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url))));
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? "The manifests agree." : `${problems.length} disagreements.`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
