/** A program with a race, for MANYCORE_DETECT_RACES=1: two processes add to a value without its lock, in turns. */
import { Event, isMain, Process, Value } from "@manycore/multiprocessing";

export function add(value: Value<"int32">, mine: Event, other: Event): void {
  for (let i = 0; i < 5; i++) {
    mine.waitSync();
    mine.clear();
    value.value += 1;
    other.set();
  }
}

if (isMain(import.meta)) {
  const value = new Value("int32", 0);
  const [a, b] = [new Event(), new Event()];
  const processes = [new Process(add, [value, a, b]), new Process(add, [value, b, a])];
  for (const process of processes) process.start();
  a.set();
  for (const process of processes) await process.join();
  console.log("value", value.value);
}
