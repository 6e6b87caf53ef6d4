/**
 * The work of the pool's benchmarks: what every contestant's workers run, ours and the rivals' alike. It is JavaScript and imports
 * nothing, so that no contestant pays for the loading of TypeScript or of anything else when its workers start.
 * @module
 */

// @ts-self-types="./work.d.mts"

/** The least work there is. */
export function increment(n) {
  return n + 1;
}

/** Work for the CPU alone: about 6 ms for n = 30. */
export function fibonacci(n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/** Sends a value back. */
export function echo(value) {
  return value;
}

/** Keeps its thread busy for a time, by the clock: the same on a machine that others use too. */
export function burn(milliseconds) {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
  return milliseconds;
}

/** Waits on a timer, while its thread is free. */
export async function rest(milliseconds) {
  await new Promise((wake) => setTimeout(wake, milliseconds));
  return milliseconds;
}

/** An amount of work: about 1 ns a step, the same result everywhere. */
export function toil(steps) {
  let x = 1;
  for (let i = 0; i < steps; i++) x = (Math.imul(x, 48271) + i) | 0;
  return x;
}

/** Memory-bound: the sum of the squares of doubles in `memory` (or in a SharedArray) from `from` to before `to`. */
export function squares({ memory, offset, array, from, to }) {
  const numbers = array === undefined ? new Float64Array(memory, offset) : array.view;
  let sum = 0;
  for (let i = from; i < to; i++) sum += numbers[i] * numbers[i];
  return sum;
}

/** Compute-bound over the same: a dozen steps of Newton's method per double. */
export function roots({ memory, offset, array, from, to }) {
  const numbers = array === undefined ? new Float64Array(memory, offset) : array.view;
  let sum = 0;
  for (let i = from; i < to; i++) {
    const x = numbers[i];
    let root = x;
    for (let step = 0; step < 12; step++) root = 0.5 * (root + x / root);
    sum += root;
  }
  return sum;
}
