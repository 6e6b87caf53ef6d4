/**
 * Node 20 and later.
 * @module
 */
import type { RuntimeAdapter } from "./adapter.ts";
import { process, threads } from "./builtins.ts";
import { availableCpus, hasOneCore, moduleUrlOfPath, programPath, readTextFile } from "./host.ts";
import { isProcessWorker, processBirth, processParentPort, spawnProcess } from "./os_process.ts";
import { spawnThread, threadBirth, threadParentPort } from "./worker_threads.ts";

/** The adapter for Node. */
export const node: RuntimeAdapter = {
  name: "node",
  version: process.versions.node,
  capabilities: {
    stopsBusyThreads: true,
    limitsThreadMemory: true,
    blocksToSpawn: false,
    compileCache: true,
    sharesStrings: false,
    permissions: false,
  },
  spinLoads: 2000,
  isMainThread: () => threads().isMainThread,
  spawn: (type, options, events) =>
    type === "thread" ? spawnThread(options, events) : spawnProcess(options, events, () => [...process.execArgv]),
  whenBorn: (callback) => callback(),
  birth: () => threads().isMainThread ? processBirth() : threadBirth(),
  parentPort: () => isProcessWorker() ? processParentPort() : threadParentPort(),
  enterUserCode: (callback) => callback(),
  cpuCount: () => availableCpus(),
  hasOneCore,
  readTextFile,
  environment: (name) => process.env[name],
  mainModule: () => moduleUrlOfPath(programPath()),
};
