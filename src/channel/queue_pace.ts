/**
 * How one side of a queue keeps a distance from the other one.
 *
 * A reader that is as fast as the writer finds the queue empty after every item. Each of its looks takes the line with PUTS, and
 * each item the line with the record, away from the writer, who needs both for the next item: the two hand lines to and fro and
 * are several times slower than either alone (measured with integers, a second: 10 million instead of 30 on Bun, 12 instead of 17 on
 * Node). So it waits a little before it looks again, and then takes several items for one exchange of lines. The same
 * goes for a writer that finds the queue full after every item.
 *
 * It waits only where that has paid: when more than one item came in the meantime, it waits for longer, and else for half as long,
 * and soon not at all. An exchange of questions and answers, where the next item comes only after the answer, does not pay, and
 * loses a short pause in one of 64 rounds to a trial.
 *
 * SOURCE  the adaptive batches of MCRingBuffer (Lee, Bu and Chandranmenon, 2010), where the writer holds items back; here none is
 * @module
 */
import { load, type SharedWords } from "../memory/atomics.ts";
import { idle } from "../memory/park.ts";

/** The shortest pause, in loads, about 0.6 µs, and the longest, 5 µs. */
const SHORTEST = 128;
const LONGEST = 1024;
/** So many items at a time are enough. */
const ENOUGH = 32;
/** One in so many looks is a trial. */
const TRIALS = 64;

/** The distance of one side, in this agent. */
export class Pace {
  #pause = 0;
  #looks = 0;

  /**
   * To be called when there is nothing to take: waits a little, if that is worth it.
   * @param index the other side's counter, which counts items by twos, @param seen its value
   * @returns whether it has changed
   */
  await(words: SharedWords, index: number, seen: number): boolean {
    if (this.#pause === 0) {
      if ((++this.#looks & (TRIALS - 1)) !== 0) return false;
      this.#pause = SHORTEST;
    }
    idle(this.#pause);
    const count = (load(words, index) - seen) >> 1;
    if (count > 1) {
      if (count < ENOUGH && this.#pause < LONGEST) this.#pause <<= 1;
    } else this.#pause = this.#pause > SHORTEST ? this.#pause >> 1 : 0;
    return count !== 0;
  }
}
