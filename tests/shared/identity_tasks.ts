/** What the processes of the identity matrix run: they change an object, in a way that shows from everywhere. */
import { task } from "@manycore/multiprocessing";
import type { Queue } from "@manycore/multiprocessing";

// deno-lint-ignore no-explicit-any -- fifteen classes, each by its own methods
type Any = any;

/** How an object is changed. */
export type Change = "acquire" | "write" | "set" | "abort" | "value" | "element" | "byte";

/** Changes it. */
export function touch(how: Change, object: Any): void {
  if (how === "acquire") object.acquireSync();
  else if (how === "write") object.write.acquireSync();
  else if (how === "set") object.set();
  else if (how === "abort") object.abort();
  else if (how === "value") object.value = object.value + 1;
  else if (how === "element") object.set(0, object.get(0) + 1);
  else object.buf[0]++;
}

export const touchArgument = task(import.meta, touch);

/** Changes what is deep in its argument, and returns it, deep in something else. */
export const touchNested = task(import.meta, (how: Change, nested: { deep: Map<string, [Any]> }): Any => {
  const object = nested.deep.get("x")?.[0];
  touch(how, object);
  return { back: [new Map([["y", object]])] };
});

/** Changes what comes by a queue. */
export const touchQueued = task(import.meta, async (how: Change, queue: Queue<Any>): Promise<void> => {
  touch(how, (await queue.get()).x[0]);
});
