/** Arena: segments are chained, drained and used again; agents see each other's growth; deaths lose no segment. */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Arena, firstCell, SEGMENT_BYTES, SEGMENT_CELLS, segmentOf } from "../../src/memory/arena.ts";
import type { SharedWords } from "../../src/memory/atomics.ts";
import { all, spawn } from "../kit/agents.ts";
import { doomedAgent } from "../kit/death.ts";
import { besides } from "../kit/modules.ts";
import { randomNumbers, SEED } from "../kit/random.ts";

const TASKS: string = besides(import.meta, "arena_tasks");

/** Where the words of an arena stand here: FIRST, FREE, END, HAND, then DRAINED. */
const FIRST = 0;
const FREE = 1;
const END = 2;
const HAND = 3;
const DRAINED = 4;

function place(): { control: SharedWords; writers: number; drained: number } {
  return { control: new Int32Array(new SharedArrayBuffer(64)), writers: 0, drained: DRAINED };
}

function nextOf(arena: Arena, segment: number): number {
  arena.cover(firstCell(segment));
  return arena.words[(segment - 1) * SEGMENT_BYTES / 4] as number;
}

/** The chain and the stack; fails if a segment is in neither, or in both, or twice. */
function inventory(control: SharedWords, arena: Arena): { chain: number[]; stack: number[] } {
  const chain: number[] = [];
  const stack: number[] = [];
  for (let at = control[FIRST] as number; at !== 0; at = nextOf(arena, at)) {
    assert(chain.length < 10_000, "the chain is a circle");
    chain.push(at);
  }
  for (let at = control[FREE] as number; at !== 0; at = nextOf(arena, at)) {
    assert(stack.length < 10_000, "the stack is a circle");
    stack.push(at);
  }
  const expected = Array.from({ length: (control[END] as number) - 1 }, (_, i) => i + 1);
  assertEquals([...chain, ...stack].sort((a, b) => a - b), expected, "every segment is in one place");
  assert(chain.includes(control[DRAINED] as number), "the readers are in the chain");
  return { chain, stack };
}

test("segments and cells are numbered so that the end of a segment is part of it", () => {
  assertEquals([firstCell(1), firstCell(2)], [1, SEGMENT_CELLS + 1]);
  assertEquals([1, SEGMENT_CELLS - 1, SEGMENT_CELLS].map(segmentOf), [1, 1, 1]);
  assertEquals([SEGMENT_CELLS + 1, 2 * SEGMENT_CELLS].map(segmentOf), [2, 2]);
});

test("Arena: the chain grows; what was drained is used again, the last first", () => {
  const here = place();
  const arena = new Arena(here);
  assertEquals(inventory(here.control, arena), { chain: [1], stack: [] });
  assertEquals([arena.extend(1), arena.extend(2), arena.extend(3)], [2, 3, 4]);
  assertEquals(arena.next(1), 2);
  arena.drain(3);
  assertEquals(arena.extend(4), 2);
  assertEquals(inventory(here.control, arena), { chain: [3, 4, 2], stack: [1] });
  assertEquals(arena.extend(2), 1);
  assertEquals(arena.extend(1), 5);
  assertEquals(arena.segments, 5);
  assertEquals(arena.extend(5), 6);
  assertEquals(inventory(here.control, arena).chain, [3, 4, 2, 1, 5, 6]);
});

test("Arena: a segment that is linked already is taken as it is", () => {
  const here = place();
  const arena = new Arena(here);
  arena.extend(1);
  assertEquals([arena.extend(1), arena.extend(1)], [2, 2]);
  assertEquals(inventory(here.control, arena).chain, [1, 2]);
});

test("Arena: views of other agents follow its growth", () => {
  const here = place();
  const writer = new Arena(here);
  const stale = new Arena(here, writer.memory);
  const cells = stale.cells;
  let last = 1;
  for (let i = 0; i < 40; i++) last = writer.extend(last);
  writer.words[firstCell(last) * 2] = 42;
  assertEquals(stale.cells, cells);
  stale.cover(firstCell(last));
  assertEquals(stale.words[firstCell(last) * 2], 42);
  // Without a look before: at the end of a segment that it has never seen, and with a stack that it has never seen.
  const reader = new Arena(here, writer.memory);
  writer.drain(39);
  assertEquals(writer.extend(last), 38);
  const other = new Arena(here, reader.memory);
  assertEquals(other.next(last), 38);
  assertEquals(other.extend(38), 37);
  inventory(here.control, other);
});

test("Arena: another thread sees what was written in segments that were made after it started", async () => {
  const here = place();
  const arena = new Arena(here);
  const words = new Int32Array(new SharedArrayBuffer(16));
  const agent = spawn<number>(TASKS, "sum", here, arena.memory, words);
  let last = 1;
  let sum = 0;
  for (let i = 0; i < 100; i++) {
    arena.words[firstCell(last) * 2] = i;
    sum += i;
    if (i < 99) last = arena.extend(last);
  }
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
  assertEquals(await all([agent]), [sum]);
});

test("Arena: random extending and draining keeps every segment in one place", () => {
  const random = randomNumbers(SEED);
  const here = place();
  const arenas = [new Arena(here)];
  arenas.push(new Arena(here, arenas[0]!.memory), new Arena(here, arenas[0]!.memory));
  let last = 1;
  let drained = 1;
  for (let i = 0; i < 2000; i++) {
    const arena = arenas[Math.floor(random() * 3)] as Arena;
    if (random() < 0.5) last = arena.extend(last);
    else if (drained !== last) arena.drain(drained = arena.next(drained));
    if (i % 50 === 0) {
      const { chain } = inventory(here.control, arena);
      assertEquals(chain.at(-1), last, `seed ${SEED}`);
    }
  }
});

test("Arena: a writer that dies at any step of extend() loses no segment", () => {
  // With nothing free, with drained segments, with a stack, and with both.
  const situations: Record<string, (arena: Arena) => number> = {
    fresh: () => 1,
    drained(arena) {
      const last = arena.extend(arena.extend(arena.extend(1)));
      arena.drain(3);
      return last;
    },
    stacked(arena) {
      const last = arena.extend(arena.extend(arena.extend(1)));
      arena.drain(4);
      return arena.extend(last);
    },
    both(arena) {
      let last = arena.extend(arena.extend(arena.extend(1)));
      arena.drain(4);
      last = arena.extend(arena.extend(last));
      arena.drain(last);
      return last;
    },
  };
  for (const [name, prepare] of Object.entries(situations)) {
    let deaths = 0;
    for (let step = 0;; step++) {
      const here = place();
      const arena = new Arena(here);
      const last = prepare(arena);
      const victim = doomedAgent();
      const died = victim.diesAt(step, () => void new Arena(here, arena.memory).extend(last));
      arena.repair(last);
      assertEquals(here.control[HAND], 0, `${name}, step ${step}`);
      inventory(here.control, arena);
      const next = arena.extend(last);
      assertEquals(inventory(here.control, arena).chain.at(-1), next, `${name}, step ${step}`);
      assertEquals(arena.next(last), next);
      if (!died) break;
      deaths++;
    }
    assert(deaths > 8, `${name}: ${deaths} deaths`);
  }
});

test("Arena: without a repair a death does lose a segment, which the test above notices", () => {
  let lost = 0;
  for (let step = 0; step < 20; step++) {
    const here = place();
    const arena = new Arena(here);
    doomedAgent().diesAt(step, () => void new Arena(here, arena.memory).extend(1));
    try {
      arena.extend(1);
      inventory(here.control, arena);
    } catch {
      lost++;
    }
  }
  assert(lost > 0);
});
