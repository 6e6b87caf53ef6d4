/** A part of shared memory that holds doubles. */
export interface Part {
  readonly memory: SharedArrayBuffer;
  /** The byte where they begin. */
  readonly offset: number;
  readonly from: number;
  readonly to: number;
}

/** The least work there is. */
export function increment(n: number): number;
/** Work for the CPU alone: about 6 ms for n = 30. */
export function fibonacci(n: number): number;
/** Sends a value back. */
export function echo<T>(value: T): T;
/** Keeps its thread busy for a time, by the clock: the same on a machine that others use too. */
export function burn(milliseconds: number): number;
/** Waits on a timer, while its thread is free. */
export function rest(milliseconds: number): Promise<number>;
/** An amount of work: about 1 ns a step, the same result everywhere. */
export function toil(steps: number): number;
/** Memory-bound: the sum of the squares of the doubles. */
export function squares(part: Part): number;
/** Compute-bound over the same: a dozen steps of Newton's method per double. */
export function roots(part: Part): number;
