/**
 * How one waits for a queue: for items, for space, or for all items to be done. A waiter only looks whether it is worth to
 * try; the attempt itself is the caller's, and may still fail when somebody else was faster.
 * @module
 */
import { AsyncBell, type AsyncWaiter } from "../memory/async_park.ts";
import { load, type SharedWords } from "../memory/atomics.ts";
import { now } from "../memory/park.ts";
import type { Awaited, QueueCore } from "./queue_core.ts";

/** One wait. {@linkcode QueueWaiter.leave} is to be called when the caller does not wait any more. */
export class QueueWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  readonly index: number;
  expected = 0;
  readonly bell: AsyncBell;
  readonly #core: QueueCore;
  readonly #what: Awaited;
  readonly #blocking: boolean;
  #announced = false;

  /** @param bell for a wait that does not block: the bell for this kind of waits of this queue in this agent */
  constructor(core: QueueCore, what: Awaited, bell?: AsyncBell) {
    this.words = core.control;
    this.index = core.turnOf(what, bell === undefined);
    this.bell = bell as AsyncBell;
    this.#core = core;
    this.#what = what;
    this.#blocking = bell === undefined;
  }

  poll(): boolean {
    const core = this.#core;
    if (core.isReady(this.#what)) return true;
    const turn = load(this.words, this.index);
    core.announce(this.#what, this.#blocking);
    this.#announced = true;
    if (core.isReady(this.#what)) return true;
    this.expected = turn;
    return false;
  }

  inspect(): void {}

  end(): void {}

  /** Hands the wake on that this waiter may have been given, see `queue_core.ts`. */
  leave(): void {
    if (!this.#announced) return;
    this.#announced = false;
    this.#core.leave(this.#what, this.#blocking);
  }
}

/** A bell for waits without blocking. */
export function newBell(core: QueueCore, what: Awaited): AsyncBell {
  return new AsyncBell(core.control, core.turnOf(what, false), what === 2);
}

/** How long this agent may go on without a turn of its event loop, in ms. */
const BREATH = 5;
/** The clock is looked at every so many calls: it costs as much as a call. */
const CALLS = 64;

let calls = 0;
let turned = now();

const immediately: (callback: () => void) => void =
  (globalThis as { setImmediate?: (callback: () => void) => void }).setImmediate ??
    ((callback) => void setTimeout(callback, 0));

/**
 * Whether it is time to let the event loop turn: a loop over `await queue.get()` that always finds an item would run on
 * microtasks only, and no timer, socket or message would ever be served.
 */
export function outOfBreath(): boolean {
  return (++calls & (CALLS - 1)) === 0 && now() - turned > BREATH;
}

/** Lets the event loop turn once. */
export async function breathe(): Promise<void> {
  await new Promise<void>((resolve) => immediately(resolve));
  turned = now();
}

/** Waits a millisecond: for who holds a lock and does not get on, because the system runs something else. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
