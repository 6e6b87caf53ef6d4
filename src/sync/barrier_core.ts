/**
 * The words under `Barrier`, as one agent sees them: arriving, ending a round, resetting; and one wait.
 *
 * ```
 *   arrive: sign a place, count ──▶ all are there ──▶ (action) ──▶ the next generation
 *             abort, death, a time limit ──▶ BROKEN ── reset ──▶ the next generation, FRESH, and a line in the log
 * ```
 *
 * WORD   STATE (i32): bits 0–11 how many have arrived (all of them: the last one runs the action) · BROKEN (12) ·
 *        SLEEPERS (13): someone may sleep · FRESH (14): this generation began, or was taken up, with a reset: what came
 *        before is forgotten · bits 15–31 the generation, one more after every round
 *        WRAP: a waiter would have to sleep through 2^17 rounds, none of which it takes part in
 * WORD   RESETS (i32): how often the barrier was reset while it was broken; LOG[RESETS mod 32] (i32): the generation that was
 *        ended so
 * WORD   PARTY[parity][i] (i32): the token of the i-th to arrive in this generation, and in the one before, with three bits
 *        of the generation (29–31). WRAP: an agent would have to stand still, between two of its own instructions, for eight
 *        generations, and find the same token there
 *
 * OWNERSHIP a place belongs to the one whose CAS of STATE counts it. Before that CAS an agent may sign a place of an older
 *           generation only; if a rival has signed it for this one, the place is taken over after the CAS. So a rival that
 *           comes to nothing never overwrites who has been counted
 * OWNERSHIP while STATE is BROKEN only reset() changes it. So reset() breaks the barrier first, whoever waits, and then
 *           writes into the log: a round that ended by itself is never found there
 * ORDER     RESETS → LOG → STATE: who sees the new generation sees that it was a reset
 * LOST WAKE a sleeper sets SLEEPERS by CAS in the value that it sleeps on; whoever ends a generation does that by CAS of the
 *           same word, and notifies if the bit was there
 * DEATH     a party that dies while it waits or acts, or between two rounds with its work undone (it was in the last round,
 *           and did not return): a waiter finds its token within a slice and breaks the barrier. One whose work had returned
 *           is no death: later processes may take its place. Not covered: to be ended by force between the count and the
 *           taking over of a place that a rival had signed; the time limit remains. A reset() that dies half-way leaves the
 *           barrier broken, and the next one mends it
 * @module
 */
import { BrokenBarrierError } from "../errors.ts";
import { type AgentTable, TOKEN_MASK, tokenOf } from "../memory/agents.ts";
import { AsyncBell, type AsyncWaiter } from "../memory/async_park.ts";
import { compareExchange, fetchAdd, load, newWords, notify, type SharedWords, store } from "../memory/atomics.ts";
import { selfAgent } from "../memory/self.ts";

/** The word to spin on. */
export const STATE = 0;
const RESETS = 1;
const LOG = 4;
const LOG_LENGTH = 32;
/** In the log, with a generation: a line that has not been written yet is that of no generation. */
const WRITTEN = 1;
const PARTIES = LOG + LOG_LENGTH;

const COUNT = (1 << 12) - 1;
const BROKEN = 1 << 12;
const SLEEPERS = 1 << 13;
const FRESH = 1 << 14;
const GENERATION = 1 << 15;
const GENERATION_SHIFT = 15;
const GENERATIONS = ~(GENERATION - 1);
/** From the lowest bits of a generation to those above a token. */
const TAG_SHIFT = 29;
/** In a signed place: from a generation back to the one that used the same place before. */
const TWO_GENERATIONS = 2 * 2 ** TAG_SHIFT;

/** The most parties. */
export const MOST_PARTIES: number = COUNT;

/** The round is complete: everybody goes on. */
export const PASSED = 0;
/** Others are missing. */
export const WAITS = 1;
/** All have arrived, and this one runs the action. */
export const ACTS = 2;
/** The action of the round before still runs: to be tried again when it is over. */
export const EARLY = 3;

/** How a process arrived. */
export interface Arrival {
  readonly kind: typeof PASSED | typeof WAITS | typeof ACTS | typeof EARLY;
  readonly state: number;
  readonly resets: number;
  readonly index: number;
}

/** A view on a barrier, for one agent. */
export class BarrierCore {
  readonly words: SharedWords;
  readonly parties: number;
  readonly table: AgentTable;
  readonly #token: number;
  #bell: AsyncBell | undefined;

  constructor(parties: number, words: SharedWords = newWords((PARTIES + 2 * parties) * 4)) {
    const self = selfAgent();
    this.words = words;
    this.parties = parties;
    this.table = self.table;
    this.#token = tokenOf(self);
  }

  /** The bell of asynchronous waiters. */
  get bell(): AsyncBell {
    return this.#bell ??= new AsyncBell(this.words, STATE, true);
  }

  /** How many wait now. */
  get waiting(): number {
    const state = load(this.words, STATE);
    return (state & BROKEN) === 0 ? state & COUNT : 0;
  }

  /** Whether it is broken. */
  get broken(): boolean {
    return (load(this.words, STATE) & BROKEN) !== 0;
  }

  /** Arrives. `acts`: whether the last to arrive has an action to run. @throws {BrokenBarrierError} when it is broken */
  arrive(acts: boolean): Arrival {
    const { words, parties } = this;
    for (;;) {
      const resets = load(words, RESETS);
      const state = load(words, STATE);
      if ((state & BROKEN) !== 0) throw brokenError("it is broken");
      const index = state & COUNT;
      if (index === parties) return { kind: EARLY, state, resets, index };
      const last = index + 1 === parties;
      const own = this.#token | tagOf(state);
      const place = placeOf(state, index, parties);
      const signed = sign(words, place, own);
      const counts = !last || acts;
      if (counts ? compareExchange(words, STATE, state, state + 1) !== state : !advance(words, state)) continue;
      if (signed !== own) compareExchange(words, place, signed, own);
      return { kind: !last ? WAITS : acts ? ACTS : PASSED, state: counts ? state + 1 : state, resets, index };
    }
  }

  /** After the action of an {@linkcode ACTS}: ends the round. @throws {BrokenBarrierError} when it has been ended otherwise */
  finish({ state }: Arrival): void {
    for (;;) {
      const now = load(this.words, STATE);
      if (((now ^ state) & (GENERATIONS | BROKEN)) !== 0) throw brokenError("it was broken or reset during the action");
      if (advance(this.words, now)) return;
    }
  }

  /**
   * What became of the round of an arrival: the index. `found`: what is known to have broken it.
   * @throws {BrokenBarrierError} when it was not completed
   */
  outcome({ state, resets, index }: Arrival, found: string): number {
    const { words } = this;
    const generation = state & GENERATIONS;
    if (found === "" && (load(words, STATE) & GENERATIONS) !== generation) {
      const passed = load(words, RESETS) - resets;
      if (passed === 0) return index;
      if (passed >= LOG_LENGTH || passed < 0) throw brokenError("it was reset many times");
      for (let i = resets; i !== resets + passed; i++) {
        if (load(words, LOG + (i & (LOG_LENGTH - 1))) === (generation | WRITTEN)) throw brokenError("it was reset");
      }
      return index;
    }
    throw brokenError(found || "it was broken while this process waited");
  }

  /** Breaks it, in whatever generation it is. */
  break(): void {
    breakBarrier(this.words);
  }

  /** Makes it as new; who waits finds it broken. */
  reset(): void {
    const { words } = this;
    for (;;) {
      let state = load(words, STATE);
      if ((state & (COUNT | BROKEN)) === 0) {
        // Nobody waits; but the parties of the last round may have crashed, and are to be forgotten.
        if (compareExchange(words, STATE, state, state | FRESH) === state) return;
        continue;
      }
      if ((state & BROKEN) === 0) {
        const broken = (state | BROKEN) & ~SLEEPERS;
        if (compareExchange(words, STATE, state, broken) !== state) continue;
        if ((state & SLEEPERS) !== 0) notify(words, STATE);
        state = broken;
      }
      // OWNERSHIP  LOG[r] belongs to the one that raised RESETS from r. Of several resets at one time all write the truth.
      const resets = fetchAdd(words, RESETS, 1);
      store(words, LOG + (resets & (LOG_LENGTH - 1)), (state & GENERATIONS) | WRITTEN);
      compareExchange(words, STATE, state, nextOf(state) | FRESH); // fails if another reset was first
      return;
    }
  }
}

/**
 * Signs a place of an older generation; what stands there afterwards. It begins with a CAS from what it would have left there
 * itself: where that guess is wrong, the place's cache line has been had with it all the same, and not once to read and once more.
 */
function sign(words: SharedWords, place: number, own: number): number {
  for (let guess = (own - TWO_GENERATIONS) | 0;;) {
    const found = compareExchange(words, place, guess, own);
    if (found === guess) return own;
    if (((found ^ own) & ~TOKEN_MASK) === 0 && found !== 0) return found;
    guess = found;
  }
}

function tagOf(state: number): number {
  return (state >>> GENERATION_SHIFT) << TAG_SHIFT;
}

function placeOf(state: number, index: number, parties: number): number {
  return PARTIES + ((state & GENERATION) !== 0 ? parties : 0) + index;
}

/** The generation after that of `state`, with nobody there. */
function nextOf(state: number): number {
  return ((state & GENERATIONS) + GENERATION) | 0;
}

/** Ends the generation of `state` and wakes everybody; false when the state has changed meanwhile. */
function advance(words: SharedWords, state: number): boolean {
  if (compareExchange(words, STATE, state, nextOf(state)) !== state) return false;
  if ((state & SLEEPERS) !== 0) notify(words, STATE);
  return true;
}

function breakBarrier(words: SharedWords, generation?: number): void {
  for (;;) {
    const state = load(words, STATE);
    if ((state & BROKEN) !== 0) return;
    if (generation !== undefined && (state & GENERATIONS) !== generation) return;
    if (compareExchange(words, STATE, state, (state | BROKEN) & ~SLEEPERS) !== state) continue;
    if ((state & SLEEPERS) !== 0) notify(words, STATE);
    return;
  }
}

function brokenError(found: string): BrokenBarrierError {
  return new BrokenBarrierError(`Cannot pass the Barrier: ${found}. reset() makes it usable again.`);
}

/** Whether the round of an arrival is over, one way or the other, and not just counted further. */
export function isOver(state: number, arrived: number): boolean {
  return ((state ^ arrived) & GENERATIONS) !== 0 || (state & BROKEN) !== 0;
}

/** One wait for the end of a round. */
export class BarrierWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  readonly index = STATE;
  expected = 0;
  readonly #core: BarrierCore;
  readonly #arrival: Arrival;
  readonly #generation: number;
  #found = "";

  constructor(core: BarrierCore, arrival: Arrival) {
    this.words = core.words;
    this.#core = core;
    this.#arrival = arrival;
    this.#generation = arrival.state & GENERATIONS;
  }

  get bell(): AsyncBell {
    return this.#core.bell;
  }

  poll(): boolean {
    for (;;) {
      const state = load(this.words, STATE);
      if (isOver(state, this.#arrival.state)) return true;
      this.expected = state | SLEEPERS;
      if (state === this.expected || compareExchange(this.words, STATE, state, this.expected) === state) return false;
    }
  }

  /** What came of the wait: the index. @throws {BrokenBarrierError} when the round was not completed */
  outcome(): number {
    return this.#core.outcome(this.#arrival, this.#found);
  }

  /** The time is over: breaks the barrier; false if the round has just been completed. */
  expire(): boolean {
    if ((load(this.words, STATE) & GENERATIONS) !== this.#generation) return false;
    this.#found ||= "the time limit passed before all parties had arrived";
    breakBarrier(this.words, this.#generation);
    return true;
  }

  inspect(): void {
    const { words } = this;
    const { parties, table } = this.#core;
    const state = load(words, STATE);
    if ((state & GENERATIONS) !== this.#generation) return;
    const tag = tagOf(state);
    for (let i = 0; i < (state & COUNT); i++) {
      const party = load(words, placeOf(state, i, parties));
      // Another tag: who was counted there is about to take the place over.
      if ((party & ~TOKEN_MASK) === tag && !table.isTokenAlive(party & TOKEN_MASK)) return this.#die(party);
    }
    if ((state & FRESH) === 0) this.#lookBack(state - GENERATION);
  }

  /** Looks for those of the last round that crashed since. */
  #lookBack(before: number): void {
    const { parties, table } = this.#core;
    const tag = tagOf(before);
    for (let i = 0; i < parties; i++) {
      const party = load(this.words, placeOf(before, i, parties));
      if (party === 0 || (party & ~TOKEN_MASK) !== tag) continue;
      if (table.hasCrashed(party & TOKEN_MASK)) return this.#die(party);
    }
  }

  #die(party: number): void {
    this.#found = `${this.#core.table.nameOf(party & TOKEN_MASK)}, one of its parties, died`;
    breakBarrier(this.words, this.#generation);
  }

  end(success: boolean): void {
    if (!success) breakBarrier(this.words, this.#generation);
  }
}
