/**
 * How a function reaches a worker, seen from its host: *a function crosses by name; what has no name crosses as its
 * source text.*
 *
 * ```
 *  task(import.meta, fn)   ─▶ { kind: "task", module, site, index }   the index-th task() call at that place of the module
 *  remote(url).name        ─▶ { kind: "export", module, name }
 *  export function fn      ─▶ { kind: "function", source, name, modules: [caller, main] }    looked for there, see
 *  (x) => x + 1            ─▶ { kind: "function", source, name: "", modules: [] }            resolve.ts
 * ```
 *
 * A function with no name of its own cannot be a module's export (exports get their name), so it is not looked for and
 * needs no main guard. A reference is made once for each function, and has a number by which workers remember it.
 * @module
 */
import { callerModule, callSite, displayUrl } from "../runtime/stack.ts";
import { runtime } from "../runtime/current.ts";
import { sharedState } from "../runtime/shared_state.ts";
import type { ModuleMeta } from "./bootstrap.ts";

/** What a worker needs in order to find a function. */
export type TaskReference =
  & { readonly id: number; readonly name: string }
  & (
    | {
      readonly kind: "task";
      readonly module: string;
      readonly site: string;
      readonly index: number;
      readonly source: string;
    }
    | { readonly kind: "export"; readonly module: string }
    | {
      readonly kind: "function";
      readonly source: string;
      readonly modules: readonly string[];
      /** Whether another function with the same name and text was given before: at most one of them is an export. */
      readonly second?: boolean;
    }
  );

/** Any function that can be a task. */
export type TaskFunction = (...args: never[]) => unknown;

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

const references = sharedState("references", () => new WeakMap<TaskFunction, TaskReference>());
const bySource = new Map<string, TaskReference>();
const numbers = sharedState("task-numbers", () => ({ next: 0 }));

/** Gives a reference its number. */
function numbered(reference: WithoutId<TaskReference>): TaskReference {
  return { ...reference, id: numbers.next++ } as TaskReference;
}

/** The functions that a module has named by {@linkcode task}: how many, and which, in the order of the calls at each place. */
interface ModuleTasks {
  count: number;
  readonly bySite: Map<string, { readonly fn: TaskFunction; readonly number: number }[]>;
}

const tasksOfModule = sharedState("tasks", () => new Map<string, ModuleTasks>());

/** The `index`-th task at a place of a module, if it was among the first `count` of that module. */
export function taskOfModule(module: string, site: string, index: number, count: number): TaskFunction | undefined {
  const entry = tasksOfModule.get(module)?.bySite.get(site)?.[index];
  return entry !== undefined && entry.number < count ? entry.fn : undefined;
}

/** How many tasks a module that this process has loaded has named so far. */
export function taskCountOf(module: string): number {
  return tasksOfModule.get(module)?.count ?? 0;
}

/**
 * Names a function for workers, and returns the same function. It never blocks.
 *
 * A worker imports the module and takes what the same `task` call names there: the call has to be made when the module is
 * imported, at its top level, outside the main guard. Functions need no `export` then, may use everything in their module, and
 * two functions with the same text stay apart.
 *
 * Python needs no such thing, as it pickles functions by their qualified name.
 *
 * @param meta the module's `import.meta`
 * @param fn any function but a generator
 * @returns `fn`
 * @throws {TypeError} when `fn` cannot be a task
 * @example
 * ```ts
 * import { isMain, Pool, task } from "@manycore/multiprocessing";
 *
 * const factor = 3;
 * const scale = task(import.meta, (n: number) => n * factor);
 *
 * if (isMain(import.meta)) {
 *   const pool = new Pool(2);
 *   console.log(await pool.map(scale, [1, 2])); // [ 3, 6 ]
 *   pool.close();
 *   await pool.join();
 * }
 * ```
 */
export function task<F extends TaskFunction>(meta: ModuleMeta, fn: F): F {
  if (typeof meta !== "object" || meta === null || typeof meta.url !== "string") {
    throw new TypeError(`task(import.meta, fn): the first argument must be import.meta, got ${show(meta)}.`);
  }
  assertCanBeTask(fn, "task(import.meta, fn)");
  const { url } = meta;
  const known: ModuleTasks = tasksOfModule.get(url) ?? { count: 0, bySite: new Map() };
  tasksOfModule.set(url, known);
  // By its place, not by its number in the module: what the main guard names comes before what stands below it, and only here.
  const site = callSite(url);
  const calls = known.bySite.get(site) ?? [];
  known.bySite.set(site, calls);
  const index = calls.push({ fn, number: known.count++ }) - 1;
  references.set(fn, numbered({ kind: "task", module: url, site, index, name: fn.name, source: fn.toString() }));
  return fn;
}

/** The functions of a module, as handles that can be given to a pool or process. */
export type Remote<M> = { readonly [K in keyof M as M[K] extends TaskFunction ? K : never]: M[K] };

/**
 * Typed handles on the functions that a module exports. The module is loaded by the workers that run them, never by
 * the host: use it for modules that are heavy, or that start work of their own. It never blocks.
 *
 * Python has no such thing.
 *
 * @param module the module's URL, or its path relative to the calling module
 * @throws {TypeError} when `module` is a bare name such as `"lodash"`: resolve it first (`import.meta.resolve`)
 * @example
 * ```ts ignore
 * const math = remote<typeof import("./math.ts")>("./math.ts");
 * await pool.map(math.isPrime, [7, 8]); // [ true, false ]
 * ```
 */
export function remote<M>(module: string | URL): Remote<M> {
  const url = moduleUrl(module);
  const handles = new Map<string, TaskFunction>();
  return new Proxy({} as Remote<M>, {
    get(_target, name) {
      // Promise.resolve() and console.log ask for these: a handle must not look like a promise.
      if (typeof name === "symbol" || name === "then") return undefined;
      let handle = handles.get(name);
      if (handle === undefined) {
        handle = () => {
          throw new TypeError(
            `${name} of ${
              displayUrl(url)
            } runs in workers only: give it to a Pool or Process, as in pool.apply(${name}, args).`,
          );
        };
        handles.set(name, handle);
        references.set(handle, numbered({ kind: "export", module: url, name }));
      }
      return handle;
    },
    has: (_target, name) => typeof name === "string",
    set: (_target, name) => {
      throw new TypeError(`Cannot set ${String(name)}: a remote module is read-only.`);
    },
  });
}

function moduleUrl(module: string | URL): string {
  if (module instanceof URL) return module.href;
  if (typeof module !== "string") {
    throw new TypeError(`remote(module): module must be a URL or a path, got ${show(module)}.`);
  }
  if (/^\.{0,2}\//.test(module)) {
    const caller = callerModule();
    if (caller === undefined) {
      throw new TypeError(`remote(${JSON.stringify(module)}): the calling module is unknown here; give a full URL.`);
    }
    return new URL(module, caller).href;
  }
  // One letter and a colon is a Windows drive, not a scheme.
  if (/^[A-Za-z][A-Za-z+.-]+:/.test(module)) return module;
  throw new TypeError(
    `remote(${JSON.stringify(module)}): a bare name means something else in every module; ` +
      `give remote(import.meta.resolve(${JSON.stringify(module)})).`,
  );
}

/**
 * The reference of a function that was given to `what`.
 * @throws {TypeError} when it is no function, a generator function, a class, or native or bound code
 */
export function referenceOf(fn: unknown, what: string): TaskReference {
  const known = typeof fn === "function" ? references.get(fn as TaskFunction) : undefined;
  if (known !== undefined) return known;
  assertCanBeTask(fn, what);
  const source = fn.toString();
  const modules = fn.name === "" ? [] : candidates();
  const key = JSON.stringify([fn.name, source, ...modules]);
  let reference = bySource.get(key);
  if (reference === undefined) {
    reference = numbered({ kind: "function", name: fn.name, source, modules });
    bySource.set(key, reference);
  } else if (modules.length > 0) {
    // Where they are no exports it makes no difference: what is compiled from the same text does the same.
    reference = bySource.get(`second ${key}`);
    if (reference === undefined) {
      reference = numbered({ kind: "function", name: fn.name, source, modules, second: true });
      bySource.set(`second ${key}`, reference);
    }
  }
  references.set(fn, reference);
  return reference;
}

/** Any class. */
export type TaskClass = (new (...args: never[]) => object) & { readonly name: string };

/** The reference of a class, which a worker looks for as it does for a plain function. */
export function classReferenceOf(type: TaskClass): TaskReference {
  const source = Function.prototype.toString.call(type);
  return numbered({ kind: "function", name: type.name, source, modules: candidates() });
}

/** The modules in which a plain function is looked for: the one that called us, then the program's main module. */
function candidates(): string[] {
  const caller = callerModule();
  const main = mainModule();
  return [...new Set([caller, main])].filter((url) => url !== undefined).filter(isImportable);
}

let knownMain: string | undefined;

/** Tells a worker what the main module of its program is: only the main thread can see it. */
export function setMainModule(url: string | undefined): void {
  knownMain = url;
}

/** The program's main module. */
export function mainModule(): string | undefined {
  return knownMain ??= runtime.mainModule();
}

/** Not what a runtime made up for `-e`, standard input or a REPL; nor a tool in node_modules, such as a test runner. */
function isImportable(url: string): boolean {
  return !/\$deno\$|\/\[(?:eval|stdin)[^/]*\]|\/node_modules\/|^node:|^data:/.test(url);
}

function assertCanBeTask(fn: unknown, what: string): asserts fn is TaskFunction {
  if (typeof fn !== "function") throw new TypeError(`${what}: fn must be a function, got ${show(fn)}.`);
  const label = fn.name === "" ? "it" : fn.name;
  const kind = Object.prototype.toString.call(fn);
  if (kind === "[object GeneratorFunction]" || kind === "[object AsyncGeneratorFunction]") {
    throw new TypeError(
      `${what}: ${label} is a generator function, whose values cannot cross one by one. ` +
        `Return an array, or yield the inputs here and give them to imap().`,
    );
  }
  const source = Function.prototype.toString.call(fn);
  if (/^class\b/.test(source)) {
    throw new TypeError(
      `${what}: ${label} is a class. Give a function that makes one: () => new ${fn.name || "It"}().`,
    );
  }
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source)) {
    const bound = fn.name.startsWith("bound ");
    throw new TypeError(
      `${what}: ${label} is ${bound ? "a bound function" : "native code"}, which has no source text to send. ` +
        `Wrap it in a function: (x) => ${bound ? fn.name.slice(6) || "fn" : fn.name || "fn"}(x).`,
    );
  }
}

/** A value in a message, short. */
function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}
