/**
 * The two workers of the pipe's benchmarks. Each task exists over the library, over raw `Atomics`, and over a `MessagePort`
 * between the two, the runtime's own pipe.
 * @module
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { AgentTable } from "../src/memory/agents.ts";
import { setPlatform } from "../src/memory/park.ts";
import { becomeAgent } from "../src/memory/self.ts";
import { unpack } from "../src/transport/handles.ts";
import { takeLink } from "../src/transport/links.ts";
import "../src/handle_types.ts";
import type { Connection } from "../src/channel/connection.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** What the workers share. */
export interface Shared {
  readonly words: Words;
  readonly connections: readonly Connection<unknown>[];
  /** Memory for raw hand-overs. */
  readonly slots: Uint8Array<SharedArrayBuffer>;
}

/** How long the raw controls spin, in loads. */
const SPIN = 2000;
/** How many raw hand-overs are on their way at one time. */
const SLOTS = 4;

/** A counter for each side and a flag beside it that says that its owner sleeps. */
function rawPingPong(words: Words, side: number, rounds: number, spin: number): void {
  const own = 16 + side * 16;
  const other = 32 - side * 16;
  const wake = (): void => {
    Atomics.add(words, other, 1);
    if (Atomics.load(words, other + 1) === 1 && Atomics.exchange(words, other + 1, 0) === 1) {
      Atomics.notify(words, other);
    }
  };
  for (let i = 1; i <= rounds; i++) {
    if (side === 0) wake();
    awaitWord(words, own, i, spin);
    if (side === 1) wake();
  }
}

function awaitWord(words: Words, index: number, least: number, spin = SPIN): void {
  for (let spun = 0; Atomics.load(words, index) < least;) {
    if (spun++ < spin) continue;
    Atomics.store(words, index + 1, 1);
    Atomics.wait(words, index, least - 1, 100);
  }
}

function raise(words: Words, index: number): void {
  Atomics.add(words, index, 1);
  if (Atomics.load(words, index + 1) === 1 && Atomics.exchange(words, index + 1, 0) === 1) {
    Atomics.notify(words, index);
  }
}

/** One copy in, one copy out, a few slots between: the least that a pipe for bytes can do. */
function rawBytes({ words, slots }: Shared, side: number, rounds: number, size: number): void {
  const [written, read] = [48, 64];
  const own = new Uint8Array(size).fill(7);
  const views = Array.from({ length: SLOTS }, (_, i) => slots.subarray(i * size, (i + 1) * size));
  for (let i = 1; i <= rounds; i++) {
    const view = views[i % SLOTS] as Uint8Array;
    if (side === 0) {
      awaitWord(words, read, i - SLOTS);
      view.set(own);
      raise(words, written);
    } else {
      awaitWord(words, written, i);
      own.set(view);
      raise(words, read);
    }
  }
}

type Task = (shared: Shared, side: number, rounds: number, size: number) => void | Promise<void>;

const object = { id: 1, name: "task", ok: true, at: 1.5 };

const TASKS: Record<string, Task> = {
  rawSpin: ({ words }, side, rounds) => rawPingPong(words, side, rounds, SPIN),
  rawPark: ({ words }, side, rounds) => rawPingPong(words, side, rounds, 0),
  pingPong({ connections }, side, rounds) {
    const connection = connections[side] as Connection<unknown>;
    if (side === 0) {
      for (let i = 0; i < rounds; i++) {
        connection.sendSync(i);
        if (connection.recvSync() !== i) throw new Error("a wrong answer");
      }
    } else for (let i = 0; i < rounds; i++) connection.sendSync(connection.recvSync());
  },
  numbers({ connections }, side, rounds) {
    const connection = connections[side] as Connection<unknown>;
    if (side === 0) { for (let i = 0; i < rounds; i++) connection.sendSync(i); }
    else for (let i = 0; i < rounds; i++) if (connection.recvSync() !== i) throw new Error("a wrong number");
  },
  objects({ connections }, side, rounds) {
    const connection = connections[side] as Connection<unknown>;
    if (side === 0) { for (let i = 0; i < rounds; i++) connection.sendSync(object); }
    else for (let i = 0; i < rounds; i++) if ((connection.recvSync() as typeof object).id !== 1) throw new Error();
  },
  rawBytes,
  /** On one thread, between two buffers. */
  memcpy(_shared, side, rounds, size) {
    if (side === 1) return;
    const [from, to] = [new Uint8Array(size).fill(7), new Uint8Array(size)];
    for (let i = 0; i < rounds; i++) to.set(from);
  },
  bytesInto({ connections }, side, rounds, size) {
    const connection = connections[side] as Connection<unknown>;
    const bytes = new Uint8Array(size).fill(7);
    if (side === 0) { for (let i = 0; i < rounds; i++) connection.sendBytesSync(bytes); }
    else for (let i = 0; i < rounds; i++) if (connection.recvBytesIntoSync(bytes) !== size) throw new Error();
  },
  bytes({ connections }, side, rounds, size) {
    const connection = connections[side] as Connection<unknown>;
    if (side === 0) {
      const bytes = new Uint8Array(size).fill(7);
      for (let i = 0; i < rounds; i++) connection.sendBytesSync(bytes);
    } else for (let i = 0; i < rounds; i++) if (connection.recvBytesSync().length !== size) throw new Error();
  },
  /** The runtime's own: typed arrays through a port between the two. */
  async postBytes(_shared, side, rounds, size) {
    const port = workerData.port as MessagePort;
    if (side === 0) {
      const bytes = new Uint8Array(size).fill(7);
      for (let i = 0; i < rounds; i++) port.postMessage(bytes);
    } else await received(rounds);
  },
  /** The same, as programs for Node write it. */
  async postBytesOn(_shared, side, rounds, size) {
    const port = workerData.nodePort as MessagePort;
    if (side === 0) {
      const bytes = new Uint8Array(size).fill(7);
      for (let i = 0; i < rounds; i++) port.postMessage(bytes);
    } else await received(rounds);
  },
  async postNumbers(_shared, side, rounds) {
    const port = workerData.port as MessagePort;
    if (side === 0) { for (let i = 0; i < rounds; i++) port.postMessage(i); }
    else await received(rounds);
  },
};

/** How many messages have come that nobody asked for yet, and who asks. */
let arrived = 0;
let awaited = Infinity;
let enough: () => void = () => {};

function settle(): void {
  if (arrived < awaited) return;
  arrived -= awaited;
  awaited = Infinity;
  enough();
}

function arrive(): void {
  arrived++;
  settle();
}

/**
 * Counts messages from the beginning on, with one listener for each port: on Deno one of `on` that comes after an `off` hears nothing
 * (https://github.com/denoland/deno/pull/33991). It also walks typed arrays element by element there, and `onmessage` does not.
 */
function countMessages(port: MessagePort, nodePort: MessagePort): void {
  (port as unknown as { onmessage: () => void }).onmessage = arrive;
  nodePort.on("message", arrive);
}

function received(messages: number): Promise<void> {
  return new Promise((resolve) => {
    [awaited, enough] = [messages, resolve];
    settle();
  });
}

if (workerData?.table !== undefined) {
  becomeAgent({ ...workerData.slot, table: new AgentTable(workerData.table), name: "Bench" });
  takeLink(workerData.link);
  const shared = unpack(workerData.shared.value) as Shared;
  countMessages(workerData.port as MessagePort, workerData.nodePort as MessagePort);
  parentPort?.on("message", async ({ task, side, rounds, size, spin }) => {
    setPlatform({ spin });
    await TASKS[task]?.(shared, side, rounds, size);
    parentPort?.postMessage("done");
  });
}
