// Keeps the architecture true: which room may import which, and where the words of a runtime or of shared memory may
// stand (DESIGN.md section 4, ARCHITECTURE.md). Run by `npm run check`; its own test is tests/scripts/check_layers_test.ts.
//
//   node scripts/check_layers.ts [ROOT]

import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findImports, scanSource, type SourceText } from "./source_text.ts";

/** The rooms of src/, lowest first. Rooms of one layer do not import one another. */
const LAYERS: readonly (readonly string[])[] = [
  ["errors", "worker_url"],
  ["runtime", "memory"],
  ["transport", "tasks"],
  ["sync"],
  ["shared", "channel"],
  ["handle_types"],
  ["process"],
  ["pool"],
  ["executor", "actor", "manager"],
  ["distributed"],
  ["cli"],
];
/** The child's root: it may import everything below the command, and nothing imports it (it is started by URL). */
const WORKER_MAIN = "src/worker_main.ts";
/** Node's form of it, which loads it. */
const WORKER_CACHED = "src/worker_cached.ts";
const ROOTS: readonly string[] = [WORKER_MAIN, WORKER_CACHED];
const ATOMICS = "src/memory/atomics.ts";
const ADAPTERS = ["src/runtime/deno.ts", "src/runtime/bun.ts", "src/runtime/node.ts"];
/** The rooms that may know a runtime. */
const RUNTIME_ROOMS = ["runtime", "cli"];
/** The rooms that may have dependencies. */
const DEPENDENT_ROOMS = ["distributed", "cli"];

/** One broken rule. */
export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

interface SourceFile extends SourceText {
  readonly path: string;
  readonly room: string;
  /** Imported files of this project, with the line of the import. */
  readonly targets: Map<string, number>;
}

/** src/errors.ts is the room "errors", src/pool/result.ts the room "pool". */
function roomOf(path: string): string {
  return path.replace(/^src\//, "").replace(/(\/.*|\.ts)$/, "");
}

function layerOf(room: string): number {
  return LAYERS.findIndex((rooms) => rooms.includes(room));
}

function describeLayer(room: string): string {
  return `${room} (layer ${layerOf(room)})`;
}

/** Checks the checkout at `root` and returns every broken rule, by file and line. */
export function checkLayers(root: string): Violation[] {
  const violations: Violation[] = [];
  const report = (file: SourceFile, position: number, message: string): void => {
    violations.push({ file: file.path, line: file.lineOf(position), message });
  };

  const files = readSources(root, "src/**/*.ts");
  if (files.length === 0) return [{ file: "src", line: 1, message: "holds no source file: nothing was checked" }];
  for (const file of files) {
    if (!ROOTS.includes(file.path) && layerOf(file.room) < 0) {
      report(
        file,
        0,
        `the room "${file.room}" has no layer; give it one in scripts/check_layers.ts and ARCHITECTURE.md`,
      );
      continue;
    }
    checkImports(root, file, report);
    checkWords(file, report);
  }
  for (const file of readSources(root, "{src,tests,examples}/**/*.ts")) {
    findWords(
      file,
      /\busing\s+[\w$]+\s*(?=[=:]|of\b)/g,
      (position) => report(file, position, "Node 22 cannot parse `using`; use try … finally or the callback form"),
    );
  }
  for (const file of readSources(root, "mod.ts")) checkReexports(file, report);
  return [...violations, ...findCycles(files)].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

type Report = (file: SourceFile, position: number, message: string) => void;

function readSources(root: string, pattern: string): SourceFile[] {
  return globSync(pattern, { cwd: root }).map((path) => path.replaceAll("\\", "/")).sort().map((path) => ({
    ...scanSource(readFileSync(join(root, path), "utf8")),
    path,
    room: roomOf(path),
    targets: new Map(),
  }));
}

function checkImports(root: string, file: SourceFile, report: Report): void {
  for (const { specifier, position } of findImports(file)) {
    if (specifier.startsWith("node:")) continue; // checkWords looks at every such string
    if (!specifier.startsWith(".")) {
      if (!DEPENDENT_ROOMS.includes(file.room)) {
        report(file, position, `imports "${specifier}": the core has no dependencies, and itself it imports by path`);
      }
      continue;
    }
    const target = posix.join(posix.dirname(file.path), specifier);
    if (!existsSync(join(root, target))) report(file, position, `imports ${target}, which does not exist`);
    else if (!target.startsWith("src/")) report(file, position, `imports ${target}, which is outside src/`);
    else {
      if (!file.targets.has(target)) file.targets.set(target, file.lineOf(position));
      const problem = judgeImport(file, target);
      if (problem !== null) report(file, position, problem);
    }
  }
}

function judgeImport(file: SourceFile, target: string): string | null {
  const room = roomOf(target);
  if (file.path === WORKER_CACHED && target === WORKER_MAIN) return null;
  if (ROOTS.includes(target)) return `imports ${target}: a child's root is started by its URL, never imported`;
  if (ROOTS.includes(file.path)) return room === "cli" ? `imports ${target}: nothing imports the command` : null;
  if (room === file.room) {
    return ADAPTERS.includes(file.path) && ADAPTERS.includes(target)
      ? `imports ${target}: a runtime's adapter imports no sibling`
      : null;
  }
  if (room === "cli") return `imports ${target}: nothing imports the command`;
  const [own, other] = [layerOf(file.room), layerOf(room)];
  if (other < 0 || other < own) return null; // a room without a layer is reported itself
  return other === own
    ? `imports ${target}: ${file.room} and ${room} are of one layer and do not import each other`
    : `imports ${target}: ${describeLayer(room)} lies above ${describeLayer(file.room)}`;
}

/** Calls `found` for each match that stands alone or behind `globalThis.`, not as the name of another thing's member. */
function findWords(file: SourceFile, pattern: RegExp, found: (position: number) => void): void {
  for (const match of file.code.matchAll(pattern)) {
    const before = file.code.slice(0, match.index).trimEnd();
    if (!/[.#]$/.test(before) || /(^|[^.])\.\.\.$|\bglobalThis\s*\??\.$/.test(before)) found(match.index);
  }
}

function checkWords(file: SourceFile, report: Report): void {
  if (!RUNTIME_ROOMS.includes(file.room)) {
    findWords(
      file,
      /(?<![\w$])(Deno|Bun)(?![\w$])/g,
      (position) => report(file, position, "names Deno or Bun: only src/runtime and src/cli know the runtimes"),
    );
    for (const [position, value] of file.strings) {
      if (!value.startsWith("node:")) continue;
      report(file, position, `names "${value}": only src/runtime and src/cli know the runtimes`);
    }
  }
  if (file.path !== ATOMICS) {
    findWords(
      file,
      /(?<![\w$])Atomics(?![\w$])/g,
      (position) => report(file, position, `says Atomics: only ${ATOMICS} does, under names that tell the ordering`),
    );
  }
}

/** What is left of mod.ts without its `export … from` statements must be nothing. */
function checkReexports(file: SourceFile, report: Report): void {
  const reexport = /\bexport\s+(?:type\s+)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^{}]*\})\s*from\s*["'] *["'](?:\s*;)?/g;
  const rest = file.code.replace(reexport, (text) => text.replace(/[^\n]/g, " "));
  const position = rest.search(/[^\s;]/);
  if (position >= 0) report(file, position, "mod.ts re-exports, and does nothing else");
}

/** Walks the imports depth first; an import of a file that is still being walked closes a cycle. */
function findCycles(files: readonly SourceFile[]): Violation[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const trail: string[] = [];
  const violations: Violation[] = [];
  const walk = (path: string): void => {
    trail.push(path);
    for (const [target, line] of byPath.get(path)?.targets ?? []) {
      const start = trail.indexOf(target);
      if (start >= 0) {
        const cycle = [...trail.slice(start), target].join(" → ");
        violations.push({ file: path, line, message: `closes a cycle of imports: ${cycle}` });
      } else if (!done.has(target)) walk(target);
    }
    trail.pop();
    done.add(path);
  };
  for (const { path } of files) if (!done.has(path)) walk(path);
  return violations;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)));
  const violations = checkLayers(root);
  for (const { file, line, message } of violations) console.error(`${file}:${line}: ${message}`);
  console.log(violations.length === 0 ? "The layers hold." : `Broken rules: ${violations.length}.`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
