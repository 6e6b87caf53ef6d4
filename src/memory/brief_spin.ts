/**
 * Spinning for a short time, before an agent that others talk to goes to sleep on its event loop.
 *
 * Going to sleep and being woken takes 20 to 50 µs, of which 7 are the other's: a spin of that order loses at most as much again
 * (the competitive argument of Karlin and others, 1991). Its length is fixed, unlike that of `SpinBudget`: two agents that
 * answer each other and have both fallen asleep by bad luck, a third program on the core, would learn short spins from each other,
 * and sleep before every answer for thousands of calls (seen: 14 µs a call instead of 1). With one full spin in every few tries one
 * answer in time is enough for both to stay awake.
 *
 * Bursts of calls come with gaps of 100 to 200 µs, in which their host deals with the results of the last one. An agent that was
 * woken soon after it had gone to sleep, several times, spins through such gaps.
 *
 * Linux may put both threads on one core, and leave the other one idle: who spins then keeps away the one that it waits for, and
 * each answer takes a sleep and a wake, 15 µs instead of 1. Nothing moves them, as each of them sleeps again before the scheduler
 * looks (a kernel that finds its cores busy does not search for an idle one at a wake; seen on two cores, for seconds). One spin that is
 * longer than the scheduler's tick shows it two threads that both want to run. Where that did not help, because other programs have
 * the cores, the next such spin comes four times as late.
 * @module
 */
import { now } from "./park.ts";

/** How long a spin is, in ms. It covers the wake of one that sleeps, 10 to 15 µs, so that who waits for it stays awake. */
const SHORT = 0.025;

/** And how long it is after some sleeps that were not longer than that. */
const LONG = 0.2;

/** So many. */
const SLEEPS = 2;
/** How many are remembered: so many longer sleeps are forgiven. */
const MEMORY = 4;
/**
 * How far a long spin in vain throws back. It may have kept away the very agent that it waits for, where other programs need the
 * cores; and then the sleep after it is short again.
 */
const SETBACK = 6;

/** After so many misses in a row only one time in as many is tried. */
const MISSES = 8;

/** After so many misses in a row one spin is a separating one; where that did not help, after four times as many, up to so many. */
const STUCK = 128;
const MOST_STUCK = 16_384;
/** How long that is, in ms: a tick of the scheduler takes 1 to 4. */
const SEPARATING = 5;
/** So many answers in time say that the last of those spins helped. */
const HELPED = 10_000;

/** Looks between two looks at the clock. */
const LOOKS = 32;

/** The spins of one agent. */
export class BriefSpin {
  readonly #separates: boolean;
  #misses = 0;
  #hits = 0;
  #stuckAt = STUCK;
  #shortSleeps = 0;
  #slept = -1;

  /** @param separates whether it takes two threads on one core apart: one of both is enough */
  constructor(separates = false) {
    this.#separates = separates;
  }

  /** Spins until `found` says so, which should cost little more than a load; false when the time is over, or `allowed` says no. */
  until(found: () => boolean, allowed: () => boolean): boolean {
    const long = this.#shortSleeps >= SLEEPS;
    const stuck = this.#separates && this.#misses >= this.#stuckAt;
    if (!long && !stuck && this.#misses >= MISSES && this.#misses++ % MISSES !== 0) return false;
    if (stuck) this.#separate();
    const end = now() + (stuck ? SEPARATING : long ? LONG : SHORT);
    while (allowed()) {
      for (let i = 0; i < LOOKS; i++) {
        if (!found()) continue;
        this.#misses = 0;
        this.#hits++;
        return true;
      }
      if (now() >= end) break;
    }
    this.#misses++;
    if (long) this.#shortSleeps = SLEEPS - SETBACK;
    return false;
  }

  /** The next spin is a long one: and when would be the one after it? */
  #separate(): void {
    this.#stuckAt = this.#hits >= HELPED ? STUCK : Math.min(this.#stuckAt * 4, MOST_STUCK);
    this.#misses = 0;
    this.#hits = 0;
  }

  /** It goes to sleep. */
  sleeps(): void {
    this.#slept = now();
  }

  /** It was woken by what it waits for. */
  wakes(): void {
    if (this.#slept < 0) return;
    const time = now() - this.#slept;
    this.#slept = -1;
    if (time < LONG) this.#shortSleeps = Math.min(this.#shortSleeps + 1, MEMORY);
    else if (this.#shortSleeps > 0) this.#shortSleeps--;
  }
}
