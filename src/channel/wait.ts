/**
 * `wait`: for the first of several things. `transport/waitable.ts` has the contract, and the picture.
 * @module
 */
import { WAIT_BELL } from "../memory/agents.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { load, type SharedWords } from "../memory/atomics.ts";
import { blockOn, deadlineOf, throwIfAborted, type WaitOptions } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import { WAITABLE, type Waitable, type WaitState } from "../transport/waitable.ts";

let bell: AsyncBell | undefined;

/** Waits until one of some things is ready. */
class ThingsWaiter implements AsyncWaiter {
  readonly words: SharedWords = selfAgent().table.words;
  readonly index: number = WAIT_BELL;
  expected = 0;
  readonly #states: readonly WaitState[];

  constructor(states: readonly WaitState[]) {
    this.#states = states;
  }

  get bell(): AsyncBell {
    return bell ??= new AsyncBell(this.words, WAIT_BELL, true);
  }

  poll(): boolean {
    if (this.#anyReady()) return true;
    this.expected = load(this.words, WAIT_BELL);
    for (const state of this.#states) state.arm();
    return this.#anyReady();
  }

  inspect(): void {
    for (const state of this.#states) state.inspect?.();
  }

  end(): void {}

  #anyReady(): boolean {
    for (const state of this.#states) if (state.isReady()) return true;
    return false;
  }
}

/**
 * Waits, without blocking the thread, until one or more of the things are ready, and returns those: a connection or a queue when
 * `recv` or `get` would not wait (there is something, or nothing can come any more), a process when it has ended.
 * Python: `multiprocessing.connection.wait`.
 *
 * @typeParam T the kinds of things
 * @param things connections, queues and processes
 * @param options a time limit in ms, a signal
 * @returns those that are ready, in the order in which they were given; none when the time limit passes
 * @throws {TypeError} when one of the things is none that can be waited for
 * @throws the signal's reason when it is aborted
 *
 * @example
 * ```ts
 * import { Pipe, wait } from "@manycore/multiprocessing";
 *
 * const pipes = [Pipe<number>(), Pipe<number>()];
 * pipes[1]?.[1].sendSync(7);
 * for (const connection of await wait(pipes.map(([mine]) => mine))) console.log(connection.recvSync()); // 7
 * ```
 */
export async function wait<T extends Waitable>(things: Iterable<T>, options?: WaitOptions): Promise<T[]> {
  const [list, states] = statesOf(things);
  const deadline = deadlineOf(options);
  throwIfAborted(options);
  for (const state of states) state.inspect?.();
  if (states.length > 0 || deadline !== Infinity || options?.signal !== undefined) {
    await awaitOn(new ThingsWaiter(states), deadline, options?.signal);
  }
  return list.filter((_, i) => states[i]?.isReady());
}

/** The same as {@linkcode wait}, blocking the thread. @throws {TypeError} when a thing needs this thread's event loop */
export function waitSync<T extends Waitable>(things: Iterable<T>, options?: WaitOptions): T[] {
  const [list, states] = statesOf(things);
  const deadline = deadlineOf(options);
  throwIfAborted(options);
  for (const state of states) {
    if (state.needsLoop !== undefined && !state.isReady()) throw new TypeError(`Cannot waitSync(): ${state.needsLoop}`);
    state.inspect?.();
  }
  if (states.length > 0 || deadline !== Infinity) blockOn(new ThingsWaiter(states), deadline);
  return list.filter((_, i) => states[i]?.isReady());
}

function statesOf<T extends Waitable>(things: Iterable<T>): [T[], WaitState[]] {
  if (typeof things !== "object" || things === null || !(Symbol.iterator in things)) {
    throw new TypeError(`Cannot wait for ${String(things)}: give an array of connections, queues and processes.`);
  }
  const list = [...things];
  return [
    list,
    list.map((thing: unknown, i) => {
      const state = typeof thing === "object" && thing !== null ? (thing as Partial<Waitable>)[WAITABLE] : undefined;
      if (state !== undefined) return state;
      throw new TypeError(
        `Cannot wait for ${String(thing)} (number ${i}): it is no connection, queue or process of this library.`,
      );
    }),
  ];
}
