/** What agents of arena_test.ts run. */
import { Arena, type ArenaPlace, firstCell } from "../../src/memory/arena.ts";
import { wait } from "../../src/memory/atomics.ts";

/** Adds up the first word of each segment of the chain. */
export function sum(place: ArenaPlace, memory: Arena["memory"], words: Int32Array<SharedArrayBuffer>): number {
  const arena = new Arena(place, memory);
  wait(words, 0, 0);
  let sum = 0;
  for (let at = 1; at !== 0; at = arena.next(at)) sum += arena.words[firstCell(at) * 2] as number;
  return sum;
}
