/**
 * Counters that two threads raise for each other, over bare `Atomics`: the least that a hand-over can cost.
 * @module
 */

type Words = Int32Array<SharedArrayBuffer>;

/** How long the raw controls spin, in loads. */
export const SPIN = 2000;

/** Waits until a counter has come so far. The word behind it says that its reader sleeps. */
export function awaitWord(words: Words, index: number, least: number, spin: number = SPIN): void {
  for (let spun = 0; Atomics.load(words, index) < least;) {
    if (spun++ < spin) continue;
    Atomics.store(words, index + 1, 1);
    Atomics.wait(words, index, least - 1, 100);
  }
}

/** Adds one to a counter, and wakes its reader if that sleeps. */
export function raise(words: Words, index: number): void {
  Atomics.add(words, index, 1);
  if (Atomics.load(words, index + 1) === 1 && Atomics.exchange(words, index + 1, 0) === 1) {
    Atomics.notify(words, index);
  }
}

/** Round trips of two sides, each with a counter of its own, which begins at 0. */
export function rawPingPong(words: Words, side: number, rounds: number, spin: number): void {
  const own = 16 + side * 16;
  const other = 32 - side * 16;
  for (let i = 1; i <= rounds; i++) {
    if (side === 0) raise(words, other);
    awaitWord(words, own, i, spin);
    if (side === 1) raise(words, other);
  }
}
