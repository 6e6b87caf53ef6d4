/**
 * One agent's end of a queue: every way to put and to get, for the three classes.
 *
 * ```
 *   put ───────▶ fast path: write the record ──▶ done            get ───▶ fast path: take a record ──▶ item
 *   putSync        full ─▶ block                                 getSync    empty ─▶ spin, block
 *   put            full ─▶ outbox, in order                      get        empty ─▶ await the bell
 * ```
 *
 * A fast path tries once, with no options and no promise that it does not return. Everything else is in a slow path.
 * @module
 */
import { QueueClosedError, QueueEmptyError } from "../errors.ts";
import { type AsyncBell, awaitOn } from "../memory/async_park.ts";
import { blockOn, deadlineOf, now, throwIfAborted, type WaitOptions } from "../memory/park.ts";
import {
  decodeItem,
  decodeItemSync,
  encodedBytes,
  encodedKind,
  encodedLength,
  encodeItem,
  itemCargo,
  settleCargo,
} from "./queue_codec.ts";
import {
  ALL_DONE,
  BRIEFLY,
  BUSY,
  DONE,
  DRAINED_FOR_GOOD,
  FULL,
  HELD,
  ITEMS,
  NOTHING,
  type PutOutcome,
  QueueCore,
  type QueueWire,
  SPACE,
} from "./queue_core.ts";
import { Outbox, putError, type Written } from "./queue_outbox.ts";
import { CONSTANT, DOUBLE, ENCODED, INTEGER } from "./queue_records.ts";
import { breathe, newBell, outOfBreath, pause, QueueWaiter } from "./queue_wait.ts";

/** What `put` returns when it was done at once. */
const AT_ONCE: Promise<void> = Promise.resolve();

/** How often a thread spins for an item, or for space, when others are faster, before it sleeps. */
const SPINS = 8;

function isInteger(item: number): boolean {
  return (item | 0) === item && (item !== 0 || 1 / item > 0);
}

/** The index of an item among the CONSTANTS, or −1. */
function constantOf(item: unknown): number {
  return item === undefined ? 0 : item === null ? 1 : item === false ? 2 : item === true ? 3 : -1;
}

/** An item that has been encoded just now, as it is to be written. Its bytes are good until the next one is encoded. */
function written(item: unknown): Written {
  if (typeof item === "number") {
    return { kind: isInteger(item) ? INTEGER : DOUBLE, value: item, bytes: undefined, length: 0, cargo: undefined };
  }
  const which = constantOf(item);
  if (which >= 0) return { kind: CONSTANT, value: which, bytes: undefined, length: 0, cargo: undefined };
  return { kind: encodedKind(), value: 0, bytes: encodedBytes(), length: encodedLength(), cargo: itemCargo() };
}

function write(item: unknown): Written {
  if (typeof item !== "number" && constantOf(item) < 0) encodeItem(item);
  return written(item);
}

function closedAndDrained(): QueueClosedError {
  return new QueueClosedError("Cannot get an item: the queue is closed, and all its items have been got.");
}

function nothingInTime(timeout: number | undefined): QueueEmptyError {
  return new QueueEmptyError(`Cannot get an item: none came within ${timeout} ms.`);
}

/** See above. */
export class QueueEnd {
  readonly core: QueueCore;
  readonly #outbox: Outbox;
  #itemBell: AsyncBell | undefined;
  #doneBell: AsyncBell | undefined;

  /** @param most the most items of a new queue, 0: no limit; or an existing queue */
  constructor(most: number | QueueWire) {
    this.core = new QueueCore(most);
    this.#outbox = new Outbox(this.core);
  }

  /** Puts an item without blocking the thread. */
  put(item: unknown, options: WaitOptions | undefined): Promise<void> {
    try {
      if (options !== undefined || !this.#outbox.isEmpty) {
        const deadline = deadlineOf(options);
        throwIfAborted(options);
        return this.#putSlow(write(item), item, deadline, options?.signal);
      }
      if (this.#attempt(item, BRIEFLY) !== DONE) return this.#putSlow(written(item), item, Infinity, undefined);
      return outOfBreath() ? breathe() : AT_ONCE;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Puts an item, blocking the thread until there is space. */
  putSync(item: unknown, options: WaitOptions | undefined): void {
    if (options !== undefined || !this.#outbox.isEmpty) {
      const deadline = deadlineOf(options);
      throwIfAborted(options);
      this.#putSyncSlow(write(item), item, deadline);
    } else if (this.#attempt(item, Infinity) !== DONE) this.#putSyncSlow(written(item), item, Infinity);
  }

  /** Puts an item if there is space. */
  putNowait(item: unknown): void {
    if (this.#outbox.isEmpty) {
      const outcome = this.#attempt(item, Infinity);
      if (outcome !== DONE) throw this.#failed(written(item), item, outcome, false);
      return;
    }
    const { core } = this;
    const one = write(item);
    const now = (one: Written): PutOutcome => core.put(one.kind, one.value, one.bytes, one.length, Infinity);
    const outcome = this.#outbox.flush(now) ? now(one) : FULL;
    if (outcome !== DONE) throw this.#failed(one, item, outcome, false);
    settleCargo(one.cargo, true);
  }

  /** Gets an item without blocking the thread. */
  get(options: WaitOptions | undefined): Promise<unknown> {
    try {
      if (options !== undefined) return this.getSlow(options);
      let item = this.core.take(BRIEFLY);
      if (typeof item === "symbol") {
        if (item !== ENCODED) return this.getSlow(options);
        item = decodeItem();
        if (item instanceof Promise) return item;
      }
      // It is taken at the call: calls that nobody awaits get their items in order.
      return outOfBreath() ? breathe().then(() => item) : Promise.resolve(item);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Gets an item, blocking the thread until there is one. */
  getSync(options: WaitOptions | undefined): unknown {
    if (options !== undefined) return this.#getSyncSlow(options);
    const item = this.core.take(Infinity);
    if (typeof item !== "symbol") return item;
    return item === ENCODED ? decodeItemSync() : this.#getSyncSlow(options);
  }

  /** Gets an item if there is one. */
  getNowait(): unknown {
    const item = this.core.take(Infinity);
    if (typeof item !== "symbol") return item;
    if (item === ENCODED) return decodeItemSync();
    if (item === DRAINED_FOR_GOOD) throw closedAndDrained();
    throw new QueueEmptyError("Cannot get an item: the queue is empty.");
  }

  /** Gets item after item until the queue is closed and empty. */
  iterate(): AsyncIterableIterator<unknown> {
    return new QueueIterator(this);
  }

  /** The same, blocking the thread for each. */
  *iterateSync(): Generator<unknown, void> {
    for (;;) {
      let item: unknown;
      try {
        item = this.getSync(undefined);
      } catch (error) {
        if (error instanceof QueueClosedError) return;
        throw error;
      }
      yield item;
    }
  }

  /** Waits until every item is done. */
  async join(options: WaitOptions | undefined): Promise<boolean> {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    if (this.core.isReady(ALL_DONE)) return true;
    const waiter = new QueueWaiter(this.core, ALL_DONE, this.#doneBell ??= newBell(this.core, ALL_DONE));
    return await awaitOn(waiter, deadline, options?.signal);
  }

  /** The same, blocking the thread. */
  joinSync(options: WaitOptions | undefined): boolean {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    return this.core.isReady(ALL_DONE) || blockOn(new QueueWaiter(this.core, ALL_DONE), deadline);
  }

  #attempt(item: unknown, deadline: number): PutOutcome {
    const { core } = this;
    if (typeof item === "number") return core.put(isInteger(item) ? INTEGER : DOUBLE, item, undefined, 0, deadline);
    const which = constantOf(item);
    if (which >= 0) return core.put(CONSTANT, which, undefined, 0, deadline);
    encodeItem(item);
    const outcome = core.put(encodedKind(), 0, encodedBytes(), encodedLength(), deadline);
    if (outcome === DONE) settleCargo(itemCargo(), true);
    return outcome;
  }

  /** What is to be thrown for a put that has failed. */
  #failed(one: Written, item: unknown, outcome: PutOutcome, waited: boolean): Error {
    settleCargo(one.cargo, false);
    return putError(outcome, item, this.core.most, waited);
  }

  #putSlow(one: Written, item: unknown, deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const { core } = this;
    let outcome: PutOutcome = FULL;
    if (this.#outbox.isEmpty) {
      outcome = core.put(one.kind, one.value, one.bytes, one.length, BRIEFLY);
      if (outcome === DONE) {
        settleCargo(one.cargo, true);
        return outOfBreath() ? breathe() : AT_ONCE;
      }
    }
    const timeout = deadline === Infinity ? Infinity : deadline - now();
    if (timeout <= 0 || (outcome !== FULL && outcome !== BUSY)) throw this.#failed(one, item, outcome, true);
    return this.#outbox.add(one, item, timeout, signal);
  }

  #putSyncSlow(one: Written, item: unknown, deadline: number): void {
    const { core } = this;
    const waiter = new QueueWaiter(core, SPACE);
    const attempt = (one: Written): PutOutcome => {
      for (let tries = 0;; tries++) {
        const outcome = core.put(one.kind, one.value, one.bytes, one.length, deadline);
        if (outcome !== FULL) return outcome;
        if (tries < SPINS && core.spinForSpace()) continue;
        if (!blockOn(waiter, deadline)) return FULL;
      }
    };
    try {
      const outcome = this.#outbox.flush(attempt) ? attempt(one) : FULL;
      if (outcome !== DONE) throw this.#failed(one, item, outcome, true);
      settleCargo(one.cargo, true);
    } finally {
      waiter.leave();
    }
  }

  /** The slow path of {@linkcode get}. */
  async getSlow(options: WaitOptions | undefined): Promise<unknown> {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    const { core } = this;
    let waiter: QueueWaiter | undefined;
    try {
      for (;;) {
        const item = core.take(BRIEFLY);
        if (item === HELD) {
          if (now() >= deadline) throw nothingInTime(options?.timeout);
          await pause();
        } else if (item === NOTHING) {
          waiter ??= new QueueWaiter(core, ITEMS, this.#itemBell ??= newBell(core, ITEMS));
          if (!await awaitOn(waiter, deadline, options?.signal)) throw nothingInTime(options?.timeout);
        } else if (item === DRAINED_FOR_GOOD) throw closedAndDrained();
        else {
          const value = item === ENCODED ? await decodeItem() : item;
          if (outOfBreath()) await breathe();
          return value;
        }
      }
    } finally {
      waiter?.leave();
    }
  }

  #getSyncSlow(options: WaitOptions | undefined): unknown {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    const { core } = this;
    let waiter: QueueWaiter | undefined;
    try {
      for (let tries = 0;; tries++) {
        const item = core.take(deadline);
        if (item === HELD) throw nothingInTime(options?.timeout);
        if (item === NOTHING) {
          if (tries < SPINS && core.spinForItems()) continue;
          waiter ??= new QueueWaiter(core, ITEMS);
          if (!blockOn(waiter, deadline)) throw nothingInTime(options?.timeout);
        } else if (item === DRAINED_FOR_GOOD) throw closedAndDrained();
        else return item === ENCODED ? decodeItemSync() : item;
      }
    } finally {
      waiter?.leave();
    }
  }
}

/** What `for await` uses. It holds no item of its own: what has not been asked for stays in the queue. */
class QueueIterator implements AsyncIterableIterator<unknown> {
  readonly #end: QueueEnd;
  #over = false;

  constructor(end: QueueEnd) {
    this.#end = end;
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#over) return this.#nextSlow();
    let item: unknown;
    try {
      item = this.#end.core.take(BRIEFLY);
      if (typeof item === "symbol") {
        if (item !== ENCODED) return this.#nextSlow();
        item = decodeItem();
        if (item instanceof Promise) return item.then((value) => ({ value, done: false }));
      }
    } catch (error) {
      return Promise.reject(error);
    }
    const result = { value: item, done: false };
    return outOfBreath() ? breathe().then(() => result) : Promise.resolve(result);
  }

  async #nextSlow(): Promise<IteratorResult<unknown>> {
    if (this.#over) return { value: undefined, done: true };
    try {
      return { value: await this.#end.getSlow(undefined), done: false };
    } catch (error) {
      if (!(error instanceof QueueClosedError)) throw error;
      this.#over = true;
      return { value: undefined, done: true };
    }
  }

  return(value?: unknown): Promise<IteratorResult<unknown>> {
    this.#over = true;
    return Promise.resolve({ value, done: true });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<unknown> {
    return this;
  }
}
