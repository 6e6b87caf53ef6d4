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
export { activeChildren, Process, type ProcessOptions, type ProcessRest } from "./src/process/process.ts";
export {
  cpuCount,
  type CurrentProcess,
  currentProcess,
  type ParentProcess,
  parentProcess,
} from "./src/process/current.ts";
export type { UntimedWaitOptions, WaitOptions } from "./src/memory/park.ts";
export type { WorkerOptions } from "./src/process/options.ts";
export type { Permissions, ResourceLimits, WorkerType } from "./src/runtime/adapter.ts";

// Pools
export { type ApplyRest, type Input, Pool } from "./src/pool/pool.ts";
export type { CallOptions, MapOptions, PoolOptions } from "./src/pool/options.ts";
export { AsyncResult } from "./src/pool/result.ts";
export type { ResultIterator } from "./src/pool/sinks.ts";
export type { PoolStats } from "./src/pool/stats.ts";
export type { ProgressListener } from "./src/pool/job.ts";

// Synchronisation
export { Barrier, type BarrierOptions } from "./src/sync/barrier.ts";
export { Condition } from "./src/sync/condition.ts";
export { type DeadlockOptions, deadlocksDetected, detectDeadlocks } from "./src/sync/deadlock.ts";
export { Event } from "./src/sync/event.ts";
export {
  type AcquireOptions,
  type Guard,
  type Lockable,
  LockGuard,
  type OwnerDeathOptions,
  type UntimedAcquireOptions,
} from "./src/sync/guard.ts";
export { Lock, type LockOptions } from "./src/sync/lock.ts";
export { RLock, RLockGuard } from "./src/sync/rlock.ts";
export { RWLock, RWLockGuard, RWLockSide } from "./src/sync/rwlock.ts";
export { BoundedSemaphore, Semaphore, SemaphoreGuard } from "./src/sync/semaphore.ts";

// Shared state
export { type ArraySource, RawArray, SharedArray } from "./src/shared/array.ts";
export type { CellLockOption } from "./src/shared/cell_lock.ts";
export { detectRaces, type RaceOptions, type RaceParty, type RaceReport } from "./src/shared/races.ts";
export { type ShareableItem, ShareableList } from "./src/shared/shareable_list.ts";
export { SharedMemory, type SharedMemoryOptions } from "./src/shared/shared_memory.ts";
export type {
  PythonTypecodes,
  SharedTypes,
  SharedViews,
  Typecode,
  TypeNameOf,
  ValueOf,
  ViewOf,
} from "./src/shared/typecodes.ts";
export { RawValue, type SharedOptions, Value } from "./src/shared/value.ts";

// Messages
export { Connection } from "./src/channel/connection.ts";
export { JoinableQueue } from "./src/channel/joinable_queue.ts";
export { Pipe, type PipeOptions } from "./src/channel/pipe.ts";
export type {
  BytesLike,
  RecvBytesIntoOptions,
  RecvBytesOptions,
  SendBytesOptions,
} from "./src/channel/pipe_arguments.ts";
export { Queue } from "./src/channel/queue.ts";
export { SimpleQueue } from "./src/channel/simple_queue.ts";
export { wait, waitSync } from "./src/channel/wait.ts";
export { WAITABLE, type Waitable, type WaitState } from "./src/transport/waitable.ts";

// Errors
export {
  BootstrapError,
  BrokenBarrierError,
  BrokenPipeError,
  BrokenPoolError,
  BufferTooShortError,
  CancelledError,
  ConnectionClosedError,
  ConnectionError,
  DeadlockError,
  EncodingError,
  EndOfFileError,
  InvalidStateError,
  MultiprocessingError,
  NotOwnerError,
  OwnerDiedError,
  PoolClosedError,
  PoolError,
  ProcessError,
  QueueClosedError,
  QueueEmptyError,
  QueueError,
  QueueFullError,
  SharedMemoryError,
  type SharedMemoryErrorCode,
  SyncError,
  TaskResolutionError,
  TimeoutError,
  UnsupportedRuntimeError,
  type WorkerCrash,
  WorkerCrashedError,
} from "./src/errors.ts";
export { transfer } from "./src/transport/moved.ts";
export { type RemoteStack, remoteStackOf } from "./src/transport/remote_error.ts";
