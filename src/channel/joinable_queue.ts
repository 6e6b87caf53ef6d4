/**
 * `JoinableQueue`: a queue that knows when all its items have been dealt with.
 * @module
 */
import type { WaitOptions } from "../memory/park.ts";
import { registerHandle } from "../transport/handles.ts";
import { QueueError } from "../errors.ts";
import { checkMaxSize, Queue } from "./queue.ts";
import type { QueueWire } from "./queue_core.ts";
import type { QueueEnd } from "./queue_end.ts";

/**
 * A {@linkcode Queue} whose readers say for each item that they are done with it, so that a process can wait until all work
 * has been done, and not only been taken.
 *
 * Python: `multiprocessing.JoinableQueue`; `join` has a time limit. If a reader dies between `get` and `taskDone`, its item
 * stays undone, as in Python: give `join` a time limit where that may happen.
 *
 * @typeParam T what the items are
 *
 * @example
 * ```ts
 * import { JoinableQueue } from "@manycore/multiprocessing";
 *
 * const queue = new JoinableQueue<number>();
 * queue.putSync(1);
 * console.log(queue.getSync(), queue.unfinished); // 1 1
 * queue.taskDone();
 * await queue.join();
 * ```
 */
export class JoinableQueue<T = unknown> extends Queue<T> {
  readonly #end: QueueEnd;

  static {
    registerHandle<JoinableQueue, QueueWire>("JoinableQueue", JoinableQueue, {
      detach: (queue) => queue.#end.core.wire,
      attach: (wire) => new JoinableQueue(0, wire),
    });
  }

  /**
   * Makes an empty queue.
   * @param maxSize the most items that it holds; who puts into a full queue waits. 0: no limit
   * @param internal for this library's own use
   * @throws {RangeError} when `maxSize` is no integer from 0 on
   */
  constructor(maxSize: number = 0, internal?: object) {
    super(checkMaxSize("JoinableQueue", maxSize), internal);
    this.#end = Queue.endOf(this) as QueueEnd;
  }

  /**
   * Says that one item that was got is done. Never blocks.
   * @throws {QueueError} when it is called more often than items were put
   */
  taskDone(): void {
    if (this.#end.core.taskDone()) return;
    throw new QueueError(
      "Cannot count another item as done: taskDone() was called for every item that was put. Call it once for each get().",
    );
  }

  /** How many items were put for which {@linkcode JoinableQueue.taskDone} was not called yet: exact. */
  get unfinished(): number {
    return this.#end.core.unfinished;
  }

  /**
   * Waits, without blocking the thread, until every item that was put is done.
   * @param options a time limit in ms, a signal
   * @returns true; false when the time limit passes
   * @throws the signal's reason when it is aborted
   */
  join(options?: WaitOptions): Promise<boolean> {
    return this.#end.join(options);
  }

  /** Blocks the thread until every item that was put is done. @returns true; false when the time limit passes */
  joinSync(options?: WaitOptions): boolean {
    return this.#end.joinSync(options);
  }
}
