/** What the agents of these tests run. */
import { fetchAdd } from "../../src/memory/atomics.ts";
import type { Event } from "../../src/sync/event.ts";

export function blocked(event: Event, words: Int32Array<SharedArrayBuffer>): string {
  fetchAdd(words, 0, 1);
  try {
    event.waitSync();
  } catch (error) {
    return (error as Error).name;
  }
  return "went on";
}

export async function pending(event: Event, words: Int32Array<SharedArrayBuffer>): Promise<string> {
  fetchAdd(words, 0, 1);
  try {
    await event.wait();
  } catch (error) {
    return (error as Error).name;
  }
  return "went on";
}
