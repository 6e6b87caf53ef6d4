/**
 * Python's `multiprocessing` for TypeScript, on Deno, Bun and Node: processes, pools, and what they share.
 *
 * @example
 * ```ts
 * import { isMain, Pool } from "@manycore/multiprocessing";
 *
 * export function square(n: number): number {
 *   return n * n;
 * }
 *
 * if (isMain(import.meta)) {
 *   const pool = new Pool(5);
 *   console.log(await pool.map(square, [1, 2, 3, 4, 5])); // [ 1, 4, 9, 16, 25 ]
 *   pool.close();
 *   await pool.join();
 * }
 * ```
 * @module
 */

// Functions and processes
export { isMain, type ModuleMeta } from "./src/tasks/bootstrap.ts";
export { type Remote, remote, task, type TaskFunction } from "./src/tasks/reference.ts";
export {
  activeChildren,
  Process,
  type ProcessOptions,
  type ProcessRest,
  type WorkerOptions,
} from "./src/process/process.ts";
export {
  cpuCount,
  type CurrentProcess,
  currentProcess,
  type ParentProcess,
  parentProcess,
} from "./src/process/current.ts";
export type { WaitOptions } from "./src/process/waiting.ts";
export type { Permissions, ResourceLimits, WorkerType } from "./src/runtime/adapter.ts";

// Pools
export { type ApplyRest, type Input, Pool } from "./src/pool/pool.ts";
export type { CallOptions, MapOptions, PoolOptions } from "./src/pool/options.ts";
export { AsyncResult } from "./src/pool/result.ts";
export type { ResultIterator } from "./src/pool/sinks.ts";
export type { PoolStats } from "./src/pool/scheduler.ts";
export type { ProgressListener } from "./src/pool/job.ts";

// Errors
export {
  BootstrapError,
  BrokenBarrierError,
  BrokenPoolError,
  CancelledError,
  DeadlockError,
  EncodingError,
  InvalidStateError,
  MultiprocessingError,
  NotOwnerError,
  OwnerDiedError,
  PoolClosedError,
  PoolError,
  ProcessError,
  SyncError,
  TaskResolutionError,
  TimeoutError,
  UnsupportedRuntimeError,
  type WorkerCrash,
  WorkerCrashedError,
} from "./src/errors.ts";
export { type RemoteStack, remoteStackOf } from "./src/transport/remote_error.ts";
