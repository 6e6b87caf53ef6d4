/**
 * `SimpleQueue`: put, get, empty, close.
 * @module
 */
import type { WaitOptions } from "../memory/park.ts";
import { registerHandle } from "../transport/handles.ts";
import { WAITABLE, type WaitState } from "../transport/waitable.ts";
import type { QueueWire } from "./queue_core.ts";
import { QueueEnd } from "./queue_end.ts";

/**
 * A {@linkcode Queue} with the few methods that most programs need, and no limit to its size. It may be passed to any process.
 *
 * Python: `multiprocessing.SimpleQueue`, whose `put` blocks when its pipe is full; this one never does. `close()` is for all
 * processes, and readers get what is there.
 *
 * @typeParam T what the items are
 *
 * @example
 * ```ts
 * import { SimpleQueue } from "@manycore/multiprocessing";
 *
 * const queue = new SimpleQueue<number>();
 * queue.putSync(1);
 * console.log(await queue.get(), queue.empty); // 1 true
 * ```
 */
export class SimpleQueue<T = unknown> {
  readonly #end: QueueEnd;

  static {
    registerHandle<SimpleQueue, QueueWire>("SimpleQueue", SimpleQueue, {
      detach: (queue) => queue.#end.core.wire,
      attach: (wire) => new SimpleQueue(wire),
    });
  }

  /** Makes an empty queue. @param internal for this library's own use */
  constructor(internal?: object) {
    this.#end = new QueueEnd((internal as QueueWire | undefined) ?? 0);
  }

  /**
   * Puts an item; see `Queue.put`. There is always space.
   * @throws {EncodingError} when it cannot be sent, {QueueClosedError} when the queue is closed
   */
  put(item: T, options?: WaitOptions): Promise<void> {
    return this.#end.put(item, options);
  }

  /** The same at once; never waits for space. @throws {EncodingError} {QueueClosedError} as `put` */
  putSync(item: T, options?: WaitOptions): void {
    this.#end.putSync(item, options);
  }

  /**
   * Gets the next item, waiting for it without blocking the thread.
   * @param options a time limit in ms, a signal
   * @throws {QueueEmptyError} when the time limit passes
   * @throws {QueueClosedError} when the queue is closed and all items have been got
   */
  get(options?: WaitOptions): Promise<T> {
    return this.#end.get(options) as Promise<T>;
  }

  /** Gets the next item, blocking the thread until there is one. @throws {QueueEmptyError} {QueueClosedError} as `get` */
  getSync(options?: WaitOptions): T {
    return this.#end.getSync(options) as T;
  }

  /** For `wait()`: ready when there is an item, or never will be. */
  get [WAITABLE](): WaitState {
    return this.#end.core.waitState;
  }

  /** Whether there is no item: exact. */
  get empty(): boolean {
    return this.#end.core.size === 0;
  }

  /** Takes no more items, from anyone. Readers get what is there. Never blocks. */
  close(): void {
    this.#end.core.close();
  }

  /** Gets item after item until the queue is closed and empty; see `Queue`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this.#end.iterate() as AsyncIterableIterator<T>;
  }

  /** The same, blocking the thread for each item. */
  itemsSync(): IterableIterator<T> {
    return this.#end.iterateSync() as IterableIterator<T>;
  }
}
