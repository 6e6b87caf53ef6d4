/**
 * How much work goes to a worker at a time.
 * @module
 */

/** A chunk should take at least this long, in ms, or sending it costs more than it saves. */
const WORTH_SENDING = 1;

/** Chunks for each worker, at least: with fewer, one slow chunk leaves the others idle at the end. Python's number. */
const CHUNKS_PER_WORKER = 4;

/** The most items of a chunk: small ones are in the cache then, and sending them costs next to nothing already. */
const MOST_ITEMS = 4096;

/** Python's chunk size for `total` items: four chunks for each worker. */
export function defaultChunkSize(total: number, workers: number): number {
  return Math.max(1, Math.ceil(total / (CHUNKS_PER_WORKER * workers)));
}

/**
 * The size of the next chunk (guided self-scheduling, Polychronopoulos and Kuck 1987): a fixed part of what is left, so
 * that chunks shrink towards the end and the workers finish together; but never so little that it is not worth sending.
 *
 * @param remaining items that have not been sent
 * @param total items in all
 * @param workers workers that share them
 * @param itemMs measured time of an item, in ms, if any has been measured
 */
export function nextChunkSize(remaining: number, total: number, workers: number, itemMs: number | undefined): number {
  const largest = defaultChunkSize(total, workers);
  const guided = Math.ceil(remaining / (CHUNKS_PER_WORKER * workers));
  const smallest = itemMs === undefined ? 1 : Math.ceil(WORTH_SENDING / Math.max(itemMs, 1e-6));
  return Math.max(1, Math.min(remaining, largest, MOST_ITEMS, Math.max(guided, smallest)));
}

/** How long the calls of one function take, in ms, learned as they come back. */
export class Pace {
  /** The time of one call; undefined before any was measured. */
  itemMs: number | undefined = undefined;

  /**
   * `count` calls took `elapsed` ms. What takes longer than was known is believed slowly: a worker that was kept off its core for
   * some ms must not look slow for long, or its window would shrink to nothing.
   */
  learn(elapsed: number, count: number): void {
    const now = elapsed / count;
    const old = this.itemMs;
    if (old === undefined) this.itemMs = now;
    else if (now > old) this.itemMs = old + (Math.min(now, old * 4) - old) / 4;
    else this.itemMs = (old + now) / 2;
  }
}

/** What a call of unknown length is counted as, in ms. */
export const UNKNOWN = 1;

/** Work that a worker has waiting, in ms, so that it does not stand still while its result travels. */
export const AHEAD = 2;

/** Work that one worker is given before another one is woken, in ms: less would not be worth the wake. */
export const WORTH_WAKING = 0.05;

/** What a call costs its host, in ms: with calls shorter than that one worker is as fast as many. */
export const HOST_SHARE = 0.0003;
