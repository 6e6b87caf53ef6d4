/**
 * The error tree. Every failure that a caller can tell apart has a class of its own; mistakes in arguments are the
 * language's `TypeError` and `RangeError`. A message says what was tried, what was found and what to do.
 *
 * ```
 * MultiprocessingError
 * ├ ProcessError: BootstrapError, WorkerCrashedError(.exitCode)   ├ EncodingError(.path)
 * ├ SyncError: NotOwnerError, OwnerDiedError, DeadlockError(.cycle), BrokenBarrierError
 * ├ PoolError: PoolClosedError, BrokenPoolError, CancelledError, InvalidStateError
 * ├ QueueError: QueueEmptyError, QueueFullError(.item), QueueClosedError(.item)
 * ├ ConnectionError: EndOfFileError, BrokenPipeError, ConnectionClosedError   ├ BufferTooShortError(.bytes)
 * ├ TaskResolutionError   ├ TimeoutError   ├ SharedMemoryError   └ UnsupportedRuntimeError
 * ```
 *
 * All of them cross between processes as themselves (see `transport/remote_error.ts`).
 * @module
 */

/** The root of every error that this library defines. Python: `multiprocessing.ProcessError` and relatives. */
export class MultiprocessingError extends Error {
  static {
    this.prototype.name = "MultiprocessingError";
  }
}

/** A process could not be started, used or ended as asked. Python: `ProcessError`, and `AssertionError` in places. */
export class ProcessError extends MultiprocessingError {
  static {
    this.prototype.name = "ProcessError";
  }
}

/** A process or pool was created while a worker was still importing its modules: the main guard is missing. */
export class BootstrapError extends ProcessError {
  static {
    this.prototype.name = "BootstrapError";
  }
}

/** What is known of the end of a worker. */
export interface WorkerCrash {
  /** The worker's exit code; negative: the signal that ended it (−15 terminated, −9 killed). */
  readonly exitCode: number;
  /** The worker's name, for example `PoolWorker-2`. */
  readonly processName: string;
}

/**
 * A worker ended (by `process.exit`, by an uncaught error, out of memory, or killed) while it ran the task. `cause` is
 * the error that ended it, where one is known.
 */
export class WorkerCrashedError extends ProcessError {
  static {
    this.prototype.name = "WorkerCrashedError";
  }
  /** The worker's exit code; negative: the signal that ended it. */
  readonly exitCode: number;
  /** The worker's name. */
  readonly processName: string;

  /** Makes the error. @param message what happened, @param crash the worker's end, @param options the cause. */
  constructor(message: string, crash: WorkerCrash, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = crash.exitCode;
    this.processName = crash.processName;
  }
}

/** A value cannot be sent to another process. {@linkcode EncodingError.path} names the part at fault. */
export class EncodingError extends MultiprocessingError {
  static {
    this.prototype.name = "EncodingError";
  }
  /** The part at fault, as one would write it: `args[0].handlers.click`. */
  readonly path: string;

  /** Makes the error. @param message what cannot be sent and why, @param path where it is, @param options the cause. */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** A worker could not find, import or compile the function of a task. */
export class TaskResolutionError extends MultiprocessingError {
  static {
    this.prototype.name = "TaskResolutionError";
  }
}

/** A time limit passed. The durations of this library are milliseconds. */
export class TimeoutError extends MultiprocessingError {
  static {
    this.prototype.name = "TimeoutError";
  }
}

/** The runtime, or the kind of worker, cannot do what was asked. */
export class UnsupportedRuntimeError extends MultiprocessingError {
  static {
    this.prototype.name = "UnsupportedRuntimeError";
  }
}

/** A pool could not do what was asked. */
export class PoolError extends MultiprocessingError {
  static {
    this.prototype.name = "PoolError";
  }
}

/** Work was given to a pool that is closed or terminated. Python: `ValueError("Pool not running")`. */
export class PoolClosedError extends PoolError {
  static {
    this.prototype.name = "PoolClosedError";
  }
}

/** The pool can start no working worker, for example because its initializer throws. `cause` says why. */
export class BrokenPoolError extends PoolError {
  static {
    this.prototype.name = "BrokenPoolError";
  }
}

/** The work was cancelled, or its pool terminated, before it was done. */
export class CancelledError extends PoolError {
  static {
    this.prototype.name = "CancelledError";
  }
}

/** The call does not fit the state of the object, for example `join()` before `close()`. */
export class InvalidStateError extends PoolError {
  static {
    this.prototype.name = "InvalidStateError";
  }
}

/** A synchronisation primitive could not do what was asked. */
export class SyncError extends MultiprocessingError {
  static {
    this.prototype.name = "SyncError";
  }
}

/** A lock was released, or waited with, by an agent that does not hold it. */
export class NotOwnerError extends SyncError {
  static {
    this.prototype.name = "NotOwnerError";
  }
}

/** The holder of the lock died; thrown to the next acquirer when it asked for that (`onOwnerDeath: "throw"`). */
export class OwnerDiedError extends SyncError {
  static {
    this.prototype.name = "OwnerDiedError";
  }
}

/** Every agent of {@linkcode DeadlockError.cycle} waits for the next one: nobody could ever go on. */
export class DeadlockError extends SyncError {
  static {
    this.prototype.name = "DeadlockError";
  }
  /** The processes in the cycle, each with what it holds and what it waits for. */
  readonly cycle: readonly string[];

  /** Makes the error. @param message the report, @param cycle one line for each process, @param options the cause. */
  constructor(message: string, cycle: readonly string[] = [], options?: ErrorOptions) {
    super(message, options);
    this.cycle = cycle;
  }
}

/** The barrier was broken: by a timeout, an abort, a failed action, or the death of a party. */
export class BrokenBarrierError extends SyncError {
  static {
    this.prototype.name = "BrokenBarrierError";
  }
}

/** Why a name of shared memory could not be used: `EEXIST`, it is taken; `ENOENT`, there is none. */
export type SharedMemoryErrorCode = "EEXIST" | "ENOENT";

/** A name of shared memory is taken, or does not exist. Python: `FileExistsError`, `FileNotFoundError`. */
export class SharedMemoryError extends MultiprocessingError {
  static {
    this.prototype.name = "SharedMemoryError";
  }
  /** Which of the two. */
  readonly code: SharedMemoryErrorCode;

  /** Makes the error. @param message what was tried and found, @param code which of the two, @param options the cause. */
  constructor(message: string, code: SharedMemoryErrorCode = "ENOENT", options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A queue could not do what was asked. */
export class QueueError extends MultiprocessingError {
  static {
    this.prototype.name = "QueueError";
  }
}

/** There was no item: none at all for `getNowait()`, none in time for the others. Python: `queue.Empty`. */
export class QueueEmptyError extends QueueError {
  static {
    this.prototype.name = "QueueEmptyError";
  }
}

/** There was no room: none at all for `putNowait()`, none in time for the others. Python: `queue.Full`. */
export class QueueFullError extends QueueError {
  static {
    this.prototype.name = "QueueFullError";
  }
  /** What could not be put, itself and no copy. */
  readonly item: unknown;

  /** Makes the error. @param message what was tried and found, @param item what could not be put, @param options the cause. */
  constructor(message: string, item?: unknown, options?: ErrorOptions) {
    super(message, options);
    this.item = item;
  }
}

/** The queue is closed: nothing can be put any more, and when all has been got, nothing can be got. */
export class QueueClosedError extends QueueError {
  static {
    this.prototype.name = "QueueClosedError";
  }
  /** What could not be put, itself and no copy; undefined where nothing was to be put. */
  readonly item: unknown;

  /** Makes the error. @param message what was tried and found, @param item what could not be put, @param options the cause. */
  constructor(message: string, item?: unknown, options?: ErrorOptions) {
    super(message, options);
    this.item = item;
  }
}

/**
 * A connection could not do what was asked: it goes the other way, or a message was cut off by the end of its sender.
 * Python: `OSError`.
 */
export class ConnectionError extends MultiprocessingError {
  static {
    this.prototype.name = "ConnectionError";
  }
}

/** There is nothing left to receive, and nobody who could send any more. Python: `EOFError`. */
export class EndOfFileError extends ConnectionError {
  static {
    this.prototype.name = "EndOfFileError";
  }
}

/** Nobody who could receive it is left. Python: `BrokenPipeError`. */
export class BrokenPipeError extends ConnectionError {
  static {
    this.prototype.name = "BrokenPipeError";
  }
}

/** The connection was closed here. Python: `OSError("handle is closed")`. */
export class ConnectionClosedError extends ConnectionError {
  static {
    this.prototype.name = "ConnectionClosedError";
  }
}

/** A message was longer than the memory that was given for it. Python: `BufferTooShort`. */
export class BufferTooShortError extends MultiprocessingError {
  static {
    this.prototype.name = "BufferTooShortError";
  }
  /** The message. */
  readonly bytes: Uint8Array<ArrayBuffer>;

  /** Makes the error. @param message what was tried and found, @param bytes the message, @param options the cause. */
  constructor(message: string, bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0), options?: ErrorOptions) {
    super(message, options);
    this.bytes = bytes;
  }
}

/** Our classes by name, for errors that come from another process. */
export const ERROR_CLASSES: ReadonlyMap<string, { readonly prototype: Error }> = new Map(
  [
    MultiprocessingError,
    ProcessError,
    BootstrapError,
    WorkerCrashedError,
    EncodingError,
    TaskResolutionError,
    TimeoutError,
    UnsupportedRuntimeError,
    PoolError,
    PoolClosedError,
    BrokenPoolError,
    CancelledError,
    InvalidStateError,
    SyncError,
    NotOwnerError,
    OwnerDiedError,
    DeadlockError,
    BrokenBarrierError,
    SharedMemoryError,
    QueueError,
    QueueEmptyError,
    QueueFullError,
    QueueClosedError,
    ConnectionError,
    EndOfFileError,
    BrokenPipeError,
    ConnectionClosedError,
    BufferTooShortError,
  ].map((type) => [type.prototype.name, type]),
);
