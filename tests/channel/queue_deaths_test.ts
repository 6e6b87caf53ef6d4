/**
 * A reader or writer dies before every single atomic operation of every call, in turn. The queue stays usable, loses at most
 * the item that was being put or taken, keeps its order, and loses no memory.
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { JoinableQueue } from "../../src/channel/joinable_queue.ts";
import { SEGMENT_BYTES } from "../../src/memory/arena.ts";
import { Queue } from "../../src/channel/queue.ts";
import type { QueueEnd } from "../../src/channel/queue_end.ts";
import { doomedAgent } from "../kit/death.ts";

type Item = number | string;

function endOf(queue: object): QueueEnd {
  return Queue.endOf(queue) as QueueEnd;
}

/** The same queue, as an agent sees it that is about to die. */
function seenBy<Q extends JoinableQueue<Item>>(victim: ReturnType<typeof doomedAgent>, queue: Q): JoinableQueue<Item> {
  return victim.as(() => new JoinableQueue<Item>(0, endOf(queue).core.wire));
}

const LONG = "long".repeat(SEGMENT_BYTES / 2);
/** As many items as fill a segment but for a cell or two. */
const FILL = SEGMENT_BYTES / 8 - 3;

/** What is in the queue before, and what the victim does. */
const CALLS: Record<
  string,
  { before: (queue: JoinableQueue<Item>) => void; call: (queue: JoinableQueue<Item>) => void }
> = {
  "putSync of an integer": { before: () => {}, call: (queue) => queue.putSync(-1) },
  "putSync of a double": { before: () => {}, call: (queue) => queue.putSync(0.5) },
  "putSync of a string": { before: (queue) => queue.putSync(7), call: (queue) => queue.putSync("the last") },
  "putSync of what takes several segments": {
    before: (queue) => queue.putSync(7),
    call: (queue) => queue.putSync(LONG),
  },
  "putSync into drained segments": {
    before(queue) {
      queue.putSync(LONG);
      queue.putSync(LONG);
      for (let i = 0; i < 2; i++) queue.getSync();
      for (let i = 0; i < 2; i++) queue.taskDone();
    },
    call: (queue) => queue.putSync(LONG),
  },
  "putNowait at the end of a segment": {
    before(queue) {
      for (let i = 0; i < FILL; i++) queue.putSync(i);
    },
    call: (queue) => {
      for (const item of [-1, -2, -3, -4, 0.5, "the last"]) queue.putNowait(item);
    },
  },
  "getSync of an integer": {
    before: (queue) => [1, 2, 3].forEach((i) => queue.putSync(i)),
    call: (queue) => queue.getSync(),
  },
  "getSync of what takes several segments": {
    before: (queue) => [LONG, 1, LONG, 2].forEach((item) => queue.putSync(item)),
    call: (queue) => [1, 2, 3].forEach(() => queue.getSync()),
  },
  "getNowait at the end of a segment": {
    before(queue) {
      for (let i = 0; i < FILL + 8; i++) queue.putSync(i);
      for (let i = 0; i < FILL - 2; i++) queue.getSync();
    },
    call: (queue) => {
      for (let i = 0; i < 6; i++) queue.getNowait();
    },
  },
  "size, empty, full": {
    before: (queue) => queue.putSync(1),
    call: (queue) => void [queue.size, queue.empty, queue.full],
  },
  taskDone: {
    before(queue) {
      for (const item of [1, 2, 3]) queue.putSync(item);
    },
    call(queue) {
      queue.taskDone();
      queue.taskDone();
    },
  },
};

/** What the victim may have put, in order. */
const PUT: Record<string, Item[]> = {
  "putSync of an integer": [-1],
  "putSync of a double": [0.5],
  "putSync of a string": ["the last"],
  "putSync of what takes several segments": [LONG],
  "putSync into drained segments": [LONG],
  "putNowait at the end of a segment": [-1, -2, -3, -4, 0.5, "the last"],
};

function drain(queue: JoinableQueue<Item>): Item[] {
  const items: Item[] = [];
  while (!queue.empty) items.push(queue.getNowait());
  return items;
}

/** Every queue of this test is filled the same way: what is in it before the victim comes. */
function contents(before: (queue: JoinableQueue<Item>) => void): Item[] {
  const queue = new JoinableQueue<Item>();
  before(queue);
  return drain(queue);
}

for (const [name, { before, call }] of Object.entries(CALLS)) {
  test(`a death at any step of ${name} leaves the queue in order`, () => {
    const had = contents(before);
    const putting = PUT[name] ?? [];
    let deaths = 0;
    const taken = new Set<number>();
    for (let step = 0;; step++) {
      const queue = new JoinableQueue<Item>();
      before(queue);
      const victim = doomedAgent();
      const view = seenBy(victim, queue);
      const died = victim.diesAt(step, () => call(view));
      const where = `${name}, step ${step}`;
      const { size } = queue;
      queue.putSync("after");
      assertEquals(queue.size, size + 1, where);
      const left = drain(queue);
      assertEquals(left.length, size + 1, where);
      assertEquals(left.pop(), "after", where);
      // What is left is a tail of what was there, and then a beginning of what was being put.
      const all = [...had, ...putting];
      let start = 0;
      while (start <= all.length && !isRun(all, start, left)) start++;
      assert(start <= all.length, `${where}: ${JSON.stringify(left).slice(0, 200)}`);
      taken.add(left.length);
      assertEquals([queue.size, queue.empty], [0, true], where);
      for (const item of [1, LONG, 2.5, "x"]) queue.putSync(item);
      assertEquals(drain(queue), [1, LONG, 2.5, "x"], where);
      while (queue.unfinished > 0) queue.taskDone();
      assert(queue.joinSync({ timeout: 0 }), where);
      queue.close();
      if (!died) break;
      deaths++;
    }
    assert(deaths >= 3, `${deaths} deaths`);
    if (!/size|taskDone/.test(name)) {
      assert(taken.size > 1, "no death came before, or none after the item was put or taken");
    }
  });
}

function isRun(all: readonly Item[], start: number, part: readonly Item[]): boolean {
  return start + part.length <= all.length && part.every((item, i) => item === all[start + i]);
}

test("after many deaths the memory of the queue is what it would be without them", () => {
  const queue = new JoinableQueue<Item>();
  const { arena } = endOf(queue).core;
  const round = (): void => {
    for (const item of [LONG, 1, LONG]) queue.putSync(item);
    drain(queue);
  };
  for (let i = 0; i < 4; i++) round();
  const before = arena.segments;
  for (let step = 0; step < 60; step++) {
    for (const { call } of Object.values(CALLS)) {
      for (let i = 0; i < 8; i++) queue.putSync(i === 4 ? LONG : i);
      const victim = doomedAgent();
      const view = seenBy(victim, queue);
      victim.diesAt(step, () => call(view));
      drain(queue);
    }
    round();
  }
  // One long item more may be in the queue, beside what a round needs.
  assert(arena.segments <= before + 6, `${before} segments before, ${arena.segments} after`);
});
