/**
 * What all three runtimes offer under Node's names: the end of the program, its error output, its files.
 * @module
 */
import { fs, os, process, timers, url as urls } from "./builtins.ts";

/** Ends this worker, or this program on the main thread. */
export function exit(code: number): never {
  return process.exit(code);
}

/** Calls `handler` when this worker or program exits in order; only synchronous work is possible then. */
export function onExit(handler: (code: number) => void): void {
  process.on("exit", handler);
}

/** Calls `handler` for every error and rejection that nobody caught, instead of what the runtime would do. */
export function onUncaught(handler: (error: unknown) => void): void {
  process.on("uncaughtException", handler);
  process.on("unhandledRejection", handler);
}

/**
 * Writes to standard error before it returns: also when the program is about to end, or its main thread is blocked.
 * On Node a worker's `console.error` does neither.
 */
export function writeError(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0, tries = 0; at < bytes.length && tries < 1000;) {
    try {
      at += fs().writeSync(2, bytes, at);
    } catch (error) {
      // A pipe that is full for now; anything else (a closed stream) has no place left to report it.
      if ((error as { code?: string }).code !== "EAGAIN") return;
      tries++;
    }
  }
}

/** Prints a warning once for each `code`, as the runtime prints its own. */
export function warnOnce(code: string, message: string): void {
  if (warned.has(code)) return;
  warned.add(code);
  process.emitWarning(message, { code, type: "ManycoreWarning" });
}
const warned = new Set<string>();

/** A timer that does not keep the program alive. */
export interface BackgroundTimer {
  /** Stops it. */
  clear(): void;
}

/** Calls `handler` after `ms`, if the program is still there. */
export function backgroundTimer(handler: () => void, ms: number): BackgroundTimer {
  const timer = timers().setTimeout(handler, Math.min(ms, 2 ** 31 - 1));
  timer.unref();
  return { clear: () => timers().clearTimeout(timer) };
}

/** The number of a signal, from its name. */
export function signalNumber(name: string): number {
  return (os().constants.signals as Record<string, number>)[name] ?? 15;
}

/** The URL of a module from the path by which the program was started; links are followed as module loaders do. */
export function moduleUrlOfPath(path: string | undefined): string | undefined {
  if (path === undefined || path === "" || path === "-" || path.startsWith("[")) return undefined;
  for (const candidate of [path, `${path}.js`, `${path}.mjs`, `${path}.ts`]) {
    try {
      return urls().pathToFileURL(fs().realpathSync(candidate)).href;
    } catch {
      // Not this one; Node also takes a path without its ending.
    }
  }
  return undefined;
}

/** The text of a file. @throws what `node:fs` throws */
export function readTextFile(url: URL): string {
  return fs().readFileSync(url, "utf8");
}

/** The path that was given to the runtime as its program. */
export function programPath(): string | undefined {
  return process.argv[1];
}

/** Whether there is one core for this program: all three runtimes look at its affinity mask. */
export function hasOneCore(): boolean {
  const { navigator } = globalThis as unknown as { readonly navigator?: { readonly hardwareConcurrency?: number } };
  return (navigator?.hardwareConcurrency ?? os().availableParallelism()) === 1;
}

/** CPUs: those that the scheduler lets us use, and no more than the control group's quota pays for. */
export function availableCpus(readable: (path: string) => boolean = () => true): number {
  const { availableParallelism, cpus: list } = os();
  const cpus = typeof availableParallelism === "function" ? availableParallelism() : list().length;
  return Math.max(1, Math.min(cpus, affinity(readable) ?? cpus, quota(readable) ?? cpus));
}

function readText(path: string, readable: (path: string) => boolean): string | undefined {
  try {
    return readable(path) ? fs().readFileSync(path, "utf8") : undefined;
  } catch {
    return undefined;
  }
}

/** Linux: the CPUs of this program's affinity mask, for example `0-3,8`. */
function affinity(readable: (path: string) => boolean): number | undefined {
  const list = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(readText("/proc/self/status", readable) ?? "")?.[1];
  if (list === undefined) return undefined;
  let count = 0;
  for (const range of list.split(",")) {
    const [first = 0, last = first] = range.split("-").map(Number);
    count += last - first + 1;
  }
  return count;
}

/** Linux control groups: the quota divided by its period, version 2 or 1. */
function quota(readable: (path: string) => boolean): number | undefined {
  const v2 = readText("/sys/fs/cgroup/cpu.max", readable)?.trim().split(" ");
  if (v2 !== undefined) return v2[0] === "max" ? undefined : Math.ceil(Number(v2[0]) / Number(v2[1]));
  const limit = Number(readText("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", readable) ?? -1);
  const period = Number(readText("/sys/fs/cgroup/cpu/cpu.cfs_period_us", readable) ?? 100_000);
  return limit > 0 ? Math.ceil(limit / period) : undefined;
}
