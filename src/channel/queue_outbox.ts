/**
 * The asynchronous puts of one agent that wait for space, in the order in which they were called.
 *
 * ```
 *   put() ─▶ encoded, at the end of the line ─▶ the pump waits for space ─▶ first in line ─▶ resolve
 * ```
 *
 * One loop, the pump, puts what is in the line, so that two puts that nobody awaits keep their order. A blocking put of the
 * same agent first puts what is in the line.
 * @module
 */
import { QueueClosedError, QueueFullError } from "../errors.ts";
import { type AsyncBell, awaitOn } from "../memory/async_park.ts";
import type { Cargo } from "../transport/cargo.ts";
import { settleCargo } from "./queue_codec.ts";
import { BRIEFLY, BUSY, CLOSED, DONE, FULL, type PutOutcome, type QueueCore, SPACE } from "./queue_core.ts";
import { newBell, pause, QueueWaiter } from "./queue_wait.ts";

/** What a put writes. */
export interface Written {
  readonly kind: number;
  readonly value: number;
  readonly bytes: Uint8Array | undefined;
  readonly length: number;
  /** What it takes along beside its bytes. */
  readonly cargo: Cargo | undefined;
}

/** A put that waits. */
interface Pending extends Written {
  readonly item: unknown;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  /** Takes its timer and its listener away. */
  settled: () => void;
  next: Pending | undefined;
  gone: boolean;
}

/** What a put says that did not end well. */
export function putError(outcome: PutOutcome, item: unknown, most: number, waited: boolean): Error {
  if (outcome === CLOSED) {
    return new QueueClosedError("Cannot put an item: the queue is closed. The error has it as its `item`.", item);
  }
  if (outcome === FULL || outcome === BUSY) {
    const found = most === 0 ? "its lock was held" : `it held ${most} of at most ${most} items`;
    return new QueueFullError(`Cannot put an item: ${found}${waited ? " until the time limit passed" : ""}.`, item);
  }
  return new QueueFullError(
    "Cannot put an item: the queue's memory cannot grow. A queue holds up to 4 GB; give it a maxSize, so that writers wait " +
      "for readers.",
    item,
  );
}

/** The line. */
export class Outbox {
  readonly #core: QueueCore;
  #first: Pending | undefined;
  #last: Pending | undefined;
  #pumping = false;
  #bell: AsyncBell | undefined;
  #idle: AbortController | undefined;

  constructor(core: QueueCore) {
    this.#core = core;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Adds a put to the line. `timeout`: how long it may wait, in ms, or Infinity. */
  add(written: Written, item: unknown, timeout: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const bytes = written.bytes === undefined ? undefined : copyOf(written.bytes, written.length);
      const { kind, value, length, cargo } = written;
      const next = undefined;
      const pending: Pending = {
        kind,
        value,
        length,
        bytes,
        cargo,
        item,
        resolve,
        reject,
        settled() {},
        next,
        gone: false,
      };
      let timer: ReturnType<typeof setTimeout> | undefined;
      const expire = (): void => this.#drop(pending, putError(FULL, item, this.#core.most, true));
      const abort = (): void => this.#drop(pending, signal?.reason);
      if (timeout !== Infinity) timer = setTimeout(expire, Math.min(timeout + 1, 0x7fffffff));
      signal?.addEventListener("abort", abort);
      pending.settled = () => {
        if (timer !== undefined) clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      if (this.#last === undefined) this.#first = pending;
      else this.#last.next = pending;
      this.#last = pending;
      if (!this.#pumping) void this.#pump();
    });
  }

  /** Puts what is in the line, as far as `attempt` gets; it may block. Returns whether the line is empty now. */
  flush(attempt: (written: Written) => PutOutcome): boolean {
    for (let first = this.#first; first !== undefined; first = this.#first) {
      if (!this.#settle(first, attempt(first))) return false;
    }
    return true;
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    const core = this.#core;
    const waiter = new QueueWaiter(core, SPACE, this.#bell ??= newBell(core, SPACE));
    try {
      for (let first = this.#first; first !== undefined; first = this.#first) {
        const outcome = core.put(first.kind, first.value, first.bytes, first.length, BRIEFLY);
        if (outcome === BUSY) await pause();
        else if (outcome === FULL) {
          const idle = this.#idle = new AbortController();
          await awaitOn(waiter, Infinity, idle.signal).catch((error) => {
            if (!idle.signal.aborted) throw error;
          });
          this.#idle = undefined;
        } else this.#settle(first, outcome);
      }
    } catch (error) {
      // This agent was asked to stop.
      for (let first = this.#first; first !== undefined; first = this.#first) this.#drop(first, error);
    } finally {
      waiter.leave();
      this.#pumping = false;
    }
  }

  /** Ends the first put of the line, unless it has to wait on. */
  #settle(first: Pending, outcome: PutOutcome): boolean {
    if (outcome === FULL || outcome === BUSY) return false;
    this.#drop(first, outcome === DONE ? undefined : putError(outcome, first.item, this.#core.most, false));
    return true;
  }

  /** Takes a put out of the line; without an error, because it is done. */
  #drop(pending: Pending, error: unknown): void {
    if (pending.gone) return;
    pending.gone = true;
    settleCargo(pending.cargo, error === undefined);
    pending.settled();
    while (this.#first?.gone === true) this.#first = this.#first.next;
    if (this.#first === undefined) {
      this.#last = undefined;
      this.#idle?.abort();
    }
    if (error === undefined) pending.resolve();
    else pending.reject(error);
  }
}

/** The bytes in memory of their own, in whole words. */
function copyOf(bytes: Uint8Array, length: number): Uint8Array {
  const copy = new Uint8Array((length + 3) & ~3);
  copy.set(bytes.subarray(0, length));
  return copy;
}
