/**
 * The functions that the benchmarks run in workers, and on the host for comparison.
 * @module
 */
import { task, transfer } from "../mod.ts";

/** The least work there is. */
export const square: (n: number) => number = task(import.meta, (n: number) => n * n);

/** Work for the CPU alone: about 1.3 ms for n = 27 on the machine that this was written on. */
export const fibonacci: (n: number) => number = task(import.meta, function fibonacci(n: number): number {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
});

/** Gives back what it got, and copies it neither way. */
export const moved: (buffer: ArrayBuffer) => ArrayBuffer = task(
  import.meta,
  (buffer: ArrayBuffer) => transfer(buffer, [buffer]),
);
