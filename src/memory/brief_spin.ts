/**
 * Spinning for a short time, before an agent that others talk to goes to sleep on its event loop.
 *
 * Going to sleep and being woken takes 20 to 50 µs, of which 7 are the other's: a spin of that order loses at most as much again
 * (the competitive argument of Karlin and others, 1991). Its length is fixed, unlike that of `SpinBudget`: two agents that
 * answer each other and have both fallen asleep by bad luck, a third program on the core, would learn short spins from each other,
 * and sleep before every answer for thousands of calls (seen: 14 µs a call instead of 1). With one full spin in every few tries one
 * answer in time is enough for both to stay awake.
 * @module
 */
import { now } from "./park.ts";

/** How long a spin is, in ms. It covers the wake of one that sleeps, 10 to 15 µs, so that who waits for it stays awake. */
const LENGTH = 0.025;

/** After so many misses in a row only one time in as many is tried. */
const MISSES = 8;

/** Looks between two looks at the clock. */
const LOOKS = 32;

/** The spins of one agent. */
export class BriefSpin {
  #misses = 0;

  /** Spins until `found` says so, which should cost little more than a load; false when the time is over. */
  until(found: () => boolean): boolean {
    if (this.#misses >= MISSES && this.#misses++ % MISSES !== 0) return false;
    const end = now() + LENGTH;
    do {
      for (let i = 0; i < LOOKS; i++) {
        if (!found()) continue;
        this.#misses = 0;
        return true;
      }
    } while (now() < end);
    this.#misses++;
    return false;
  }
}
