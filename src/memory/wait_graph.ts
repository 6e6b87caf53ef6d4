/**
 * Who waits for whom: each agent that has waited a while publishes one edge in its slot of the agent table, and looks
 * whether the edges lead from it back to it.
 *
 * ```
 *  Process-1 ── waits for Lock #2, held by ──▶ Process-2 ── waits for Lock #1, held by ──▶ Process-1
 * ```
 *
 * WORD   slot.SEQUENCE (i32): odd while the agent waits for good (no timeout, no signal); changes with every wait
 * WORD   slot.TARGET (i32): the token of the agent that it waits for
 * WORD   slot.BEGIN (i32): the tick at which this wait began · slot.SAMPLE (i32): a tick from just before TARGET was read
 *        in the lock's own word. Ticks are one counter for all agents. WRAP: ticks are compared by their difference,
 *        right while a deadlock is younger than 2^31 ticks; 4096 agents that tick ten times a second need 14 hours
 *
 * A report is never false. Let every agent X on the circle have been blocked without a break since BEGIN(X), which the
 * unchanged SEQUENCE shows after the walk, and let each edge P → X have been sampled after BEGIN(X). Then the lock that
 * P waits for was held by X while X was blocked already; X has not run since, so it holds the lock still, and so
 * on round the circle: nobody on it can ever run. An edge that is older than its target's wait proves nothing, and is left
 * until it has been sampled again, in the next slice.
 *
 * ORDER  SAMPLE is ticked before the lock's word is read, so it is never later than the truth
 * DEATH  a dead agent's edge stays, but nobody's edge leads to a dead agent: its locks are taken over instead
 * @module
 */
import {
  AGENT_CAPACITY,
  type AgentTable,
  DEADLOCK_INTERVAL,
  slotOf,
  TICK,
  tokenOf,
  WAIT_LABEL,
  WAIT_WORDS,
} from "./agents.ts";
import { fetchAdd, load, store } from "./atomics.ts";
import { type SelfAgent, selfAgent } from "./self.ts";

const SEQUENCE = WAIT_WORDS;
const TARGET = WAIT_WORDS + 1;
const BEGIN = WAIT_WORDS + 2;
const SAMPLE = WAIT_WORDS + 3;

const DEFAULT_INTERVAL = 150;

/** One agent on a circle. */
export interface CircleMember {
  /** The agent's token. */
  readonly token: number;
  /** Its name. */
  readonly name: string;
  /** What it waits for, for example `Lock #3`. The next member holds that. */
  readonly waitsFor: string;
}

/** After how many ms of waiting an agent looks for deadlocks; `Infinity` when that is switched off. */
export function deadlockInterval(table: AgentTable): number {
  const word = load(table.words, DEADLOCK_INTERVAL);
  return word === 0 ? DEFAULT_INTERVAL : word === 1 ? Infinity : word - 1;
}

/** Sets the interval for the whole program; `Infinity` switches the check off. */
export function setDeadlockInterval(table: AgentTable, interval: number): void {
  store(table.words, DEADLOCK_INTERVAL, interval === Infinity ? 1 : Math.max(1, Math.ceil(interval)) + 1);
}

/** The edge that this agent shows now; an agent shows one at most. */
let shown: WaitEdge | undefined;

/** The edge of one wait of this agent. */
export class WaitEdge {
  readonly #self: SelfAgent = selfAgent();
  readonly #label: string;

  /** @param label what is waited for */
  constructor(label: string) {
    this.#label = label;
  }

  /**
   * Publishes the edge as it is now, and looks for a circle.
   * @param holder reads, at this moment, the token of the agent that is waited for; 0 when there is none
   * @param blocking whether the thread is blocked; such a wait goes before one that is not
   * @returns the circle, beginning with this agent, if there is one and this agent is the one to break it
   */
  update(holder: () => number, blocking: boolean): CircleMember[] | undefined {
    if (shown !== undefined && shown !== this) {
      if (!blocking) return undefined;
      shown.clear();
    }
    const { table, slot } = this.#self;
    const { words } = table;
    const base = table.base(slot);
    if (shown === undefined) {
      shown = this;
      table.writeText(base + WAIT_LABEL, this.#label);
      store(words, base + TARGET, 0);
      store(words, base + BEGIN, fetchAdd(words, TICK, 1));
      fetchAdd(words, base + SEQUENCE, 1);
    }
    const sample = fetchAdd(words, TICK, 1);
    const target = holder();
    // A reader that sees the new target with the old sample takes it for older than it is, which is safe; the other way
    // round is not, so the target is taken away first.
    store(words, base + TARGET, 0);
    store(words, base + SAMPLE, sample);
    store(words, base + TARGET, target);
    return target === 0 ? undefined : findCircle(this.#self, holder);
  }

  /** Takes the edge away; to be called before the agent goes on. */
  clear(): void {
    if (shown !== this) return;
    shown = undefined;
    const { table, slot } = this.#self;
    fetchAdd(table.words, table.base(slot) + SEQUENCE, 1);
  }
}

/**
 * Follows the edges from this agent. Of several that see the same circle, the one whose wait began last reports it, so
 * that one of them fails and the others go on.
 */
function findCircle(self: SelfAgent, holder: () => number): CircleMember[] | undefined {
  const { table } = self;
  const { words } = table;
  const own = tokenOf(self);
  const path: { token: number; base: number; sequence: number }[] = [];
  const ownBegin = load(words, table.base(self.slot) + BEGIN);
  let at = own;
  let sample = ownBegin;
  for (;;) {
    const base = table.base(slotOf(at));
    const sequence = load(words, base + SEQUENCE);
    if ((sequence & 1) === 0 || !table.isTokenAlive(at)) return undefined;
    const begin = load(words, base + BEGIN);
    if (((sample - begin) | 0) < 0) return undefined; // the edge that led here is older than this wait
    if (path.length > 0 && at === own) break;
    if (((begin - ownBegin) | 0) > 0) return undefined; // that one reports
    if (path.length > AGENT_CAPACITY || path.some((member) => member.token === at)) return undefined;
    path.push({ token: at, base, sequence });
    const target = load(words, base + TARGET);
    sample = load(words, base + SAMPLE);
    if (target === 0 || target !== load(words, base + TARGET)) return undefined;
    at = target;
  }
  const circle = path.map(({ token, base }) => ({
    token,
    name: token === own ? self.name : table.nameOf(token),
    waitsFor: table.readText(base + WAIT_LABEL),
  }));
  for (const { base, sequence } of path) if (load(words, base + SEQUENCE) !== sequence) return undefined;
  return holder() === (path[1]?.token ?? own) ? circle : undefined;
}
