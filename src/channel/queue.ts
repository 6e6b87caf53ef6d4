/**
 * `Queue`: items between any processes, in order, as many writers and readers as you like.
 * @module
 */
import type { WaitOptions } from "../memory/park.ts";
import { registerHandle } from "../transport/handles.ts";
import { WAITABLE, type WaitState } from "../transport/waitable.ts";
import type { QueueWire } from "./queue_core.ts";
import { QueueEnd } from "./queue_end.ts";

/** The most items that a limit can name. */
const MOST = 2 ** 30 - 1;

/** Checks a `maxSize`. */
export function checkMaxSize(what: string, maxSize: unknown): number {
  if (typeof maxSize !== "number") {
    throw new TypeError(`Cannot make a ${what}: maxSize is ${typeof maxSize} ${String(maxSize)}, not a number.`);
  }
  if (maxSize === Infinity) return 0;
  if (!Number.isInteger(maxSize) || maxSize < 0 || maxSize > MOST) {
    throw new RangeError(
      `Cannot make a ${what} of ${maxSize} items; give an integer from 1 to ${MOST}, or 0 for no limit.`,
    );
  }
  return maxSize;
}

/**
 * Items that processes hand to each other: whoever puts, whoever gets. It may be passed to any process, nested in anything,
 * also in its own items.
 *
 * Items come out in the order in which they were put; each item is got by one reader. What can be put is what can be passed
 * to a process: a copy is put, made by `put` itself, so that later changes to the object are not seen, and what cannot be
 * sent fails there with an `EncodingError`. What happened before a put is visible after the get of that item.
 *
 * Python: `multiprocessing.Queue`, with these differences. Nothing is lost or garbled when a reader or writer dies, except
 * the item that it was itself taking or putting. `size`, `empty` and `full` are exact. `close()` is for all processes: nothing
 * can be put any more, readers get what is there, then `for await` ends and `get()` throws. There is no feeder thread, and
 * so no `join_thread`: what `put` has put is in the queue. Times are milliseconds.
 *
 * A queue without `maxSize` grows as needed, up to 4 GB; the memory of items that were got is used again, and is given back to
 * the system when nobody has the queue any more. A connection that is in an item keeps its end of the pipe open until the item
 * was got: get what is left in a queue of connections before you let go of it.
 *
 * @typeParam T what the items are
 *
 * @example
 * ```ts
 * import { Queue } from "@manycore/multiprocessing";
 *
 * const queue = new Queue<string>();
 * await queue.put("hello");
 * queue.putSync("world");
 * queue.close();
 * for await (const word of queue) console.log(word); // hello, world
 * ```
 */
export class Queue<T = unknown> {
  readonly #end: QueueEnd;

  static {
    registerHandle<Queue, QueueWire>("Queue", Queue, {
      detach: (queue) => queue.#end.core.wire,
      attach: (wire) => new Queue(0, wire),
    });
  }

  /**
   * Makes an empty queue.
   * @param maxSize the most items that it holds; who puts into a full queue waits. 0: no limit
   * @param internal for this library's own use
   * @throws {RangeError} when `maxSize` is no integer from 0 on
   */
  constructor(maxSize: number = 0, internal?: object) {
    this.#end = new QueueEnd((internal as QueueWire | undefined) ?? checkMaxSize("Queue", maxSize));
  }

  /** The inside of a queue; for this library's own use. */
  static endOf(queue: object): object {
    return (queue as Queue).#end;
  }

  /** For `wait()`: ready when there is an item, or never will be. */
  get [WAITABLE](): WaitState {
    return this.#end.core.waitState;
  }

  /**
   * Puts an item, waiting for space without blocking the thread. Puts of one process keep their order, awaited or not.
   *
   * @param item what can be passed to a process; it is copied during the call
   * @param options a time limit in ms, a signal
   * @throws {EncodingError} when it cannot be sent
   * @throws {QueueFullError} when the time limit passes; its `item` is the item
   * @throws {QueueClosedError} when the queue is closed; its `item` is the item
   * @throws the signal's reason when it is aborted
   */
  put(item: T, options?: WaitOptions): Promise<void> {
    return this.#end.put(item, options);
  }

  /**
   * Puts an item, blocking the thread until there is space.
   *
   * @param item what can be passed to a process, @param options a time limit in ms, a signal that is looked at before blocking
   * @throws {EncodingError} when it cannot be sent
   * @throws {QueueFullError} when the time limit passes, {QueueClosedError} when the queue is closed; `item` is the item
   */
  putSync(item: T, options?: WaitOptions): void {
    this.#end.putSync(item, options);
  }

  /**
   * Puts an item if there is space; never waits.
   * @throws {QueueFullError} when there is none, {QueueClosedError} when the queue is closed; `item` is the item
   * @throws {EncodingError} when the item cannot be sent
   */
  putNowait(item: T): void {
    this.#end.putNowait(item);
  }

  /**
   * Gets the next item, waiting for it without blocking the thread.
   *
   * @param options a time limit in ms, a signal
   * @throws {QueueEmptyError} when the time limit passes
   * @throws {QueueClosedError} when the queue is closed and all items have been got
   * @throws the signal's reason when it is aborted
   */
  get(options?: WaitOptions): Promise<T> {
    return this.#end.get(options) as Promise<T>;
  }

  /**
   * Gets the next item, blocking the thread until there is one.
   *
   * @param options a time limit in ms, a signal that is looked at before blocking
   * @throws {QueueEmptyError} when the time limit passes
   * @throws {QueueClosedError} when the queue is closed and all items have been got
   */
  getSync(options?: WaitOptions): T {
    return this.#end.getSync(options) as T;
  }

  /**
   * Gets the next item if there is one; never waits.
   * @throws {QueueEmptyError} when there is none
   * @throws {QueueClosedError} when the queue is closed and all items have been got
   */
  getNowait(): T {
    return this.#end.getNowait() as T;
  }

  /**
   * Takes no more items, from anyone; puts that wait for space fail. Readers get what is there. The second and every later
   * call does nothing. Never blocks. Python: only for the calling process.
   */
  close(): void {
    this.#end.core.close();
  }

  /** Whether {@linkcode Queue.close} was called, by any process. */
  get closed(): boolean {
    return this.#end.core.closed;
  }

  /** How many items there are: exact, but others may put and get at any time. Python: `qsize()`. */
  get size(): number {
    return this.#end.core.size;
  }

  /** The most items that it holds; 0 when there is no limit. */
  get maxSize(): number {
    return this.#end.core.most;
  }

  /** Whether there is no item; also of a queue that is closed, where Python raises. */
  get empty(): boolean {
    return this.#end.core.size === 0;
  }

  /** Whether there are `maxSize` items. */
  get full(): boolean {
    const { most, size } = this.#end.core;
    return most !== 0 && size >= most;
  }

  /**
   * Gets item after item, waiting without blocking the thread, until the queue is closed and empty. An item that has not been
   * asked for stays in the queue, so that several processes may read at the same time.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this.#end.iterate() as AsyncIterableIterator<T>;
  }

  /** The same, blocking the thread for each item: `for (const item of queue.itemsSync())`. */
  itemsSync(): IterableIterator<T> {
    return this.#end.iterateSync() as IterableIterator<T>;
  }
}
