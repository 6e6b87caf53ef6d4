/**
 * Bun. Its global `Worker` starts in 1 to 2 ms, against 8 ms through `node:worker_threads`, and has an exit event with a code.
 *
 * Inside, `node:worker_threads` would give `workerData` and `parentPort`, and costs every worker 2.6 ms and 1.5 MB. So the birth data
 * come as the first message. Bun keeps messages until the entry module is evaluated up to its first `await`, and no longer.
 * @module
 */
import type { ParentPort, RuntimeAdapter, SpawnOptions, WorkerEvents, WorkerHandle } from "./adapter.ts";
import { process } from "./builtins.ts";
import { availableCpus, hasOneCore, readTextFile } from "./host.ts";
import { isProcessWorker, processBirth, processParentPort, spawnProcess } from "./os_process.ts";
import { sharedState } from "./shared_state.ts";
import { failUnreadable, threadBirth, unreadable, wrapBirth } from "./worker_threads.ts";

interface BunWorker extends EventTarget {
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  ref(): void;
  unref(): void;
  terminate(): void;
}
type BunWorkerType = new (url: URL, options: { env?: Record<string, string> }) => BunWorker;
/** What a thread hears of. */
type Heard = (event: { readonly data: unknown }) => void;
interface BunGlobal {
  readonly Worker: BunWorkerType;
  readonly Bun: { readonly main: string; readonly isMainThread: boolean; pathToFileURL(path: string): URL };
  /** In a thread. */
  postMessage(message: unknown, transfer: readonly unknown[]): void;
  addEventListener(type: "message" | "messageerror", listener: Heard): void;
  removeEventListener(type: "message" | "messageerror", listener: Heard): void;
}

/** How long a thread waits for its birth data, in ms. They were sent before it was there: it has them, or they are lost. */
const BIRTH_LIMIT = 2000;

/** In a thread: what its parent sent first, for all copies of this library. */
const born = sharedState("bun-thread", () => ({ data: undefined as unknown }));

function bunGlobal(): BunGlobal {
  return globalThis as unknown as BunGlobal;
}

function spawnThread(options: SpawnOptions, events: WorkerEvents): WorkerHandle {
  const worker = new (bunGlobal().Worker)(options.entry, options.env === undefined ? {} : { env: { ...options.env } });
  worker.postMessage(wrapBirth(options.birth), options.transfer ?? []);
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

/** What a thread gets from its parent: the birth data, then messages. */
const parent = {
  handler: undefined as ((message: unknown) => void) | undefined,
  receive({ data }: { readonly data: unknown }): void {
    parent.handler?.(data);
  },
  fail({ data }: { readonly data: unknown }): void {
    failUnreadable(data);
  },
  open(): void {
    bunGlobal().addEventListener("message", parent.receive);
    bunGlobal().addEventListener("messageerror", parent.fail);
  },
  /** Bun lets a thread end when nothing listens in it any more. */
  close(): void {
    bunGlobal().removeEventListener("message", parent.receive);
    bunGlobal().removeEventListener("messageerror", parent.fail);
  },
};

function whenBorn(callback: () => void): void {
  if (bunGlobal().Bun.isMainThread) return callback();
  const limit = setTimeout(() => {
    throw new Error(
      "This thread got no birth data: its entry module must import @manycore/multiprocessing/worker before it awaits anything.",
    );
  }, BIRTH_LIMIT);
  parent.handler = (message) => {
    clearTimeout(limit);
    parent.handler = undefined;
    born.data = message;
    callback();
  };
  parent.open();
}

function threadParentPort(): ParentPort {
  return {
    postMessage: (message, transfer) => bunGlobal().postMessage(message, transfer ?? []),
    listen: (handler) => void (parent.handler = handler),
    release: () => parent.close(),
  };
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
    sharesStrings: true,
    permissions: false,
  },
  spinLoads: 6000,
  isMainThread: () => bunGlobal().Bun.isMainThread,
  spawn: (type, options, events) =>
    type === "thread" ? spawnThread(options, events) : spawnProcess(options, events, () => []),
  whenBorn,
  birth: () => bunGlobal().Bun.isMainThread ? processBirth() : threadBirth(born.data),
  parentPort: () => isProcessWorker() ? processParentPort() : threadParentPort(),
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
