/** What the agents of these tests run. */
import { fetchAdd, load } from "../../src/memory/atomics.ts";
import { DETECT_RACES } from "../../src/memory/agents.ts";
import { selfAgent } from "../../src/memory/self.ts";
import { detectRaces } from "../../src/shared/races.ts";
import type { RawArray, SharedArray } from "../../src/shared/array.ts";
import type { ShareableList } from "../../src/shared/shareable_list.ts";
import { SharedMemory } from "../../src/shared/shared_memory.ts";
import type { RawValue, Value } from "../../src/shared/value.ts";
import type { Typecode, ValueOf } from "../../src/shared/typecodes.ts";

export function addMany(value: RawValue<Typecode>, amount: ValueOf<Typecode>, times: number): void {
  for (let i = 0; i < times; i++) value.add(amount);
}

export function changeMany(value: Value<"float64">, times: number): void {
  for (let i = 0; i < times; i++) {
    if (i % 4 === 0) value.lock.runSync(() => value.value += 1);
    else if (i % 4 === 1) value.update((x) => x + 1);
    else if (i % 4 === 2) {
      for (;;) {
        const seen = value.value;
        if (value.compareExchange(seen, seen + 1) === seen) break;
      }
    } else value.sub(-1);
  }
}

export function addToArray(array: RawArray<"float64">, times: number): void {
  for (let i = 0; i < times; i++) array.add(i % array.length, 1);
}

export function fillThird(nested: { deep: Map<string, SharedArray<"int32">[]> }, value: number): number {
  const array = nested.deep.get("list")?.[0] as SharedArray<"int32">;
  array.view.fill(value, 0, 3);
  return array.length;
}

export async function markByName(name: string, at: number, value: number): Promise<number> {
  const memory = await SharedMemory.attach(name);
  (memory.buf as Uint8Array)[at] = value;
  return memory.size;
}

/** Makes memory, and ends with it. */
export function makeAndEnd(name: string): void {
  new SharedMemory({ name, size: 8 });
}

export function createNamed(name: string): Promise<number> {
  const memory = new SharedMemory({ name, size: 16 });
  (memory.buf as Uint8Array)[0] = 7;
  // Stays until the parent has written the second byte: it answers those who ask for the name.
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const answer = (memory.buf as Uint8Array)[1] as number;
      if (answer === 0) return;
      clearInterval(timer);
      resolve(answer);
    }, 1);
  });
}

export function changeList(list: ShareableList): string {
  list.set(0, "hello");
  list.set(-1, 43n);
  return String([...list]);
}

/** Waits until both are here, so that each lives while the other changes the value. */
function meet(words: Int32Array<SharedArrayBuffer>, at: number): void {
  fetchAdd(words, at, 1);
  while (load(words, at) < 2);
}

function isWatched(): boolean {
  return load(selfAgent().table.words, DETECT_RACES) === 1;
}

/** Changes a value in one way; the races that this process found. */
export function raceOn(value: Value<"int32">, words: Int32Array<SharedArrayBuffer>, way: string): string[] {
  const reports: string[] = [];
  if (isWatched()) detectRaces({ onReport: ({ message }) => reports.push(message) });
  meet(words, 0);
  for (let i = 0; i < 100; i++) {
    if (way === "plain") value.value += 1;
    else if (way === "locked") value.lock.runSync(() => value.value += 1);
    else if (way === "add") value.add(1);
    else if (way === "update") value.update((x) => x + 1);
    else value.value = i;
  }
  meet(words, 1);
  return reports;
}

export function raceOnElement(
  array: SharedArray<"float64">,
  words: Int32Array<SharedArrayBuffer>,
  at: number,
): string[] {
  const reports: string[] = [];
  detectRaces({ onReport: ({ message }) => reports.push(message) });
  meet(words, 0);
  for (let i = 0; i < 100; i++) array.set(at, array.get(at) + 1);
  meet(words, 1);
  return reports;
}
