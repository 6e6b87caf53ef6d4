/**
 * How a worker finds the function of a task (the other half of `reference.ts`).
 *
 * A plain function is looked for among the exports of the modules that its reference names, and of those from which they
 * import it. An export matches when its
 * source text and its name are those of the function. DESIGN asked for the text alone: but `makeAdder(2)` has the text
 * of the export `addOne = makeAdder(1)`, and the wrong one of them would give wrong results without a word. What
 * matches nothing is compiled from its text, and sees only its own arguments.
 * @module
 */
import { BootstrapError, TaskResolutionError } from "../errors.ts";
import { runtime } from "../runtime/current.ts";
import { displayUrl } from "../runtime/stack.ts";
import { importModule } from "./bootstrap.ts";
import { type TaskClass, taskCountOf, type TaskFunction, taskOfModule, type TaskReference } from "./reference.ts";

/** A function that a worker can call. */
export interface ResolvedTask {
  /** The function. */
  readonly call: (...args: readonly unknown[]) => unknown;
  /** Its name, for messages. */
  readonly name: string;
  /** Whether it was compiled from its source text. */
  readonly fromSource: boolean;
}

/** The tasks that a worker knows, by the numbers of their references. */
export class TaskTable {
  readonly #known = new Map<number, ResolvedTask | Promise<ResolvedTask>>();

  /** Starts to resolve a reference; a failure is kept, and met by {@linkcode TaskTable.get}. */
  learn(reference: TaskReference): void {
    if (this.#known.has(reference.id)) return;
    const promise = resolveTask(reference);
    promise.then((resolved) => this.#known.set(reference.id, resolved), () => {});
    this.#known.set(reference.id, promise);
  }

  /** The task with that number: itself once it is known, so that nothing has to be awaited then; undefined before its reference came. */
  find(id: number): ResolvedTask | Promise<ResolvedTask> | undefined {
    return this.#known.get(id);
  }
}

/** Finds the function of a reference. @throws {TaskResolutionError | BootstrapError} when it cannot be had. */
export async function resolveTask(reference: TaskReference): Promise<ResolvedTask> {
  switch (reference.kind) {
    case "task":
      return named(await taskFunction(reference), reference.name);
    case "export":
      return named(await exportedFunction(reference), reference.name);
    case "function": {
      const found = await findExport(reference);
      return found === undefined
        ? { call: compile(reference), name: reference.name, fromSource: true }
        : named(found, reference.name);
    }
  }
}

function named(fn: TaskFunction, name: string): ResolvedTask {
  return { call: fn as ResolvedTask["call"], name, fromSource: false };
}

async function load(module: string, wanted: string): Promise<Record<string, unknown>> {
  try {
    return await importModule(module);
  } catch (error) {
    // By its name: a bundle and its worker have a class each.
    if (error instanceof Error && error.name === BootstrapError.prototype.name) throw error;
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new TaskResolutionError(
      `Cannot import ${displayUrl(module)} in the worker, to find ${wanted} in it: ${reason}`,
      { cause: error },
    );
  }
}

async function taskFunction(reference: TaskReference & { kind: "task" }): Promise<TaskFunction> {
  const { module, site, index, name } = reference;
  const [line = ""] = site.split(":");
  const label = name === "" ? `the task of line ${line}` : name;
  // A task is one of those that the module names when it is imported. What it names later, from inside a function, may
  // come in another order here.
  let count = importedTasks.get(module);
  if (count === undefined) {
    await load(module, label);
    count = importedTasks.get(module) ?? taskCountOf(module);
    importedTasks.set(module, count);
  }
  const fn = taskOfModule(module, site, index, count);
  if (fn === undefined || fn.toString() !== reference.source) {
    throw new TaskResolutionError(
      `Cannot find ${label} in ${displayUrl(module)}: its task() call${line === "" ? "" : ` in line ${line}`} ` +
        `${fn === undefined ? "was not made when the worker imported the module" : "names another function here"}. ` +
        `Call task(import.meta, …) at the top level of the module, the same way every time, outside the main guard and ` +
        `outside functions.`,
    );
  }
  return fn;
}

const importedTasks = new Map<string, number>();

async function exportedFunction(reference: TaskReference & { kind: "export" }): Promise<TaskFunction> {
  const exports = await load(reference.module, reference.name);
  const fn = exports[reference.name];
  if (typeof fn === "function") return fn as TaskFunction;
  const names = Object.keys(exports).filter((name) => typeof exports[name] === "function");
  throw new TaskResolutionError(
    `${displayUrl(reference.module)} exports ${
      Object.hasOwn(exports, reference.name) ? `${reference.name}, but it is no function` : `no ${reference.name}`
    }; its functions are: ${names.join(", ") || "none"}.`,
  );
}

/**
 * Looks where the module that called us has the function from, by its import statements, then among the exports of that
 * module and of the main module. A function that was imported needs no main guard where it is used.
 *
 * All of them are asked, and not the first that has a match: two modules may have a function of the same name and text, and the wrong
 * one would give wrong results without a word. What is handed on by `export … from` is one function.
 */
async function findExport(reference: TaskReference & { kind: "function" }): Promise<TaskFunction | undefined> {
  const { name, modules } = reference;
  const found = new Map<TaskFunction, string>();
  const imported = new Set(modules.flatMap((module) => importsOf(module, name)));
  for (const module of new Set([...imported, ...modules])) {
    // To load one more module is not free, and it may lack a main guard.
    if (found.size > 0 && !mayHave(module, name, imported.has(module))) continue;
    const exports = await load(module, name);
    for (const fn of exportsLike(reference, exports)) if (!found.has(fn)) found.set(fn, module);
  }
  const [match] = found;
  if (match === undefined) return undefined;
  if (found.size > 1 || reference.second === true) refuseTwins(found, name);
  const [fn, module] = match;
  assertNotMade(module, name);
  return fn;
}

/** The exports of a module that have the name and the text of a function. */
function exportsLike(
  { name, source }: TaskReference & { kind: "function" },
  exports: Record<string, unknown>,
): Set<TaskFunction> {
  const matches = new Set<TaskFunction>();
  // CommonJS modules have what they export in `default` as well.
  for (const from of [exports, exports["default"]]) {
    if (typeof from !== "object" || from === null) continue;
    for (const [key, value] of Object.entries(from)) {
      if (typeof value !== "function" || Function.prototype.toString.call(value) !== source) continue;
      if (value.name === name && (key === name || key === "default")) matches.add(value as TaskFunction);
    }
  }
  return matches;
}

/** Whether the text of a module says that it may export a function of that name: one that it imports itself is another module's. */
function mayHave(module: string, name: string, imported: boolean): boolean {
  const text = moduleText(module);
  if (text === undefined || !/^[\w$]+$/.test(name)) return true;
  const escaped = name.replaceAll("$", "\\$");
  if (imported) return new RegExp(`(?<![\\w$])${escaped}(?![\\w$])|\\bexport\\s*\\*`).test(text);
  const declared =
    `^(?:export\\s+(?:default\\s+)?)?(?:async\\s+)?(?:function|class|const|let|var)\\s+${escaped}(?![\\w$])`;
  return new RegExp(declared, "m").test(text);
}

/** @throws {TaskResolutionError} always: it cannot be seen which one was meant. */
function refuseTwins(found: ReadonlyMap<TaskFunction, string>, name: string): never {
  const modules = [...new Set(found.values())].map(displayUrl);
  const where = modules.length > 1
    ? `${modules.slice(0, -1).join(", ")} and ${
      modules.at(-1)
    } each export a function named ${name} with the same source text`
    : found.size > 1
    ? `${modules[0]} exports ${found.size} functions named ${name} with the same source text`
    : `${
      modules[0]
    } exports a function named ${name}, and another one with the same name and source text was given to a pool too`;
  throw new TaskResolutionError(
    `${where}: name the one you mean with task(import.meta, ${name}), in the module that defines it.`,
  );
}

/**
 * `export const product = make(2)` looks like every other function that `make` makes: which one was meant cannot be seen.
 * @throws {TaskResolutionError} when the text of the module says that the export is the result of a call
 */
function assertNotMade(module: string, name: string): void {
  if (!/^[\w$]+$/.test(name)) return;
  const escaped = name.replaceAll("$", "\\$");
  const made = new RegExp(`\\b(?:const|let|var)\\s+${escaped}\\s*(?::[^=\\n]+)?=\\s*(?:await\\s+)?[\\w$.]+\\s*\\(`);
  if (!made.test(moduleText(module) ?? "")) return;
  throw new TaskResolutionError(
    `${name} of ${displayUrl(module)} is made by a call, and all functions that it makes look the same: ` +
      `name the one you mean with task(import.meta, …) where it is made.`,
  );
}

/** The text of a module in a file, if it may be read. */
function moduleText(module: string): string | undefined {
  try {
    return module.startsWith("file:") ? runtime.readTextFile(new URL(module)) : undefined;
  } catch {
    return undefined;
  }
}

/** The modules, by relative path, from which a module imports something that may be `name`. Text, not syntax: it only guides. */
function importsOf(module: string, name: string): string[] {
  const found: string[] = [];
  // import { a as b }, c, * as d from "./e.ts"
  const statement = /\bimport\s+(?!type\b)([\w$\s{},*]+?)\s*from\s*["'](\.{1,2}\/[^"'\n]+)["']/g;
  for (const [, clause = "", path = ""] of moduleText(module)?.matchAll(statement) ?? []) {
    const names: readonly string[] = clause.match(/[\w$]+/g) ?? [];
    const wholeModule = !clause.trimStart().startsWith("{");
    if (wholeModule || names.includes(name)) found.push(new URL(path, module).href);
  }
  return found;
}

/** Finds the class of a reference. @throws {TaskResolutionError | BootstrapError} when it cannot be had. */
export async function resolveClass(reference: TaskReference): Promise<TaskClass> {
  const found = reference.kind === "function" ? await findExport(reference) : undefined;
  if (found !== undefined) return found as unknown as TaskClass;
  throw new TaskResolutionError(
    `Cannot find the class ${
      reference.name || "of the process"
    } in the worker: export it, under its own name, from the ` +
      `module that makes it or from the main module.`,
  );
}

function compile(reference: TaskReference & { kind: "function" }): ResolvedTask["call"] {
  const { source, name } = reference;
  try {
    return evaluate(`(${source}\n)`) as ResolvedTask["call"];
  } catch (error) {
    // The text of a method, `double(n) { … }`, is one only inside an object.
    try {
      const methods = evaluate(`({${source}\n})`) as Record<string, ResolvedTask["call"]>;
      const method = Object.values(methods)[0];
      if (typeof method === "function") return method;
    } catch {
      // The first message is the one that fits.
    }
    throw new TaskResolutionError(
      `Cannot compile ${name || "the function"} from its source text: ${
        error instanceof Error ? error.message : error
      }. ` +
        mends(name),
      { cause: error },
    );
  }
}

function evaluate(expression: string): unknown {
  // Modules are strict, and so is what came out of one.
  return new Function(`"use strict"; return ${expression}`)();
}

function mends(name: string): string {
  const fn = name || "fn";
  return `It was found in no module's exports, so its source text was sent, and that sees only its own arguments. ` +
    `Export it from the module that gives it to the pool, or name it there: const ${fn} = task(import.meta, …).`;
}

/** An error of a function from source text that says that it missed a variable: as the error that tells the mend. */
export function explainMissing(thrown: unknown, task: ResolvedTask): unknown {
  if (!task.fromSource || !(thrown instanceof ReferenceError)) return thrown;
  // V8: "factor is not defined"; JSC: "Can't find variable: factor".
  const name = /^([\p{ID_Start}$_][\p{ID_Continue}$]*) is not defined|variable: (\S+)/u.exec(thrown.message);
  const missing = name?.[1] ?? name?.[2];
  if (missing === undefined || missing in globalThis) return thrown;
  return new TaskResolutionError(
    `${task.name || "The function"} uses ${missing}, which does not exist in the worker. ${mends(task.name)}`,
    { cause: thrown },
  );
}
