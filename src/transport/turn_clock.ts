/**
 * How long code has lived in microtasks, which keep the event loop from turning: timers and sockets wait meanwhile.
 * @module
 */
import { now } from "../memory/park.ts";

/** How long that may be, in ms. */
const TURN = 4;

/** Steps between two looks at the clock, as long as steps are short: a look takes 35 to 80 ns. */
const STEPS = 4;

/** A step that takes longer, in ms, is looked at by itself: several of them would be a long time. */
const LONG = TURN / 16;

/** The clock of something that goes on in steps, each in a microtask. */
export class TurnClock {
  #start = 0;
  #looked = 0;
  #every = 1;
  #left = 1;

  /** The event loop has turned. */
  begin(): void {
    this.#start = this.#looked = now();
    this.#left = this.#every;
  }

  /** To be asked at each step: whether it is time to let the event loop turn. `look`: the last step was no small one, so that a look costs nothing. */
  isOver(look: boolean): boolean {
    if (--this.#left > 0 && !look) return false;
    const time = now();
    const steps = this.#every - Math.max(this.#left, 0);
    this.#every = time - this.#looked > LONG * steps ? 1 : STEPS;
    this.#left = this.#every;
    this.#looked = time;
    return time - this.#start > TURN;
  }
}
