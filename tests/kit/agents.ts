/**
 * Agents for tests: raw workers that run an exported function of a module, and take shared objects in their arguments.
 * Their deaths are written down in the agent table when the runtime says that they are gone, as the process room does.
 * @module
 */
import { Worker } from "node:worker_threads";
import { dropPacked, pack } from "../../src/transport/handles.ts";
import { linkFor } from "../../src/transport/links.ts";
import { selfAgent } from "../../src/memory/self.ts";
import type { AgentSlot } from "../../src/memory/agents.ts";
import { load } from "../../src/memory/atomics.ts";

/** A running agent. */
export interface Agent<R = unknown> {
  readonly slot: AgentSlot;
  readonly name: string;
  /** What the function returned; rejects with what it threw, or when the agent is gone. */
  readonly result: Promise<R>;
  /** Settled when the runtime says that it is gone, with the time of that. */
  readonly exited: Promise<number>;
  /** Ends it by force. */
  terminate(): Promise<void>;
}

const suffix: string = import.meta.url.endsWith(".ts") ? "ts" : "js";
let count = 0;

/** Starts an agent. */
export function spawn<R = unknown>(module: string, name: string, ...args: unknown[]): Agent<R> {
  const { table } = selfAgent();
  const slot = table.register();
  const agentName = `Agent-${++count}`;
  const link = linkFor(slot);
  const packed = pack(args, "args");
  const worker = new Worker(new URL(`./agent_main.${suffix}`, import.meta.url), {
    workerData: { table: table.buffer, slot, agentName, module, name, link, packed },
    transferList: link === undefined ? [] : [link as never],
  });
  let markExited: (at: number) => void;
  const exited = new Promise<number>((resolve) => markExited = resolve);
  let ended = false;
  const result = new Promise<R>((resolve, reject) => {
    worker.on("message", (message: { value?: R; error?: { name: string; message: string; cycle?: string[] } }) => {
      ended = true;
      if (message.error === undefined) return resolve(message.value as R);
      const error = new Error(message.error.message) as Error & { cycle?: string[] };
      error.name = message.error.name;
      if (message.error.cycle !== undefined) error.cycle = message.error.cycle;
      reject(error);
    });
    worker.on("error", reject);
    worker.on("exit", (code: number) => {
      table.markDead(slot, false, ended && code === 0);
      dropPacked(packed);
      markExited(performance.now());
      reject(new Error(`${agentName} exited with ${code}`));
    });
  });
  result.catch(() => {});
  return {
    slot,
    name: agentName,
    result,
    exited,
    async terminate(): Promise<void> {
      table.requestStop(slot);
      // As the process room does: a thread that cannot be stopped has this long to see that it should.
      if ("Deno" in globalThis) await new Promise((resolve) => setTimeout(resolve, 120));
      await worker.terminate();
      table.markDead(slot, "Deno" in globalThis);
      dropPacked(packed);
      markExited(performance.now());
    },
  };
}

/** Spins until the word has reached the number: the others have counted themselves there, just before they wait. */
export async function until(words: Int32Array<SharedArrayBuffer>, index: number, atLeast: number): Promise<void> {
  while (load(words, index) < atLeast) await pause();
}

/** Lets the event loop turn once. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Words for the agents of one test to count themselves in. */
export function counters(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(64));
}

/** Waits until the agents are gone; what they returned, in order. */
export async function all<R>(agents: readonly Agent<R>[]): Promise<R[]> {
  const results = await Promise.all(agents.map((agent) => agent.result));
  await Promise.all(agents.map((agent) => agent.exited));
  return results;
}
