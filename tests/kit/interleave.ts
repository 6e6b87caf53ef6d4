/**
 * The interleaving controller: it steps two or three agents through every schedule with up to a number of preemptions,
 * one atomic operation at a time, and looks for lost wakes, broken exclusion and wrong results.
 *
 * ```
 *  agent ── at the gate, before an atomic operation ──▶ controller picks who goes ──▶ the operation, and on to the next
 * ```
 *
 * Agents are real threads; the gate of `memory/atomics.ts` stops them. Sleeping and waking are simulated: an agent that
 * sleeps goes on only when it is notified, never because a slice is over. So a wake that is lost leaves nobody to go on,
 * which is what the controller reports. Time stands still; in an agent that may time out it passes when the controller
 * says so, and in scenarios with a fast clock at every look.
 *
 * SOURCE  iterative context bounding (Musuvathi, Qadeer 2007), as in tokio's loom
 */
import { Worker } from "node:worker_threads";
import { selfAgent } from "../../src/memory/self.ts";
import { pack } from "../../src/transport/handles.ts";

/** Words of each agent in the control buffer. */
export const AGENT_WORDS = 16;
export const STATE = 0;
export const OPERATION = 1;
export const INDEX = 2;
/** The word that it sleeps on, and which place in the order of sleepers it has. */
export const SLEEP_BUFFER = 3;
export const SLEEP_INDEX = 4;
export const SLEEP_ORDER = 5;
export const RUN = 6;
export const TIMED_OUT = 7;

/** Words for all, behind the agents'. */
export const SHARED = 4 * AGENT_WORDS;
export const ORDER = SHARED;
export const INSIDE = SHARED + 1;
export const COUNTER = SHARED + 2;
export const BELL = SHARED + 3;

export const IDLE = 0;
export const AT_GATE = 1;
export const RUNNING = 2;
export const ASLEEP = 3;
export const DONE = 4;
export const FAILED = 5;

/** The operations, as the control words number them. */
export const OPERATIONS = [
  "load",
  "store",
  "fetchAdd",
  "exchange",
  "compareExchange",
  "wait",
  "notify",
  "inside",
  "woken",
];

/** What is explored. */
export interface Scenario {
  /** The name of a function in `interleave_scenarios`, for each agent. */
  readonly agents: readonly string[];
  /** What they share. */
  readonly objects: Record<string, object>;
  /** The agents whose waits may time out: one at any time, every one when nobody else can go on. */
  readonly mayTimeOut?: readonly number[];
  /** Whether waiters have always waited long enough to claim to be handed the lock. */
  readonly fastClock?: boolean;
  /** Looks at the end of every schedule; returns what is wrong. Gets the control words. */
  readonly check?: (words: Int32Array<SharedArrayBuffer>) => string | undefined;
  readonly preemptions?: number;
  readonly limit?: number;
  /** How every schedule begins: for places that are too many preemptions away. */
  readonly opening?: readonly Opening[];
}

/**
 * One step of an opening: lets an agent go on until it is about to do something, such as `exchange 0` (an operation and a
 * word), for the n-th time, or is `asleep` or `done`. `times out`: its wait does.
 */
export type Opening = readonly [agent: number, until: string, times?: number];

/** What came of it. */
export interface Exploration {
  readonly schedules: number;
  readonly steps: number;
  /** Whether these were all schedules there are with so many preemptions. */
  readonly whole: boolean;
  /** The first schedule that failed. */
  readonly failure?: string;
}

interface Choice {
  readonly agent: number;
  readonly timeout: boolean;
}

function buffersIn(
  value: unknown,
  found: Set<SharedArrayBuffer>,
  seen: Set<object> = new Set(),
): Set<SharedArrayBuffer> {
  if (typeof value !== "object" || value === null || seen.has(value)) return found;
  seen.add(value);
  if (value instanceof SharedArrayBuffer) found.add(value);
  else if (ArrayBuffer.isView(value)) found.add(value.buffer as SharedArrayBuffer);
  else for (const part of Object.values(value)) buffersIn(part, found, seen);
  return found;
}

const suffix: string = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** Explores a scenario. */
export async function explore(scenario: Scenario): Promise<Exploration> {
  const count = scenario.agents.length;
  const { table } = selfAgent();
  const control = new Int32Array(new SharedArrayBuffer(512));
  const packed = pack(scenario.objects, "objects");
  const buffers = [...buffersIn(packed.value, new Set())];
  const fresh = buffers.map((buffer) => new Uint8Array(buffer).slice());
  const errors: string[] = [];
  const slots = scenario.agents.map(() => table.register());
  const workers = scenario.agents.map((task, agent) => {
    const worker = new Worker(new URL(`./interleave_agent.${suffix}`, import.meta.url), {
      workerData: {
        task,
        agent,
        control,
        table: table.buffer,
        slot: slots[agent],
        buffers,
        packed,
        fastClock: scenario.fastClock === true,
      },
    });
    worker.on("error", (error: Error) => errors.push(String(error.stack)));
    worker.on("message", (message: string) => errors.push(message));
    return worker;
  });
  const ready = new Promise<void>((resolve, reject) => {
    const look = (): void => {
      if (errors.length > 0) reject(new Error(errors.join("\n")));
      else if (slots.every((_, i) => Atomics.load(control, i * AGENT_WORDS + STATE) === DONE)) resolve();
      else setTimeout(look, 1);
    };
    look();
  });
  const end = async (): Promise<void> => {
    await Promise.all(workers.map((worker) => worker.terminate()));
    for (const slot of slots) table.markDead(slot, "Deno" in globalThis);
  };
  await ready.catch(async (error) => {
    await end();
    throw error;
  });
  const engine = new Engine(control, count, scenario, () => {
    buffers.forEach((buffer, i) => new Uint8Array(buffer).set(fresh[i] as Uint8Array));
  });
  let result: Exploration;
  try {
    result = engine.exploreAll();
  } catch (error) {
    await end();
    throw error;
  } finally {
    for (let i = 0; i < count; i++) {
      Atomics.store(control, i * AGENT_WORDS + RUN, -1);
      Atomics.notify(control, i * AGENT_WORDS + RUN);
      Atomics.store(control, i * AGENT_WORDS + STATE, RUNNING);
      Atomics.notify(control, i * AGENT_WORDS + STATE);
    }
  }
  if (result.failure !== undefined) await new Promise((resolve) => setTimeout(resolve, 50));
  await end();
  return errors.length > 0 && result.failure !== undefined
    ? { ...result, failure: `${result.failure}\n${errors.join("\n")}` }
    : result;
}

class Engine {
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #count: number;
  readonly #scenario: Scenario;
  readonly #reset: () => void;
  #run = 0;
  #steps = 0;

  constructor(control: Int32Array<SharedArrayBuffer>, count: number, scenario: Scenario, reset: () => void) {
    this.#control = control;
    this.#count = count;
    this.#scenario = scenario;
    this.#reset = reset;
  }

  exploreAll(): Exploration {
    const most = this.#scenario.preemptions ?? 2;
    const limit = this.#scenario.limit ?? 20000;
    const stack: (readonly Choice[])[] = [[]];
    let schedules = 0;
    for (let prefix = stack.pop(); prefix !== undefined; prefix = stack.pop()) {
      if (schedules === limit) return { schedules, steps: this.#steps, whole: false };
      schedules++;
      const { choices, alternatives, failure } = this.#execute(prefix, most);
      if (failure !== undefined) return { schedules, steps: this.#steps, whole: false, failure };
      for (let at = prefix.length; at < alternatives.length; at++) {
        for (const other of alternatives[at] as Choice[]) stack.push([...choices.slice(0, at), other]);
      }
    }
    return { schedules, steps: this.#steps, whole: true };
  }

  #state(agent: number): number {
    return Atomics.load(this.#control, agent * AGENT_WORDS + STATE);
  }

  /** Lets an agent go on to its next gate, sleep or end. */
  #go(agent: number): void {
    this.#steps++;
    const control = this.#control;
    const word = agent * AGENT_WORDS + STATE;
    Atomics.store(control, word, RUNNING);
    Atomics.notify(control, word);
    for (let spins = 0; Atomics.load(control, word) === RUNNING; spins++) {
      if (spins > 3000 && Atomics.wait(control, word, RUNNING, 20000) === "timed-out") {
        throw new Error(`agent ${agent} does not come back from its step`);
      }
    }
  }

  #execute(prefix: readonly Choice[], most: number): {
    choices: Choice[];
    alternatives: Choice[][];
    failure: string | undefined;
  } {
    const control = this.#control;
    const trace: string[] = [];
    const choices: Choice[] = [];
    const alternatives: Choice[][] = [];
    /** The agents of which a wait has timed out. */
    const expired: Set<number> = new Set();
    this.#reset();
    control.fill(0, SHARED);
    this.#run++;
    for (let i = 0; i < this.#count; i++) {
      Atomics.store(control, i * AGENT_WORDS + TIMED_OUT, 0);
      Atomics.store(control, i * AGENT_WORDS + STATE, RUNNING);
      Atomics.store(control, i * AGENT_WORDS + RUN, this.#run);
      Atomics.notify(control, i * AGENT_WORDS + RUN);
      while (this.#state(i) === RUNNING) {
        if (Atomics.wait(control, i * AGENT_WORDS + STATE, RUNNING, 20000) === "timed-out") {
          throw new Error(`agent ${i} does not come to its first step`);
        }
      }
    }
    let current = -1; // who begins is no preemption
    let preemptions = 0;
    const fail = (what: string): { choices: Choice[]; alternatives: Choice[][]; failure: string } => {
      this.#abandon();
      return { choices, alternatives, failure: `${what}\n${trace.join("\n")}` };
    };
    const stuck = this.#open(trace, expired);
    if (stuck !== undefined) return fail(stuck);
    for (;;) {
      const enabled: Choice[] = [];
      let asleep = 0;
      let done = 0;
      for (let i = 0; i < this.#count; i++) {
        const state = this.#state(i);
        if (state === FAILED) return fail(`agent ${i} failed`);
        if (state === AT_GATE) enabled.push({ agent: i, timeout: false });
        if (state === ASLEEP) {
          asleep++;
          const may = this.#scenario.mayTimeOut?.includes(i) && !expired.has(i);
          if (may) enabled.push({ agent: i, timeout: true });
        }
        if (state === DONE) done++;
      }
      if (enabled.length === 0) {
        for (const i of this.#scenario.mayTimeOut ?? []) {
          if (this.#state(i) === ASLEEP) enabled.push({ agent: i, timeout: true });
        }
      }
      if (enabled.length === 0) {
        if (done === this.#count) break;
        return fail(`lost wake: ${asleep} sleep and nobody is left to wake them`);
      }
      const step = choices.length;
      const canStay = enabled.some((choice) => choice.agent === current && !choice.timeout);
      let choice = prefix[step];
      const preferred = enabled.find((one) => one.agent === current && !one.timeout) ??
        enabled.find((one) => !one.timeout) ?? enabled[0] as Choice;
      choice ??= preferred;
      const others: Choice[] = [];
      if (step >= prefix.length) {
        for (const other of enabled) {
          if (other.agent === choice.agent && other.timeout === choice.timeout) continue;
          if (canStay && other.agent !== current && preemptions + 1 > most) continue;
          others.push(other);
        }
      }
      alternatives.push(others);
      choices.push(choice);
      if (canStay && choice.agent !== current) preemptions++;
      current = choice.agent;
      const base = current * AGENT_WORDS;
      if (choice.timeout) {
        expired.add(current);
        Atomics.store(control, base + TIMED_OUT, 1);
      }
      const operation = OPERATIONS[control[base + OPERATION] as number];
      trace.push(`  agent ${current}: ${choice.timeout ? "times out" : `${operation} word ${control[base + INDEX]}`}`);
      if (trace.length > 2000) return fail("more than 2000 steps: they never come to an end");
      this.#go(current);
    }
    const wrong = this.#scenario.check?.(control);
    return wrong === undefined ? { choices, alternatives, failure: undefined } : fail(wrong);
  }

  /** Plays the opening; says what went otherwise. */
  #open(trace: string[], expired: Set<number>): string | undefined {
    for (const [agent, until, times = 1] of this.#scenario.opening ?? []) {
      let left = times;
      if (until === "times out") {
        expired.add(agent);
        Atomics.store(this.#control, agent * AGENT_WORDS + TIMED_OUT, 1);
        trace.push(`  agent ${agent}: times out`);
        this.#go(agent);
        continue;
      }
      for (let at = this.#place(agent); at !== until || --left > 0; at = this.#place(agent)) {
        if (at === until && (at === "asleep" || at === "done")) break;
        if (this.#state(agent) !== AT_GATE) return `the opening: agent ${agent} is ${at}, and not at "${until}"`;
        trace.push(`  agent ${agent}: ${at}`);
        this.#go(agent);
      }
    }
    return undefined;
  }

  /** Where an agent is. */
  #place(agent: number): string {
    const state = this.#state(agent);
    if (state !== AT_GATE) return state === ASLEEP ? "asleep" : state === DONE ? "done" : "failed";
    const base = agent * AGENT_WORDS;
    return `${OPERATIONS[this.#control[base + OPERATION] as number]} ${this.#control[base + INDEX]}`;
  }

  /** Lets the agents of a failed schedule be. */
  #abandon(): void {
    for (let i = 0; i < this.#count; i++) Atomics.store(this.#control, i * AGENT_WORDS + RUN, -1);
  }
}
