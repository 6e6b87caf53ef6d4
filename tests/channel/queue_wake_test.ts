/** Whom a queue wakes, and what it keeps. */
import { test } from "node:test";
import { assertEquals } from "@std/assert";
import { Queue } from "../../src/channel/queue.ts";
import { ITEMS } from "../../src/channel/queue_core.ts";
import type { QueueEnd } from "../../src/channel/queue_end.ts";
import { inbox } from "../../src/channel/queue_records.ts";
import { load, waitAsync } from "../../src/memory/atomics.ts";
import { within } from "../kit/wait.ts";

function coreOf(queue: object): QueueEnd["core"] {
  return (Queue.endOf(queue) as QueueEnd).core;
}

test("a put wakes who waits, also behind agents whose get() is over and which are blocked", async () => {
  const queue = new Queue<number>();
  const core = coreOf(queue);
  const bell = core.turnOf(ITEMS, false);
  // What such agents have left behind on the bell; nothing takes it back.
  const stale = [0, 1, 2].map(() => waitAsync(core.control, bell, load(core.control, bell)));
  const waiting = waitAsync(core.control, bell, load(core.control, bell));
  core.announce(ITEMS, false);
  queue.putSync(1);
  for (const wait of [...stale, waiting]) assertEquals(await within(Promise.resolve(wait.value), "the wake"), "ok");
});

test("after one huge item nothing as large is kept for the next", () => {
  const queue = new Queue<unknown>();
  for (const item of ["x".repeat(10_000_000), [new SharedArrayBuffer(8), "y".repeat(10_000_000)]]) {
    queue.putSync(item);
    assertEquals(JSON.stringify(queue.getSync()).length, JSON.stringify(item).length);
    assertEquals(inbox.bytes.length, 64 * 1024);
  }
  queue.putSync("z".repeat(1_000_000));
  queue.getSync();
  assertEquals(inbox.bytes.length, 2 ** 20, "what is not huge is kept for a while");
});
