/** What the processes of these tests run. */
import { SharedMemory, task } from "@manycore/multiprocessing";
import type { RawArray } from "../../src/shared/array.ts";
import type { Typecode, ValueOf } from "../../src/shared/typecodes.ts";
import type { Value } from "../../src/shared/value.ts";

/** Attaches memory, changes it, and takes its name away. */
export const changeByName = task(import.meta, async (name: string): Promise<void> => {
  const memory = await SharedMemory.attach(name);
  (memory.buf as Uint8Array).set([1, 2, 3, 4]);
  memory.unlink();
});

/** Changes a value, and the last element of an array. */
export const change = task(
  import.meta,
  (value: Value<Typecode>, array: RawArray<Typecode>, next: ValueOf<Typecode>): void => {
    value.value = next;
    array.set(-1, next);
  },
);
