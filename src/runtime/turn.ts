/**
 * Going on in the event loop's next turn, so that timers, sockets and messages come to their turn in between.
 * @module
 */
import { timers } from "./builtins.ts";

let immediate: ((callback: () => void) => unknown) | undefined;

/** Calls `callback` in the next turn of the event loop; until then the program stays alive. It costs 1 to 5 µs. */
export function nextTurn(callback: () => void): void {
  immediate ??= timers().setImmediate;
  immediate(callback);
}

const settled = Promise.resolve();

/** Calls `callback` in a microtask. On Node `queueMicrotask` makes a resource for each, which is slow code after a pause: 10 µs. */
export function microtask(callback: () => void): void {
  void settled.then(callback);
}
