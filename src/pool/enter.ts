/**
 * Where a pool's worker goes into user code.
 *
 * V8 puts a function that was the only one at the place of a call into the code of its caller, as soon as Maglev, its middle
 * compiler, has compiled that. The loop of a task is Maglev's code then, which takes 1.5 to 3 times as long as what TurboFan makes
 * of the task alone, and stays it: the caller is entered too seldom to be compiled any further, and the task is not called any
 * more. Seen on Node 26.10 and Deno 2.9.5 (as in denoland/deno#36336): a `map` of 96 tasks of 1 ms in one worker took 95 ms, and from
 * the fourth on 222.
 *
 * So all calls go through these two places, and V8 sees several functions at each: then it calls what it is given. That costs a
 * call of a nanosecond or two, and nothing on Bun. V8 may forget what it has seen, where nothing was called for long;
 * {@linkcode keepSeveral} is called whenever a worker wakes up.
 * @module
 */

import type { ResolvedTask } from "../tasks/resolve.ts";

type Call = ResolvedTask["call"];

/** Calls a function with one argument. */
export function enter(call: Call, argument: unknown): unknown {
  return call(argument);
}

/** Calls a function with any arguments. */
export function enterSpread(call: Call, args: readonly unknown[]): unknown {
  return call(...args);
}

const NONE: readonly unknown[] = [];
const several: readonly Call[] = [() => 0, () => 1, () => 2];

/** Keeps both places from having seen one function only. */
export function keepSeveral(): void {
  for (const call of several) {
    enter(call, undefined);
    enterSpread(call, NONE);
  }
}
