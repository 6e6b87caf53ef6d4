/**
 * The identity matrix: every kind of shared object, passed in every way, is the same object everywhere: what one process
 * does to it shows in all others.
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import {
  Barrier,
  BoundedSemaphore,
  Condition,
  Event,
  Lock,
  Process,
  Queue,
  RawArray,
  RawValue,
  RLock,
  RWLock,
  Semaphore,
  ShareableList,
  SharedArray,
  SharedMemory,
  Value,
} from "@manycore/multiprocessing";
import { withPool } from "../kit/pools.ts";
import { within } from "../kit/wait.ts";
import * as tasks from "./identity_tasks.ts";

// deno-lint-ignore no-explicit-any -- fifteen classes, each by its own methods
type Any = any;

/** How each is made, changed and looked at, and what is seen before and after the change. */
const KINDS: readonly (readonly [string, () => Any, tasks.Change, (object: Any) => unknown, unknown, unknown])[] = [
  ["Lock", () => new Lock(), "acquire", (lock) => lock.locked, false, true],
  ["RLock", () => new RLock(), "acquire", (lock) => lock.locked, false, true],
  ["RWLock", () => new RWLock(), "write", (lock) => lock.write.locked, false, true],
  ["a side of an RWLock", () => new RWLock().write, "acquire", (side) => side.locked, false, true],
  ["Semaphore", () => new Semaphore(5), "acquire", (semaphore) => semaphore.value, 5, 4],
  ["BoundedSemaphore", () => new BoundedSemaphore(5), "acquire", (semaphore) => semaphore.value, 5, 4],
  ["Condition", () => new Condition(new Lock()), "acquire", (condition) => condition.lock.locked, false, true],
  ["Event", () => new Event(), "set", (event) => event.isSet, false, true],
  ["Barrier", () => new Barrier(2), "abort", (barrier) => barrier.broken, false, true],
  ["Value", () => new Value("float64", 1.5), "value", (value) => value.value, 1.5, 2.5],
  ["RawValue", () => new RawValue("int32", 1), "value", (value) => value.value, 1, 2],
  ["SharedArray", () => new SharedArray("float64", [1.5, 0]), "element", (array) => array.get(0), 1.5, 2.5],
  ["RawArray", () => new RawArray("uint8", [1, 0]), "element", (array) => array.get(0), 1, 2],
  ["SharedMemory", () => new SharedMemory({ size: 4 }), "byte", (memory) => memory.buf[0], 0, 1],
  ["ShareableList", () => new ShareableList([1, "x"]), "element", (list) => list.get(0), 1, 2],
];

for (const [name, make, how, look, before, after] of KINDS) {
  test(`${name} is the same object in a process's arguments`, async () => {
    const object = make();
    assertEquals(look(object), before);
    const process = new Process(tasks.touchArgument, [how, object]);
    process.start();
    await within(process.join(), "the process");
    assertEquals(look(object), after);
  });

  test(`${name} is the same object in a task's arguments and its result, nested`, async () => {
    await withPool(1, {}, async (pool) => {
      const object = make();
      const result = await pool.apply(tasks.touchNested, [how, { deep: new Map([["x", [object] as [Any]]]) }]);
      const back = (result as Any).back[0].get("y");
      assert(back.constructor === object.constructor);
      assertEquals([look(object), look(back)], [after, after]);
    });
  });

  test(`${name} is the same object behind a queue`, async () => {
    const object = make();
    const queue = new Queue<Any>();
    const process = new Process(tasks.touchQueued, [how, queue]);
    process.start();
    await within(queue.put({ x: [object] }), "the put");
    await within(process.join(), "the process");
    assertEquals(look(object), after);
  });
}
