/**
 * What can be said of the workers of a process or pool, and the checks of it.
 * @module
 */
import { UnsupportedRuntimeError } from "../errors.ts";
import type { Permissions, ResourceLimits, WorkerType } from "../runtime/adapter.ts";
import { runtime } from "../runtime/current.ts";

/** How the workers of a process or pool are made. */
export interface WorkerOptions {
  /**
   * `"thread"` (the default) shares memory and starts fast. `"process"` is a program of its own: it shares none, and
   * can be killed for certain on every runtime.
   */
  readonly type?: WorkerType | undefined;
  /** Environment variables of the worker, instead of a copy of ours. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Memory limits, in MB. Bun ignores them for threads, and says so once. */
  readonly resourceLimits?: ResourceLimits | undefined;
  /** What a worker of type `"process"` may do on Deno; the default is `"inherit"`. */
  readonly permissions?: Permissions | undefined;
}

/** @throws {TypeError | RangeError | UnsupportedRuntimeError} when the options are not usable here. */
export function checkWorkerOptions(options: WorkerOptions, what: string): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${what}: options must be an object, got ${String(options)}.`);
  }
  const { type, permissions, env, resourceLimits } = options;
  if (type !== undefined && type !== "thread" && type !== "process") {
    throw new TypeError(`${what}: type must be "thread" or "process", got ${JSON.stringify(type) ?? String(type)}.`);
  }
  if (env !== undefined && (typeof env !== "object" || env === null)) {
    throw new TypeError(`${what}: env must be an object of strings, got ${String(env)}.`);
  }
  for (const [name, value] of Object.entries(env ?? {})) {
    if (typeof value !== "string") throw new TypeError(`${what}: env.${name} must be a string, got ${String(value)}.`);
  }
  for (const [name, value] of Object.entries(resourceLimits ?? {})) {
    if (value !== undefined && !(typeof value === "number" && value > 0)) {
      throw new RangeError(`${what}: resourceLimits.${name} must be a number of MB above 0, got ${String(value)}.`);
    }
  }
  if (permissions !== undefined && permissions !== "inherit") {
    if (type !== "process" || !runtime.capabilities.permissions) {
      throw new UnsupportedRuntimeError(
        `${what}: permissions need Deno and { type: "process" }: a thread always has those of its program.`,
      );
    }
  }
}
