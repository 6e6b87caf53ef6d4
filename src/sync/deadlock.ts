/**
 * Deadlock reports: when agents block each other in a circle, one of them gets a `DeadlockError` that says who holds
 * what and who waits for what. The proof that a report is never false stands in `memory/wait_graph.ts`.
 *
 * Waits count that nothing else will end (no timeout, no signal), for something that one agent holds (a lock, or the
 * end of a process). Waits of a blocked thread always count; asynchronous ones only in a process that runs one task at a time:
 * an event loop with other work may still release what it holds.
 * @module
 */
import { DeadlockError } from "../errors.ts";
import { type CircleMember, deadlockInterval, setDeadlockInterval, WaitEdge } from "../memory/wait_graph.ts";
import { selfAgent } from "../memory/self.ts";
import { tokenOf } from "../memory/agents.ts";

/** Options of {@linkcode detectDeadlocks}. */
export interface DeadlockOptions {
  /** After how many milliseconds of waiting a process looks for a circle. Default: 150. */
  readonly interval?: number;
}

/**
 * Switches deadlock reports on or off for the whole program, all of its processes included. They are on by default,
 * and cost nothing until somebody has waited for a while. Never blocks. Python has no such thing: it hangs.
 *
 * A wait counts if it has no time limit and no signal. That of a blocked thread always does. An `await` counts in a process
 * that runs one task at a time (a `Process`, a worker of a pool without `concurrency`), because what holds the lock there is
 * nearly always the function that awaits. One whose own timer, or another of its promises, would have released the lock
 * is reported although it would have gone on: give that wait a time limit, however long, or a signal. An `await`
 * of the main process is never reported.
 *
 * @param enabled false to switch them off: deadlocked processes then wait for ever, as in Python
 * @param options how soon to look
 * @throws {RangeError} when the interval is not a positive number
 *
 * @example
 * ```ts
 * import { detectDeadlocks } from "@manycore/multiprocessing";
 *
 * detectDeadlocks(true, { interval: 50 });
 * ```
 */
export function detectDeadlocks(enabled: boolean, options: DeadlockOptions = {}): void {
  const interval = options.interval ?? 150;
  if (!(interval > 0)) {
    throw new RangeError(`Cannot look for deadlocks every ${String(interval)} ms; give a positive number.`);
  }
  setDeadlockInterval(selfAgent().table, enabled ? interval : Infinity);
}

/** Whether deadlock reports are switched on. */
export function deadlocksDetected(): boolean {
  return deadlockInterval(selfAgent().table) !== Infinity;
}

/**
 * The deadlock check of one wait. `inspect` is to be called now and then while the wait goes on, `end` when it is over.
 * The process room uses it for a `join` inside of a process.
 */
export class DeadlockWatch {
  readonly #label: string;
  #edge: WaitEdge | undefined;

  /** @param label what is waited for, for example `Lock #3`, or `the end of Process-2` */
  constructor(label: string) {
    this.#label = label;
  }

  /**
   * Looks for a circle.
   * @param elapsed for how long the wait has gone on, in ms
   * @param holder reads the token of the agent that is waited for, 0 when there is none
   * @param blocking whether the thread is blocked by it
   * @throws {DeadlockError} when there is one
   */
  inspect(elapsed: number, holder: () => number, blocking: boolean): void {
    if (elapsed < deadlockInterval(selfAgent().table)) return;
    this.#edge ??= new WaitEdge(this.#label);
    const circle = this.#edge.update(holder, blocking);
    if (circle !== undefined) throw deadlockError(circle);
  }

  /** Takes the wait out of the books. */
  end(): void {
    this.#edge?.clear();
  }
}

/** The error for a circle of agents. */
export function deadlockError(circle: readonly CircleMember[]): DeadlockError {
  const lines = circle.map(({ name, waitsFor }, i) => {
    const before = circle[(i + circle.length - 1) % circle.length] as CircleMember;
    const holds = before.waitsFor.startsWith("the end of")
      ? `is awaited by ${before.name}`
      : `holds ${before.waitsFor}`;
    const next = circle[(i + 1) % circle.length] as CircleMember;
    const whose = waitsFor.startsWith("the end of") ? "" : ` (held by ${next.name})`;
    return `${name} ${holds} and waits for ${waitsFor}${whose}`;
  });
  return new DeadlockError(
    `Deadlock: ${lines.join("; ")}. Take locks in the same order everywhere, or give acquire() a timeout.`,
    lines,
  );
}

/** The error for an agent that blocks its thread for what it holds itself. */
export function selfDeadlockError(what: string, hint: string): DeadlockError {
  const self = selfAgent();
  const circle = [{ token: tokenOf(self), name: self.name, waitsFor: what }];
  const { cycle } = deadlockError(circle);
  return new DeadlockError(`Deadlock: ${cycle[0]}. ${hint}`, cycle);
}
