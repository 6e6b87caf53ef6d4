/**
 * Bun. Its global `Worker` starts in 1 to 2 ms, against 8 ms through `node:worker_threads`, has an exit event with a
 * code, and gives the worker `workerData` and `parentPort` all the same.
 * @module
 */
import { isMainThread, workerData } from "node:worker_threads";
import type { ParentPort, RuntimeAdapter, SpawnOptions, WorkerEvents, WorkerHandle } from "./adapter.ts";
import { process } from "./builtins.ts";
import { availableCpus, hasOneCore, readTextFile } from "./host.ts";
import { isProcessWorker, processBirth, processParentPort, spawnProcess } from "./os_process.ts";
import { threadBirth, threadParentPort, unreadable, wrapBirth } from "./worker_threads.ts";

interface BunWorker extends EventTarget {
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  ref(): void;
  unref(): void;
  terminate(): void;
}
type BunWorkerType = new (
  url: URL,
  options: { workerData: unknown; transferList: readonly unknown[]; env?: Record<string, string> },
) => BunWorker;
interface BunGlobal {
  readonly Worker: BunWorkerType;
  readonly Bun: { readonly main: string; pathToFileURL(path: string): URL };
}

function bunGlobal(): BunGlobal {
  return globalThis as unknown as BunGlobal;
}

function spawnThread(options: SpawnOptions, events: WorkerEvents): WorkerHandle {
  const worker = new (bunGlobal().Worker)(options.entry, {
    workerData: wrapBirth(options.birth),
    transferList: options.transfer ?? [],
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
  });
  let error: Error | undefined;
  let ended = false;
  worker.addEventListener("message", (event) => events.onMessage((event as MessageEvent).data));
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    const { message, error: cause } = event as ErrorEvent;
    error ??= cause instanceof Error ? cause : new Error(message);
  });
  worker.addEventListener("messageerror", (event) => {
    error ??= unreadable((event as MessageEvent).data);
    worker.terminate();
  });
  worker.addEventListener("close", (event) => {
    if (ended) return;
    ended = true;
    // Under `bun test`, handlers of uncaught errors are not called in workers, and one that an error ended says 0.
    const { code } = event as CloseEvent;
    events.onExit({ code: code === 0 && error !== undefined ? 1 : code, error });
  });
  return {
    postMessage: (message, transfer) => worker.postMessage(message, transfer ?? []),
    ref: () => worker.ref(),
    unref: () => worker.unref(),
    kill: () => worker.terminate(),
  };
}

/** `parentPort.unref()` does not let a Bun worker end; taking the listener away does (`threadParentPort.release`). */
function parentPort(): ParentPort {
  return isProcessWorker() ? processParentPort() : threadParentPort();
}

/** The adapter for Bun. */
export const bun: RuntimeAdapter = {
  name: "bun",
  version: (process.versions as Record<string, string>)["bun"] ?? "",
  capabilities: {
    stopsBusyThreads: true,
    limitsThreadMemory: false,
    blocksToSpawn: false,
    compileCache: false,
    permissions: false,
  },
  spinLoads: 6000,
  isMainThread: () => isMainThread,
  spawn: (type, options, events) =>
    type === "thread" ? spawnThread(options, events) : spawnProcess(options, events, () => []),
  birth: () => isMainThread ? processBirth() : threadBirth(workerData),
  parentPort,
  enterUserCode: (callback) => callback(),
  cpuCount: () => availableCpus(),
  hasOneCore,
  readTextFile,
  environment: (name) => process.env[name],
  // It is the real path, also of a link; `[eval]` and `[stdin]` are no modules.
  mainModule() {
    const { main, pathToFileURL } = bunGlobal().Bun;
    return /[\\/]\[\w+\]$/.test(main) ? undefined : pathToFileURL(main).href;
  },
};
