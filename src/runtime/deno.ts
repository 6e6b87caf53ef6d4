/**
 * Deno. Threads come from `node:worker_threads`: the global `Worker` starts faster (8 ms against 23) but has no exit
 * event, no `unref`, and no memory limits, so that a worker could vanish without a word. Inside, messages are received
 * in the web's way: Deno's `parentPort.on("message")` walks every typed array element by element (1 MB takes 50 ms).
 * @module
 */
import { UnsupportedRuntimeError } from "../errors.ts";
import type { ParentPort, Permissions, RuntimeAdapter } from "./adapter.ts";
import { fs, process, threads, timers, url } from "./builtins.ts";
import { availableCpus, hasOneCore } from "./host.ts";
import { isProcessWorker, processBirth, processParentPort, spawnProcess } from "./os_process.ts";
import { spawnThread, threadBirth } from "./worker_threads.ts";

interface DenoGlobal {
  readonly mainModule: string;
  readonly version: { readonly deno: string };
  readTextFileSync(url: URL): string;
  readonly permissions: {
    querySync(
      descriptor: { readonly name: string; readonly path?: string; readonly variable?: string },
    ): { readonly state: string };
  };
}

/** The global scope of a worker. */
interface MessageScope {
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  removeEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

function denoGlobal(): DenoGlobal {
  return (globalThis as unknown as { Deno: DenoGlobal }).Deno;
}

let immediately: typeof import("node:timers").setImmediate | undefined;

/** `node:worker_threads` refuses http(s) modules on Deno; a `data:` module may import them. */
function localEntry(entry: URL): URL {
  if (entry.protocol === "file:") return entry;
  return new URL(`data:text/javascript,${encodeURIComponent(`import ${JSON.stringify(entry.href)};`)}`);
}

/**
 * In a thread, `process.exit()` asks Deno to end it and then spins until that happens. What is due before it happens still
 * runs, and if that calls `process.exit()` again, the second call spins for ever: the request was used up by the first.
 */
function exitOnce(): void {
  const { exit } = process;
  let exiting = false;
  process.exit = ((code?: number | string | null) => {
    if (exiting) throw new Error("This worker is ending: process.exit() was called before.");
    exiting = true;
    return exit(code);
  }) as typeof process.exit;
}

function threadParentPort(): ParentPort {
  exitOnce();
  const scope = globalThis as unknown as MessageScope;
  const port = threads().parentPort as { postMessage(message: unknown, transfer: never): void };
  let listener: ((event: { readonly data: unknown }) => void) | undefined;
  return {
    postMessage: (message, transfer) => port.postMessage(message, transfer as never),
    listen(handler) {
      listener = (event) => handler(event.data);
      scope.addEventListener("message", listener);
    },
    release() {
      if (listener !== undefined) scope.removeEventListener("message", listener);
    },
  };
}

/** Deno's command line for a worker of type "process". */
function denoArguments(permissions: Permissions = "inherit"): string[] {
  const names = ["read", "write", "net", "env", "run", "sys", "ffi", "import"] as const;
  const run = ["run", "--quiet", "--no-prompt", ...configArguments()];
  if (permissions === "none") return run;
  if (permissions === "inherit") {
    for (const name of names) {
      if (denoGlobal().permissions.querySync({ name }).state === "granted") run.push(`--allow-${name}`);
    }
    return run;
  }
  for (const name of names) {
    const value = permissions[name];
    if (value === true) run.push(`--allow-${name}`);
    else if (Array.isArray(value) && value.length > 0) run.push(`--allow-${name}=${value.join(",")}`);
  }
  return run;
}

/** The program's import map must be the worker's too: without this, Deno looks for it beside our own module. */
function configArguments(): string[] {
  const main = denoGlobal().mainModule;
  if (!main.startsWith("file:")) return [];
  for (let folder = new URL(".", main);; folder = new URL("..", folder)) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      const path = url().fileURLToPath(new URL(name, folder));
      if (mayRead(path) && fs().existsSync(path)) return [`--config=${path}`];
    }
    if (folder.pathname === "/" || folder.href === new URL("..", folder).href) return [];
  }
}

function assertMayRun(): void {
  if (denoGlobal().permissions.querySync({ name: "run" }).state === "granted") return;
  throw new UnsupportedRuntimeError(
    `Cannot start a worker of type "process": this program may not run others. Give Deno --allow-run.`,
  );
}

function mayRead(path: string): boolean {
  return denoGlobal().permissions.querySync({ name: "read", path }).state === "granted";
}

/** The adapter for Deno. */
export const deno: RuntimeAdapter = {
  name: "deno",
  version: (process.versions as Record<string, string>)["deno"] ?? "",
  capabilities: {
    stopsBusyThreads: false,
    limitsThreadMemory: true,
    blocksToSpawn: true,
    compileCache: false,
    sharesStrings: false,
    permissions: true,
  },
  // In a web worker that the user made, Deno says that it is the main thread.
  spinLoads: 2000,
  isMainThread: () => threads().isMainThread && !("DedicatedWorkerGlobalScope" in globalThis),
  spawn(type, options, events) {
    if (type === "thread") return spawnThread(options, events, localEntry(options.entry));
    assertMayRun();
    return spawnProcess(options, events, () => denoArguments(options.permissions));
  },
  whenBorn: (callback) => callback(),
  birth: () => threads().isMainThread ? processBirth() : threadBirth(),
  parentPort: () => isProcessWorker() ? processParentPort() : threadParentPort(),
  enterUserCode(callback) {
    immediately ??= timers().setImmediate;
    immediately(callback);
  },
  cpuCount: () => availableCpus(mayRead),
  hasOneCore,
  // `node:fs` takes 2.6 ms to load, and a worker may need no other part of it.
  readTextFile: (url) => denoGlobal().readTextFileSync(url),
  environment: (name) =>
    denoGlobal().permissions.querySync({ name: "env", variable: name }).state === "granted"
      ? process.env[name]
      : undefined,
  mainModule: () => denoGlobal().mainModule,
};
