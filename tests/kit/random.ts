/**
 * Random choices that can be repeated: a failing test says its seed, `MANYCORE_SEED=n` runs it again.
 * @module
 */
import process from "node:process";

/** The seed of this run. */
export const SEED: number = Number(process.env["MANYCORE_SEED"] ?? Date.now() % 1_000_000);

/** Numbers from 0 to 1 (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One of the choices, each as likely as its weight. */
export function choose<T>(random: () => number, choices: readonly (readonly [T, number])[]): T {
  let at = random() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [choice, weight] of choices) {
    if ((at -= weight) < 0) return choice;
  }
  return (choices[0] as readonly [T, number])[0];
}
