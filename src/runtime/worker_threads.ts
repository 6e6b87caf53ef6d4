/**
 * Threads through `node:worker_threads`, for Node and Deno.
 * @module
 */
import type { ExitReport, ParentPort, SpawnOptions, WorkerEvents, WorkerHandle } from "./adapter.ts";
import { threads } from "./builtins.ts";

const BIRTH = "@manycore/birth";

/** Wraps birth data so that a worker made by somebody else is not taken for ours. */
export function wrapBirth(birth: unknown): unknown {
  return { [BIRTH]: birth };
}

/** The birth data of this thread, if it is one of ours. */
export function threadBirth(data: unknown = threads().workerData): unknown {
  return typeof data === "object" && data !== null ? (data as Record<string, unknown>)[BIRTH] : undefined;
}

/** Starts a thread. */
export function spawnThread(options: SpawnOptions, events: WorkerEvents, entry: URL = options.entry): WorkerHandle {
  const worker = new (threads().Worker)(entry, {
    workerData: wrapBirth(options.birth),
    ...(options.transfer === undefined ? {} : { transferList: [...options.transfer] as never }),
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
    ...(options.resourceLimits === undefined ? {} : { resourceLimits: { ...options.resourceLimits } as object }),
  });
  let error: Error | undefined;
  worker.on("message", (message) => events.onMessage(message));
  worker.on("error", (cause) => error ??= cause as Error);
  worker.on("messageerror", (cause) => {
    // What was in it is lost, and somebody may wait for it forever.
    error ??= unreadable(cause);
    void worker.terminate();
  });
  worker.on("exit", (code) => {
    const report: ExitReport = { code: code ?? 1, error };
    events.onExit(report);
  });
  return {
    postMessage: (message, transfer) => worker.postMessage(message, transfer as never),
    ref: () => worker.ref(),
    unref: () => worker.unref(),
    kill: () => void worker.terminate(),
  };
}

/** The way from a Node thread to its parent. */
export function threadParentPort(): ParentPort {
  const parent = threads().parentPort as Exclude<ReturnType<typeof threads>["parentPort"], null>;
  let current: ((message: unknown) => void) | undefined;
  return {
    postMessage: (message, transfer) => parent.postMessage(message, transfer as never),
    listen(handler) {
      current = handler;
      parent.on("message", handler);
      parent.on("messageerror", failUnreadable);
    },
    release() {
      if (current !== undefined) parent.off("message", current);
      parent.off("messageerror", failUnreadable);
    },
  };
}

/** The error for a message that arrived and cannot be read. */
export function unreadable(cause: unknown): Error {
  return new Error(
    "A message between a process and its parent cannot be read: it held memory that had moved, or the like.",
    {
      cause,
    },
  );
}

/** Ends a worker by an error, because a message to it cannot be read. */
export function failUnreadable(cause: unknown): never {
  throw unreadable(cause);
}
