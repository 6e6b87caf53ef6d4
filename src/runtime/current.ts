/**
 * The runtime that we are in. The one place where it is chosen.
 * @module
 */
import type { RuntimeAdapter } from "./adapter.ts";
import { bun } from "./bun.ts";
import { deno } from "./deno.ts";
import { node } from "./node.ts";

/** The adapter of this runtime. */
export const runtime: RuntimeAdapter = "Deno" in globalThis ? deno : "Bun" in globalThis ? bun : node;
