/** The distance that one side of a queue keeps from the other. */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Queue } from "../../src/channel/queue.ts";
import { Pace } from "../../src/channel/queue_pace.ts";

test("Pace reports a counter that has changed only when it has waited, and tries that one time in 64", () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  words[0] = 2;
  const pace = new Pace();
  const answers = Array.from({ length: 129 }, () => pace.await(words, 0, 0));
  // One item came each time: not worth to wait for.
  assertEquals(answers.flatMap((waited, i) => waited ? [i] : []), [63, 127]);
});

test("Pace goes on waiting while several items come at a time, and stops soon after", () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  words[0] = 2 * 5;
  const pace = new Pace();
  for (let i = 0; i < 63; i++) pace.await(words, 0, 0);
  for (let i = 0; i < 100; i++) assert(pace.await(words, 0, 0), `look ${i}`);
  let waits = 0;
  while (pace.await(words, 0, 8)) waits++;
  assert(waits > 0 && waits <= 4, `${waits} waits without need`);
});

test("Pace counts items across the end of the counter", () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  words[0] = -(2 ** 31) + 2;
  const pace = new Pace();
  for (let i = 0; i < 63; i++) pace.await(words, 0, 2 ** 31 - 2);
  for (let i = 0; i < 20; i++) assert(pace.await(words, 0, 2 ** 31 - 2));
});

test("Queue: an empty one is empty again and again, however its reader paces", () => {
  const queue = new Queue<number>();
  for (let i = 0; i < 100; i++) {
    queue.putSync(i);
    assertEquals(queue.getSync({ timeout: 0 }), i);
    let error: unknown;
    try {
      queue.getSync({ timeout: 0 });
    } catch (thrown) {
      error = thrown;
    }
    assertEquals((error as Error).name, "QueueEmptyError");
  }
});
