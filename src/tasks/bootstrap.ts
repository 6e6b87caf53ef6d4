/**
 * The main guard. A worker imports the program's modules to find its functions; a module that starts work of its own
 * when it is imported would start it again in every worker, which would start it again …
 * @module
 */
import { BootstrapError } from "../errors.ts";
import { runtime } from "../runtime/current.ts";
import { moduleUrlOfPath, programPath } from "../runtime/host.ts";
import { sharedState } from "../runtime/shared_state.ts";

const imports = sharedState("imports", () => ({ pending: 0 }));

/** Imports a module of the user's; until it is there, {@linkcode assertBootstrapped} refuses. */
export async function importModule(url: string): Promise<Record<string, unknown>> {
  imports.pending++;
  try {
    return await import(url) as Record<string, unknown>;
  } finally {
    imports.pending--;
  }
}

/** @throws {BootstrapError} while this worker imports its modules. @param what for example `a Pool`. */
export function assertBootstrapped(what: string): void {
  if (imports.pending === 0) return;
  throw new BootstrapError(
    `An attempt has been made to start ${what} before the current process has finished its bootstrapping phase. ` +
      `A worker imports your module to find its functions, and the module starts new processes when it is imported. ` +
      `Put what your program does inside the main guard:\n\n` +
      `    if (import.meta.main) {\n        …\n    }\n\n` +
      `or, where import.meta.main is missing (Node 20), if (isMain(import.meta)) { … }.`,
  );
}

/** What {@linkcode isMain} needs of `import.meta`. */
export interface ModuleMeta {
  /** The URL of the module. */
  readonly url: string;
  /** Whether it is the program's main module, where the runtime says so. */
  readonly main?: boolean;
}

/**
 * Whether a module is the program that the user started, and this is its main thread: the portable main guard. It never
 * blocks.
 *
 * `import.meta.main` alone does on Deno, Bun and Node 22 and later; it is missing on Node 20.
 *
 * @param meta the module's `import.meta`
 * @example
 * ```ts
 * import { isMain, Pool } from "@manycore/multiprocessing";
 *
 * export function square(n: number): number {
 *   return n * n;
 * }
 *
 * if (isMain(import.meta)) {
 *   const pool = new Pool(2);
 *   console.log(await pool.map(square, [1, 2, 3])); // [ 1, 4, 9 ]
 *   pool.close();
 *   await pool.join();
 * }
 * ```
 */
export function isMain(meta: ModuleMeta): boolean {
  if (!runtime.isMainThread() || runtime.birth() !== undefined) return false;
  return meta.main ?? moduleUrlOfPath(programPath()) === meta.url;
}
