/**
 * The workers of the queue's benchmarks. Each task exists over the library, over raw `Atomics`, or over the runtime's
 * messages.
 * @module
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { AgentTable } from "../src/memory/agents.ts";
import { setPlatform } from "../src/memory/park.ts";
import { becomeAgent } from "../src/memory/self.ts";
import { runtime } from "../src/runtime/current.ts";
import { unpack } from "../src/transport/handles.ts";
import { takeLink } from "../src/transport/links.ts";
import "../src/handle_types.ts";
import type { JoinableQueue } from "../src/channel/joinable_queue.ts";
import type { Queue } from "../src/channel/queue.ts";
import { countMessages, received } from "./raw/arrivals.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** What the workers share. */
export interface Shared {
  readonly queue: Queue<unknown>;
  readonly bounded: Queue<unknown>;
  readonly joinable: JoinableQueue<unknown>;
  /** Words for the raw ring: HEAD at 0, TAIL at 32, the slots from 64 on. */
  readonly ring: Words;
}

const SLOTS = 1 << 14;
/** How many words the raw ring has. */
export const RING_WORDS: number = 64 + SLOTS;
const HEAD = 0;
const TAIL = 32;
const DATA = 64;

/** How long the raw control spins, in loads. */
const SPIN = 2000;

/** Waits while a word has a value; a flag beside it says that its owner sleeps. */
function awaitChange(words: Words, index: number, value: number): void {
  for (let spun = 0; Atomics.load(words, index) === value;) {
    if (spun++ < SPIN) continue;
    Atomics.store(words, index + 1, 1);
    Atomics.wait(words, index, value, 100);
  }
}

function publish(words: Words, index: number, value: number): void {
  Atomics.store(words, index, value);
  if (Atomics.load(words, index + 1) === 1 && Atomics.exchange(words, index + 1, 0) === 1) Atomics.notify(words, index);
}

/** A ring for one writer and one reader, of integers, that publishes each: the least that a queue can do. */
function rawPut({ ring }: Shared, count: number): void {
  let head = Atomics.load(ring, HEAD);
  for (let tail = Atomics.load(ring, TAIL), end = tail + count; tail !== end; tail++) {
    while (tail - head === SLOTS) {
      awaitChange(ring, HEAD, head);
      head = Atomics.load(ring, HEAD);
    }
    ring[DATA + (tail & (SLOTS - 1))] = tail;
    publish(ring, TAIL, tail + 1);
  }
}

function rawGet({ ring }: Shared, count: number): void {
  let tail = Atomics.load(ring, TAIL);
  for (let head = Atomics.load(ring, HEAD), end = head + count; head !== end; head++) {
    while (head === tail) {
      awaitChange(ring, TAIL, tail);
      tail = Atomics.load(ring, TAIL);
    }
    if (ring[DATA + (head & (SLOTS - 1))] !== head) throw new Error("a wrong number");
    publish(ring, HEAD, head + 1);
  }
}

function smallObject(i: number): unknown {
  return { id: i, name: "item" };
}

const bytes = new Uint8Array(64 * 1024).fill(7);

type Task = (shared: Shared, count: number, port: MessagePort | undefined) => void | Promise<void>;

/** Task by name: what a writer does, what a reader does. */
const TASKS: Record<string, readonly [Task, Task]> = {
  raw: [rawPut, rawGet],
  numbers: [
    ({ queue }, count) => {
      for (let i = 0; i < count; i++) queue.putSync(i);
    },
    ({ queue }, count) => {
      for (let i = 0; i < count; i++) if (typeof queue.getSync() !== "number") throw new Error("no number");
    },
  ],
  bounded: [
    ({ bounded }, count) => {
      for (let i = 0; i < count; i++) bounded.putSync(i);
    },
    ({ bounded }, count) => {
      for (let i = 0; i < count; i++) if (typeof bounded.getSync() !== "number") throw new Error("no number");
    },
  ],
  joinable: [
    ({ joinable }, count) => {
      for (let i = 0; i < count; i++) joinable.putSync(i);
      joinable.joinSync();
    },
    ({ joinable }, count) => {
      for (let i = 0; i < count; i++) {
        joinable.getSync();
        joinable.taskDone();
      }
    },
  ],
  objects: [
    ({ queue }, count) => {
      for (let i = 0; i < count; i++) queue.putSync(smallObject(i));
    },
    ({ queue }, count) => {
      for (let i = 0; i < count; i++) if ((queue.getSync() as { name: string }).name !== "item") throw new Error();
    },
  ],
  strings: [
    ({ queue }, count) => {
      for (let i = 0; i < count; i++) queue.putSync("a short string");
    },
    ({ queue }, count) => {
      for (let i = 0; i < count; i++) if (queue.getSync() !== "a short string") throw new Error("another string");
    },
  ],
  bytes: [
    ({ bounded }, count) => {
      for (let i = 0; i < count; i++) bounded.putSync(bytes);
    },
    ({ bounded }, count) => {
      for (let i = 0; i < count; i++) if ((bounded.getSync() as Uint8Array)[9] !== 7) throw new Error("other bytes");
    },
  ],
  post: [
    (_shared, count, port) => {
      for (let i = 0; i < count; i++) port?.postMessage(i);
    },
    (_shared, count) => received(count),
  ],
  postObjects: [
    (_shared, count, port) => {
      for (let i = 0; i < count; i++) port?.postMessage(smallObject(i));
    },
    (_shared, count) => received(count),
  ],
  postToMain: [
    (_shared, count) => {
      for (let i = 0; i < count; i++) parentPort?.postMessage(i);
    },
    () => {},
  ],
};

if (workerData?.table !== undefined) {
  becomeAgent({ ...workerData.slot, table: new AgentTable(workerData.table), name: "Bench" });
  takeLink(workerData.link);
  setPlatform({ spin: runtime.spinLoads });
  const shared = unpack(workerData.shared.value) as Shared;
  const port = workerData.port as MessagePort | undefined;
  if (port !== undefined) countMessages(port);
  parentPort?.on("message", async ({ task, side, count }) => {
    await TASKS[task]?.[side as 0 | 1](shared, count, port);
    parentPort?.postMessage("done");
  });
}
