/**
 * The agent table: one small shared buffer that tells every thread which other threads live.
 *
 * ```
 *  main ──makes──▶ table ◀──given at birth── every worker, and their workers
 *
 *  header  NEXT_ID · DEATHS
 *  slot 0  the main thread          slot 1 … CAPACITY-1  one for each worker that lives
 * ```
 *
 * A slot is taken by the parent before the worker starts. From then on it is written by its owner, and marked dead by
 * its parent, once, when the runtime says that the worker is gone. All agents may read. A worker that ends in order says so
 * itself before, as its very last act: its parent hears of it in its event loop, and its thread may be blocked, in a wait
 * for the very lock that the worker held.
 *
 * WORD   slot.state (i32): 0 free · 1 alive · 2 dead · 3 fenced: ended for all of us, but its thread may run on (Deno
 *        cannot stop a busy thread, denoland/deno#35657), so that the slot is never used again · 4 left: dead for all,
 *        but its parent has not seen it yet, so that the slot is not used again yet
 * WORD   slot.generation (i32): counts the owners of the slot; a remembered (slot, generation) is alive only while it
 *        equals this and the state is 1. WRAP: harmless, it takes 2^32 births in one slot while somebody remembers one
 * WORD   slot.stop (i32): 1 once the agent has been asked to stop; its blocking waits look at it, at the latest every
 *        100 ms, and end with `StopRequested` (on Deno nothing else can end them at once)
 * WORD   slot.ended (i32): 1 if the agent's work had returned before it ended: a barrier does not break for such a party
 * WORD   slot.wait… : what the agent waits for, see `wait_graph.ts`
 * WORD   deaths (i32): counts deaths, so that a waiter that woke can tell cheaply whether anyone died meanwhile
 * WORD   a token (29 bits) is (generation, slot) in one number, never 0; locks keep it in their state word.
 *        WRAP: it repeats after 131,071 births in one slot, and slots are reused in turn, so after 5 × 10^8 births
 * DEATH  a parent that dies before it marks its child: its own parent marks it, and a child dies with its parent
 * @module
 */
import { compareExchange, fetchAdd, load, notify, type SharedWords, store } from "./atomics.ts";

/** The most agents that live at one time, the main thread among them. */
export const AGENT_CAPACITY = 4096;

const HEADER_WORDS = 16;
const SLOT_WORDS = 64;

const NEXT_ID = 0;
const DEATHS = 1;
const NEXT_SLOT = 2;
/** Header: orders what the wait graph publishes. */
export const TICK = 3;
/** Header: the interval of the deadlock check in ms plus 1; 0 means the default, 1 means off. */
export const DEADLOCK_INTERVAL = 4;
/** Header: numbers locks for reports. */
const NEXT_LOCK = 5;
/** Header: 1 while races are to be detected. */
export const DETECT_RACES = 6;
/** Header: numbers memory that travels by the courier. */
export const NEXT_MEMORY = 7;
/** Header: counts what `wait()` wakes for, see `transport/waitable.ts`. */
export const WAIT_BELL = 8;

const STATE = 0;
const GENERATION = 1;
const STOP = 2;
const ENDED = 3;
/** Slot: the words of `wait_graph.ts`. */
export const WAIT_WORDS = 4;
/** Slot: counts what has come for this agent on its link, or in the root on any link; see `transport/courier.ts`. */
export const LINK_BELL = 8;
/** Slot: the name, in UTF-16, length first. */
const NAME = 16;
/** The most characters of a name, or of a label, in the table. */
export const TEXT_CHARS = 42;
/** Slot: what the agent waits for, in words. */
export const WAIT_LABEL = 40;

const SLOT_BITS = 12;
const GENERATIONS = (1 << 17) - 1;
/** The bits of a token. */
export const TOKEN_MASK: number = (1 << 29) - 1;

const FREE = 0;
const ALIVE = 1;
const DEAD = 2;
const FENCED = 3;
const LEFT = 4;

/** Behind the slots: the directory of named shared memory, see `shared/names.ts`. Where it begins, in bytes. */
export const DIRECTORY_OFFSET: number = (HEADER_WORDS + AGENT_CAPACITY * SLOT_WORDS) * 4;
/** The size of the directory, in bytes. */
export const DIRECTORY_BYTES: number = 64 * 1024;

/** One agent in the table. */
export interface AgentSlot {
  /** Its place in the table. */
  readonly slot: number;
  /** Which owner of that place it is. */
  readonly generation: number;
  /** A number no other agent of this program has had: 0 for the main thread. */
  readonly id: number;
}

/** A view on the agent table. */
export class AgentTable {
  /** The memory, to be given to workers. */
  readonly buffer: SharedArrayBuffer;
  /** The same memory, as words. */
  readonly words: SharedWords;

  /** @param buffer the memory of an existing table; without it a new table is made, whose slot 0 is the caller. */
  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer(DIRECTORY_BYTES + DIRECTORY_OFFSET);
    this.words = new Int32Array(this.buffer);
    if (buffer === undefined) this.register();
  }

  /** Takes a free slot for a new agent. @throws {RangeError} when {@linkcode AGENT_CAPACITY} agents live. */
  register(): AgentSlot {
    const words = this.words;
    const start = load(words, NEXT_SLOT);
    for (let tried = 0; tried < AGENT_CAPACITY; tried++) {
      const slot = (start + tried) % AGENT_CAPACITY;
      const base = HEADER_WORDS + slot * SLOT_WORDS;
      const state = load(words, base + STATE);
      // A dead slot is taken again; a fenced one is not: its thread may still run.
      if (state !== FREE && state !== DEAD) continue;
      if (compareExchange(words, base + STATE, state, ALIVE) !== state) continue;
      store(words, NEXT_SLOT, (slot + 1) % AGENT_CAPACITY);
      for (let word = STOP; word < SLOT_WORDS; word++) store(words, base + word, 0);
      const generation = (fetchAdd(words, base + GENERATION, 1) + 1) | 0;
      return { slot, generation, id: fetchAdd(words, NEXT_ID, 1) };
    }
    throw new RangeError(`Cannot start another process: ${AGENT_CAPACITY} are alive already.`);
  }

  /**
   * Says that an agent has ended. `fenced`: its thread may run on, so that its slot is not used again. `ended`: its
   * work had returned by itself, so that nobody counts on it any more (see {@linkcode markReturned}).
   */
  markDead(agent: AgentSlot, fenced = false, ended = false): void {
    const base = HEADER_WORDS + agent.slot * SLOT_WORDS;
    if (load(this.words, base + GENERATION) !== agent.generation) return;
    const now = fenced ? FENCED : DEAD;
    // Whoever left by itself has said so, and how: this is not a second death.
    if (compareExchange(this.words, base + STATE, LEFT, now) === LEFT) return;
    if (ended) store(this.words, base + ENDED, 1);
    if (compareExchange(this.words, base + STATE, ALIVE, now) === ALIVE) this.#count();
    else compareExchange(this.words, base + STATE, LEFT, now); // it left just now
  }

  /**
   * Called by an agent as its very last act. `ended`: as for {@linkcode markDead}.
   * DEATH  on Deno what is due already may still run after this (see `runtime/deno.ts`); it may touch what it held, and whoever
   *        takes that over is told so, by `recovered`
   */
  markLeft(agent: AgentSlot, ended: boolean): void {
    const base = HEADER_WORDS + agent.slot * SLOT_WORDS;
    if (load(this.words, base + GENERATION) !== agent.generation) return;
    if (ended) store(this.words, base + ENDED, 1);
    if (compareExchange(this.words, base + STATE, ALIVE, LEFT) === ALIVE) this.#count();
  }

  #count(): void {
    fetchAdd(this.words, DEATHS, 1);
    notify(this.words, DEATHS);
  }

  /** Called by an agent when its work has returned: from now on nobody counts on it, see {@linkcode hasCrashed}. */
  markReturned(agent: AgentSlot): void {
    store(this.words, HEADER_WORDS + agent.slot * SLOT_WORDS + ENDED, 1);
  }

  /** Whether an agent lives. */
  isAlive(slot: number, generation: number): boolean {
    const base = HEADER_WORDS + slot * SLOT_WORDS;
    return load(this.words, base + GENERATION) === generation && load(this.words, base + STATE) === ALIVE;
  }

  /** How many deaths the table has seen. */
  get deaths(): number {
    return load(this.words, DEATHS);
  }

  /** Where the words of a slot begin. */
  base(slot: number): number {
    return HEADER_WORDS + slot * SLOT_WORDS;
  }

  /** Whether the agent of a token lives. */
  isTokenAlive(token: number): boolean {
    const base = HEADER_WORDS + slotOf(token) * SLOT_WORDS;
    return load(this.words, base + STATE) === ALIVE &&
      epochOf(load(this.words, base + GENERATION)) === token >>> SLOT_BITS;
  }

  /** Whether the agent of a token has ended for certain, and writes nowhere any more. */
  isGone(token: number): boolean {
    const base = HEADER_WORDS + slotOf(token) * SLOT_WORDS;
    if (epochOf(load(this.words, base + GENERATION)) !== token >>> SLOT_BITS) return true;
    const state = load(this.words, base + STATE);
    return state === DEAD || state === FREE;
  }

  /**
   * {@linkcode AgentTable.isTokenAlive} at a tenth of the cost, for who does not rely on the answer.
   * ORDER  plain reads: a death may be seen late
   */
  seemsAlive(token: number): boolean {
    const { words } = this;
    const base = HEADER_WORDS + slotOf(token) * SLOT_WORDS;
    return words[base + STATE] === ALIVE && epochOf(words[base + GENERATION] as number) === token >>> SLOT_BITS;
  }

  /** Whether a dead agent is known to have died with its work undone. */
  hasCrashed(token: number): boolean {
    const base = HEADER_WORDS + slotOf(token) * SLOT_WORDS;
    if (epochOf(load(this.words, base + GENERATION)) !== token >>> SLOT_BITS) return false;
    return load(this.words, base + STATE) !== ALIVE && load(this.words, base + ENDED) === 0;
  }

  /** Asks an agent to stop: its blocking waits end with `StopRequested` within about 100 ms. */
  requestStop(agent: AgentSlot): void {
    const base = HEADER_WORDS + agent.slot * SLOT_WORDS;
    if (load(this.words, base + GENERATION) === agent.generation) store(this.words, base + STOP, 1);
  }

  /** The index of the word that is 1 once an agent has been asked to stop, for who looks at it all the time. */
  stopIndex(agent: AgentSlot): number {
    return HEADER_WORDS + agent.slot * SLOT_WORDS + STOP;
  }

  /** Whether an agent has been asked to stop. */
  isStopRequested(agent: AgentSlot): boolean {
    return load(this.words, HEADER_WORDS + agent.slot * SLOT_WORDS + STOP) === 1;
  }

  /** A number for a new lock, for reports. */
  nextLock(): number {
    return fetchAdd(this.words, NEXT_LOCK, 1) + 1;
  }

  /** Writes an agent's own name where others can read it. */
  publishName(agent: AgentSlot, name: string): void {
    this.writeText(this.base(agent.slot) + NAME, name);
  }

  /** The name of the agent of a token, as far as it has published one. */
  nameOf(token: number): string {
    return this.readText(this.base(slotOf(token)) + NAME) || `agent ${slotOf(token)}`;
  }

  /** Writes a short text at a word, two characters a word; longer ones are cut. */
  writeText(at: number, text: string): void {
    const length = Math.min(text.length, TEXT_CHARS);
    for (let i = 0; i < length; i += 2) {
      store(this.words, at + 1 + (i >> 1), text.charCodeAt(i) | (i + 1 < length ? text.charCodeAt(i + 1) << 16 : 0));
    }
    store(this.words, at, length);
  }

  /** Reads a text that {@linkcode writeText} wrote. */
  readText(at: number): string {
    const length = Math.min(load(this.words, at), TEXT_CHARS);
    let text = "";
    for (let i = 0; i < length; i++) {
      text += String.fromCharCode(load(this.words, at + 1 + (i >> 1)) >>> (i & 1 ? 16 : 0) & 0xffff);
    }
    return text;
  }
}

/** An agent as one number of 29 bits, never 0. */
export function tokenOf(agent: AgentSlot): number {
  return epochOf(agent.generation) << SLOT_BITS | agent.slot;
}

function epochOf(generation: number): number {
  return (generation >>> 0) % GENERATIONS + 1;
}

/** The slot in a token. */
export function slotOf(token: number): number {
  return token & (AGENT_CAPACITY - 1);
}
