/**
 * Where the tests run, and how a test says that something cannot work there.
 * @module
 */
import process from "node:process";

/** The runtimes, as skips name them. */
export type RuntimeName = "deno" | "bun" | "node";

/** The runtime of this test run. */
export const RUNTIME: RuntimeName = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/** The major version of Node, 0 elsewhere. */
export const NODE_MAJOR: number = RUNTIME === "node" ? Number(process.versions.node.split(".")[0]) : 0;

/** Why a test is skipped here, as the `skip` option of `it`: false where it runs. */
export function skipOn(reasons: Partial<Record<RuntimeName, string>>): string | false {
  return reasons[RUNTIME] ?? false;
}

/** The same for everything but the runtimes that are named: the feature exists only there. */
export function onlyOn(names: readonly RuntimeName[], reason: string): string | false {
  return names.includes(RUNTIME) ? false : reason;
}

/** A fixture beside the tests; it is TypeScript in the checkout and JavaScript in the build for Node 20. */
export function fixture(name: string): URL {
  return new URL(`../fixtures/${name}${EXTENSION}`, import.meta.url);
}

/** The ending of this file and of every fixture. */
export const EXTENSION: ".ts" | ".js" = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/** Why a test is skipped where pools are reached over messages, as the `skip` option of `it`: false where they have rings. */
export function skipOverMessages(reason: string): string | false {
  return process.env["MANYCORE_TRANSPORT"] === "messages" && reason;
}

/** Whether the long tests run as well. */
export const SOAK: boolean = process.env["MANYCORE_SOAK"] === "1";
