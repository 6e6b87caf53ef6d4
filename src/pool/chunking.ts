/**
 * How much work goes to a worker at a time.
 * @module
 */

/** A chunk should take at least this long, in ms, or sending it costs more than it saves. */
const WORTH_SENDING = 1;

/** Chunks for each worker, at least: with fewer, one slow chunk leaves the others idle at the end. Python's number. */
const CHUNKS_PER_WORKER = 4;

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
  return Math.max(1, Math.min(remaining, largest, Math.max(guided, smallest)));
}

/** Work that a worker has waiting, in ms, so that it does not stand still while its result travels. */
const AHEAD = 2;

/** How many chunks of `chunkMs` each to keep at a worker that runs `concurrency` of them at a time. */
export function windowFor(chunkMs: number | undefined, concurrency: number): number {
  const ahead = chunkMs === undefined ? 1 : Math.ceil(AHEAD / Math.max(chunkMs, 1e-3));
  return concurrency + Math.max(1, ahead);
}
