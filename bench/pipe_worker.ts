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
import { countMessages, countMessagesByOn, received } from "./raw/arrivals.ts";
import { awaitWord, raise, rawPingPong, SPIN } from "./raw/hand_over.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** What the workers share. */
export interface Shared {
  readonly words: Words;
  readonly connections: readonly Connection<unknown>[];
  /** Memory for raw hand-overs. */
  readonly slots: Uint8Array<SharedArrayBuffer>;
}

/** How many raw hand-overs are on their way at one time. */
const SLOTS = 4;

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

if (workerData?.table !== undefined) {
  becomeAgent({ ...workerData.slot, table: new AgentTable(workerData.table), name: "Bench" });
  takeLink(workerData.link);
  const shared = unpack(workerData.shared.value) as Shared;
  countMessages(workerData.port as MessagePort);
  countMessagesByOn(workerData.nodePort as MessagePort);
  parentPort?.on("message", async ({ task, side, rounds, size, spin }) => {
    setPlatform({ spin });
    await TASKS[task]?.(shared, side, rounds, size);
    parentPort?.postMessage("done");
  });
}
