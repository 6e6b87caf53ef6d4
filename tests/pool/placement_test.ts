// Which worker gets what, and what is moved: nothing waits behind a long call while another worker has nothing to do.

import { describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { defaultChunkSize, nextChunkSize, Pace } from "../../src/pool/chunking.ts";
import type { Crew } from "../../src/pool/crew.ts";
import type { Chunk, Job } from "../../src/pool/job.ts";
import type { Member } from "../../src/pool/member.ts";
import { Placement } from "../../src/pool/placement.ts";
import { JobQueue } from "../../src/pool/queue.ts";
import * as tasks from "../fixtures/lane_tasks.ts";
import { finish, withPool } from "../kit/pools.ts";
import { Pool } from "@manycore/multiprocessing";
import { skipOverMessages } from "../kit/runtime.ts";
import { sharedWords, wordReaches } from "../kit/signal_box.ts";
import { within } from "../kit/wait.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** The pool learns that calls of this function are short, and keeps many at one worker. */
async function teach(pool: Pool): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await Promise.all(numbers(2_000).map((n) => pool.apply(tasks.blockIf, [false, n])));
  }
}

/** Time for the pool to find out that something is stuck: some turns of a timer longer than its patience. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("a call that blocks one of two workers", () => {
  it("holds up a call behind it whose memory was moved there, but not those that come later", () =>
    withPool(2, {}, async (pool) => {
      await teach(pool);
      const words = sharedWords();
      const blocked = pool.apply(tasks.blockIf, [true, -1, words]);
      const buffer = new ArrayBuffer(8);
      // It may be with the other worker at once: that is right as well.
      const moved = pool.apply(tasks.blockIf, [false, buffer], { transfer: [buffer] });
      await wordReaches(words, 0, 1);
      await turns();
      for (const n of numbers(5)) {
        assertEquals(await within(pool.apply(tasks.blockIf, [false, n]), `call ${n}, with a worker that is idle`), n);
        await turns();
      }
      Atomics.store(words, 1, 1);
      Atomics.notify(words, 1);
      assertEquals([await blocked, (await moved as ArrayBuffer).byteLength], [-1, 8]);
    }));

  const skip = skipOverMessages("the host's loop does not serve pools that are reached by message");
  it(
    "holds up nothing while another pool keeps the host's loop awake",
    { skip },
    () =>
      withPool(2, {}, async (pool) => {
        const other = new Pool(1);
        await teach(pool);
        await teach(other);
        const words = sharedWords();
        const blocked = pool.apply(tasks.blockIf, [true, -1, words]);
        let done = 0;
        const behind = numbers(10).map((n) => pool.apply(tasks.blockIf, [false, n]).then(() => done++));
        for (let calls = 0; done < 10 && calls < 500_000; calls++) await other.apply(tasks.blockIf, [false, 1]);
        assertEquals(done, 10);
        Atomics.store(words, 1, 1);
        Atomics.notify(words, 1);
        await Promise.all([blocked, ...behind]);
        await finish(other);
      }),
  );
});

/** A member that keeps what it is given, of which `movable` can be taken back. */
class FakeMember {
  readonly ring = {};
  readonly child = { control: {} };
  readonly state = "serving";
  readonly isOpen = true;
  readonly hasRoom = true;
  assigned = 0;
  backlog = 0;
  chunks: Chunk[] = [];

  get count(): number {
    return this.chunks.length;
  }

  takeBack(most: number, wanted: (chunk: Chunk) => boolean): Chunk[] {
    // The first one runs.
    const taken = this.chunks.slice(1).reverse().filter(wanted).slice(0, most).reverse();
    this.chunks = this.chunks.filter((chunk) => !taken.includes(chunk));
    return taken;
  }
}

function setUp(
  workers: number,
): { placement: Placement; members: FakeMember[]; give: (at: number, ...movable: boolean[]) => void } {
  const members = numbers(workers).map(() => new FakeMember());
  const crew = { open: members } as unknown as Crew;
  const owner = {
    give(member: Member, chunk: Chunk): boolean {
      (member as unknown as FakeMember).chunks.push(chunk);
      return true;
    },
    refuse(): void {
      throw new Error("nothing is to be refused");
    },
  };
  const options = { maxTasksPerChild: Infinity, taskTimeout: undefined, concurrency: 1, workers };
  const placement = new Placement(options, crew, new JobQueue(), owner);
  const give = (at: number, ...movable: boolean[]): void => {
    for (const can of movable) {
      const job = { canResend: () => can, settled: false } as unknown as Job;
      (members[at] as FakeMember).chunks.push({ job, start: 0, count: 1, retries: 0, holder: undefined, slot: 0 });
    }
  };
  return { placement, members, give };
}

describe("Placement", () => {
  const short = { itemMs: 0.001 } as Pace;

  it("gives the next short call to the worker that got what waited behind a long one", () => {
    const { placement, members, give } = setUp(2);
    assertStrictEquals(placement.memberFor(short) as unknown, members[0]);
    give(0, true, true);
    assertStrictEquals(placement.memberFor(short) as unknown, members[0]);
    assert(placement.balance(true));
    assertEquals(members.map((member) => member.count), [1, 1]);
    assertStrictEquals(placement.memberFor(short) as unknown, members[1]);
  });

  it("passes over what cannot be moved", () => {
    const { placement, members, give } = setUp(2);
    give(0, true, false, true, false);
    assert(placement.balance(true));
    assertEquals(members.map((member) => member.count), [3, 1]);
  });

  it("and turns to another worker where nothing can be moved; it says so where nothing can be moved anywhere", () => {
    const { placement, members, give } = setUp(3);
    give(0, true, false, false, false);
    give(1, true, true);
    assert(placement.balance(true));
    assertEquals(members.map((member) => member.count), [4, 1, 1]);
    const other = setUp(2);
    other.give(0, true, false);
    assertEquals(other.placement.balance(true), false);
  });
});

describe("nextChunkSize()", () => {
  it("is Python's at first: four chunks for each worker, the last items too", () => {
    assertEquals(defaultChunkSize(100, 4), 7);
    assertEquals(nextChunkSize(100, 100, 4, undefined), 7);
    assertEquals(nextChunkSize(1, 100, 4, undefined), 1);
    assertEquals(nextChunkSize(3, 3, 8, undefined), 1);
  });

  it("takes at least a millisecond of work as soon as the time of an item is known, never more than Python's or what is left", () => {
    assertEquals(nextChunkSize(1000, 1000, 2, 0.1), 125);
    assertEquals(nextChunkSize(100, 1000, 2, 0.1), 13);
    assertEquals(nextChunkSize(40, 1000, 2, 0.1), 10);
    assertEquals(nextChunkSize(4, 1000, 2, 0.1), 4);
    assertEquals(nextChunkSize(10, 1000, 2, 50), 2);
    assertEquals(nextChunkSize(1e6, 1e6, 2, 0), 4096);
  });

  it("sends every item once, in chunks that do not grow", () => {
    for (const itemMs of [undefined, 1e-6, 0.01, 3]) {
      let left = 10_000;
      let before = Infinity;
      while (left > 0) {
        const size = nextChunkSize(left, 10_000, 3, itemMs);
        assert(size >= 1 && size <= left && size <= before, `${size} of ${left} after ${before}`);
        before = size;
        left -= size;
      }
    }
  });
});

describe("Pace", () => {
  it("knows nothing, then believes the first measure", () => {
    const pace = new Pace();
    assertEquals(pace.itemMs, undefined);
    pace.learn(10, 5);
    assertEquals(pace.itemMs, 2);
  });

  it("is quick to believe that calls are short", () => {
    const pace = new Pace();
    pace.learn(16, 1);
    for (let i = 0; i < 4; i++) pace.learn(0, 1);
    assertEquals(pace.itemMs, 1);
  });

  it("is slow to believe that they are long: one that was kept off its core counts little", () => {
    const pace = new Pace();
    pace.learn(1, 1);
    pace.learn(1000, 1);
    assertEquals(pace.itemMs, 1.75);
    for (let i = 0; i < 30; i++) pace.learn(1000, 1);
    assert((pace.itemMs as number) > 500 && (pace.itemMs as number) <= 1000, String(pace.itemMs));
  });
});
