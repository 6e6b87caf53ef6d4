/** The root of an agent of `interleave.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import "../../src/handle_types.ts";
import { AgentTable } from "../../src/memory/agents.ts";
import { type Gate, setGate, type SharedWords, type WaitResult } from "../../src/memory/atomics.ts";
import { setPlatform } from "../../src/memory/park.ts";
import { becomeAgent } from "../../src/memory/self.ts";
import { unpack } from "../../src/transport/handles.ts";
import * as kit from "./interleave.ts";
import { QUEUE_SCENARIOS } from "./interleave_queues.ts";
import { warmUp } from "./pipe_scenarios.ts";
import { SCENARIOS, type Tools } from "./interleave_scenarios.ts";

const { task, agent, control, table, slot, buffers, packed, fastClock } = workerData as {
  task: string;
  agent: number;
  control: Int32Array<SharedArrayBuffer>;
  table: SharedArrayBuffer;
  slot: { slot: number; generation: number; id: number };
  buffers: SharedArrayBuffer[];
  packed: { value: unknown; handles: boolean };
  fastClock: boolean;
};
becomeAgent({ ...slot, table: new AgentTable(table), name: `Agent-${agent}` });
setPlatform({ spin: 0 });
let time = 0;
performance.now = (): number => fastClock ? time += 10 : time;

// A message makes a wrapper of its own for each mention of a buffer, or not: compare by what is written in it.
warmUp(attach());
const base = agent * kit.AGENT_WORDS;

/** The objects, attached anew: what an object remembers of its memory is not true of memory that was reset. */
function attach(): Record<string, never> {
  return (packed.handles ? unpack(copy(packed.value)) : packed.value) as Record<string, never>;
}

/** Unpacking changes the description that it unpacks. */
function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, copy(part)]));
}

const known = new Map<SharedArrayBuffer, number>();

/** The number of a buffer that is watched; −1 for others, such as the agent table. */
function numberOf(words: SharedWords): number {
  const { buffer } = words;
  const number = known.get(buffer);
  if (number !== undefined) return number;
  if (buffer.byteLength === table.byteLength) return -1;
  // Buffers are told apart by size and content: a mark is written, looked for, and taken back.
  const bytes = new Uint8Array(buffer);
  const last = bytes.length - 1;
  const before = bytes[last] as number;
  let found = -1;
  buffers.forEach((candidate, i) => {
    const other = new Uint8Array(candidate);
    if (found >= 0 || other.length !== bytes.length) return;
    bytes[last] = before ^ 0x55;
    if (other[last] === (before ^ 0x55)) found = i;
    bytes[last] = before;
  });
  known.set(buffer, found);
  return found;
}

function pause(state: number): void {
  Atomics.store(control, base + kit.STATE, state);
  Atomics.notify(control, base + kit.STATE);
  for (let spins = 0; Atomics.load(control, base + kit.STATE) !== kit.RUNNING; spins++) {
    if (spins > 500) Atomics.wait(control, base + kit.STATE, Atomics.load(control, base + kit.STATE), 100);
    if (Atomics.load(control, base + kit.RUN) === -1) throw new Error("abandoned");
  }
}

/** The number of a word in its buffer, of which a view may show only a part. */
function wordOf(words: SharedWords, index: number): number {
  return (words.byteOffset >> 2) + index;
}

function announce(operation: string, index: number): void {
  control[base + kit.OPERATION] = kit.OPERATIONS.indexOf(operation);
  control[base + kit.INDEX] = index;
  pause(kit.AT_GATE);
}

const gate: Gate = {
  step(operation, words, index) {
    if (numberOf(words) >= 0) announce(operation, wordOf(words, index));
  },
  wait(words, index, expected): WaitResult {
    announce("wait", wordOf(words, index));
    if (Atomics.load(words, index) !== expected) return "not-equal";
    control[base + kit.SLEEP_BUFFER] = numberOf(words);
    control[base + kit.SLEEP_INDEX] = wordOf(words, index);
    control[base + kit.SLEEP_ORDER] = Atomics.add(control, kit.ORDER, 1);
    control[base + kit.OPERATION] = kit.OPERATIONS.indexOf("woken");
    pause(kit.ASLEEP);
    if (control[base + kit.TIMED_OUT] !== 1) return "ok";
    control[base + kit.TIMED_OUT] = 2;
    time += 1e9;
    return "timed-out";
  },
  notify(words, index, count) {
    const number = numberOf(words);
    if (number < 0) return 0;
    const word = wordOf(words, index);
    announce("notify", word);
    let woken = 0;
    while (woken < count) {
      let first = -1;
      for (let other = 0; other < 4; other++) {
        const at = other * kit.AGENT_WORDS;
        if (Atomics.load(control, at + kit.STATE) !== kit.ASLEEP) continue;
        if (control[at + kit.SLEEP_BUFFER] !== number || control[at + kit.SLEEP_INDEX] !== word) continue;
        const best = first * kit.AGENT_WORDS + kit.SLEEP_ORDER;
        if (first < 0 || (control[at + kit.SLEEP_ORDER] as number) < (control[best] as number)) first = other;
      }
      if (first < 0) break;
      Atomics.store(control, first * kit.AGENT_WORDS + kit.STATE, kit.AT_GATE);
      woken++;
    }
    return woken;
  },
};

/** What the scenarios may do beside using the objects. */
const tools: Tools = {
  control,
  agent,
  /** Enters what must be exclusive, gives the others every chance to do so too, and leaves. */
  exclusive(): void {
    if (Atomics.add(control, kit.INSIDE, 1) !== 0) throw new Error("two agents are inside");
    announce("inside", 0);
    Atomics.sub(control, kit.INSIDE, 1);
  },
  /** A gate of its own. */
  gate(): void {
    announce("inside", 0);
  },
};

const run = { ...SCENARIOS, ...QUEUE_SCENARIOS }[task] as (tools: Tools, objects: Record<string, never>) => void;
let number = 0;
Atomics.store(control, base + kit.STATE, kit.DONE);
for (;;) {
  while (Atomics.load(control, base + kit.RUN) === number) Atomics.wait(control, base + kit.RUN, number);
  number = Atomics.load(control, base + kit.RUN);
  if (number === -1) break;
  time = 0;
  let end = kit.DONE;
  try {
    const objects = attach();
    setGate(gate);
    tools.gate();
    run(tools, objects);
  } catch (error) {
    if ((error as Error).message === "abandoned") break;
    end = kit.FAILED;
    parentPort?.postMessage(`agent ${agent}: ${(error as Error).stack}`);
  } finally {
    setGate(undefined);
  }
  Atomics.store(control, base + kit.STATE, end);
  Atomics.notify(control, base + kit.STATE);
}
