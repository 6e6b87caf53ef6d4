/**
 * Node's built-in modules, which all three runtimes have, fetched where they are first used. A static import loads a
 * module when the importing one is loaded, in every worker, used or not: `node:fs` and `node:process` cost 1.7 ms on Node (an
 * import reads every export, getters too), `node:fs`, `node:os` and `node:child_process` 2.5 ms on Bun and 2.6 on Deno, where
 * a whole bare worker starts in 10, 1 and 20 ms. `node:worker_threads` is needed at once on Node and Deno; on Bun it costs
 * 2.6 ms, and workers do without it.
 * @module
 */
type Process = typeof import("node:process");

/** The program, or this worker of it. */
export const process: Process = (globalThis as unknown as { readonly process: Process }).process;

/** `node:fs`. */
export function fs(): typeof import("node:fs") {
  return process.getBuiltinModule("node:fs");
}

/** `node:os`. */
export function os(): typeof import("node:os") {
  return process.getBuiltinModule("node:os");
}

/** `node:url`. */
export function url(): typeof import("node:url") {
  return process.getBuiltinModule("node:url");
}

/** `node:timers`. */
export function timers(): typeof import("node:timers") {
  return process.getBuiltinModule("node:timers");
}

/** `node:child_process`. */
export function childProcess(): typeof import("node:child_process") {
  return process.getBuiltinModule("node:child_process");
}

/** `node:module`. */
export function moduleApi(): typeof import("node:module") {
  return process.getBuiltinModule("node:module");
}

/** `node:worker_threads`. */
export function threads(): typeof import("node:worker_threads") {
  return process.getBuiltinModule("node:worker_threads");
}
