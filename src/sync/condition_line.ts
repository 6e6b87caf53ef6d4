/**
 * The line of waiters under `Condition`, and one wait up to where it looks under the lock.
 *
 * ```
 *  holder ── takes a node ──▶ unlocks ──▶ spins, then sleeps, on its own GO word ──▶ locks again ──▶ CHOSEN? true
 *                                                               ▲                                      no: waits on
 *  notifier, holding the lock ── marks the oldest node CHOSEN ──┴─ raises its GO when it has released the lock
 * ```
 *
 * Everything but the GO words belongs to whoever holds the lock, so that waiting and notifying take no atomic operations of
 * their own but one: to raise GO. Whether a wait was notified is decided under the lock too, when it has that back. So
 * `wait` returns true if and only if it was chosen, a notify goes to the oldest waiters, never to one that came later, and
 * one that is notified while its time runs out has been notified. GO is only a hint to go and look.
 *
 * WORD       HIGH (i32): nodes from here on are unused · TICKET (i32): numbers the waits in their order; even
 * WORD       node.OWNER (i32): 0 free, or the waiter's token, or ABANDONED · node.TICKET (i32): odd; WRAP: tickets are compared
 *            by their difference · node.CHOSEN (i32): 0, or what the next ticket was when the node was chosen
 * WORD       GO[node] (i32): 0 · SLEEPING (1): the waiter may sleep on it · RAISED (2)
 * OWNERSHIP  HIGH, TICKET and the nodes: the holder of the lock (plain accesses, ordered by the lock). One exception: a waiter
 *            that cannot get the lock back, since that was a deadlock, writes ABANDONED over its own token.
 * LOST WAKE  the node is there before the lock is let go, and a notifier holds the lock: it sees every wait that began
 *            before. The waiter goes to sleep by CAS of GO from 0 to SLEEPING, the notifier raises GO by exchange: either the
 *            CAS fails, or the exchange finds SLEEPING and notifies.
 * LOST WAKE  GO may be raised late, for a waiter that has gone already: the next one at that node looks under the lock, finds
 *            that it is not chosen, takes GO down and waits on. It cannot take down what is meant for itself: that is raised
 *            after it was chosen, which takes the lock.
 * DEATH      of a notifier, between choosing and raising: the waiter sees CHOSEN when its slice is over. Of a waiter: notify
 *            passes it over; if it had been chosen, another waiter finds its node within a slice, takes the lock, and gives
 *            the notify on to the oldest of those that came before it was given.
 * SOURCE     CPython's `threading.Condition` (a lock for each waiter in a deque), as an array of futexes; waking after the
 *            release is what "wait morphing" does for pthreads (measured, parked: 5 µs a round trip instead of 15)
 * @module
 */
import type { AgentTable } from "../memory/agents.ts";
import { AsyncBell, type AsyncWaiter } from "../memory/async_park.ts";
import { compareExchange, load, newWords, notify, type SharedWords, store } from "../memory/atomics.ts";
import { type LockCore, raiseAfterRelease, RAISED, SLEEPING } from "./lock_core.ts";

const HIGH = 0;
const TICKET = 1;
const FIRST_NODE = 4;
const NODE_WORDS = 4;
/** The most waits at one time. */
const NODES = 1022;
const OWN_TICKET = 1;
/** In a node: whether it has been notified. */
export const CHOSEN = 2;
/** From a node to its GO word. Those lie apart, so that writing a node does not disturb who spins. */
export const GO: number = NODES * NODE_WORDS;
const WORDS = FIRST_NODE + 2 * GO;

/** In place of the token of a waiter that went away without the lock. No agent has this token. */
const ABANDONED = 1 << 30;

/** Makes the words of a new condition. */
export function newLine(): SharedWords {
  return newWords(WORDS * 4);
}

/** Takes a node for a wait that begins, with the lock held. @throws {RangeError} when there is none */
export function takeNode(words: SharedWords, core: LockCore): number {
  const high = words[HIGH] as number;
  let i = 0;
  while (i < high && words[FIRST_NODE + i * NODE_WORDS] !== 0) i++;
  if (i === NODES) i = findDead(words, core.table);
  if (i === high) words[HIGH] = high + 1;
  const node = FIRST_NODE + i * NODE_WORDS;
  const ticket = words[TICKET] as number;
  words[TICKET] = ticket + 2;
  words[node] = core.token;
  words[node + OWN_TICKET] = ticket + 1;
  words[node + CHOSEN] = 0;
  words[node + GO] = 0;
  return node;
}

/** With the lock held and no node free: the node of a dead waiter. */
function findDead(words: SharedWords, table: AgentTable): number {
  handOn(words, table);
  for (let i = 0; i < NODES; i++) {
    const owner = words[FIRST_NODE + i * NODE_WORDS] as number;
    if (owner !== 0 && table.isTokenAlive(owner)) continue;
    words[HIGH] = NODES; // handing on may have lowered it
    return i;
  }
  throw new RangeError(`Cannot wait for a Condition: ${NODES} waits are going on already.`);
}

/** Says that the waiter of a node went away without the lock. */
export function abandon(words: SharedWords, node: number): void {
  store(words, node, ABANDONED);
}

/** With the lock held: notifies the waiter of a node. */
function give(words: SharedWords, node: number, limit: number): void {
  words[node + CHOSEN] = limit;
  raiseAfterRelease(words, node + GO);
}

/** With the lock held: frees a node. */
export function freeNode(words: SharedWords, node: number): void {
  words[node] = 0;
  let high = words[HIGH] as number;
  while (high > 0 && words[FIRST_NODE + (high - 1) * NODE_WORDS] === 0) high--;
  words[HIGH] = high;
}

/** With the lock held: notifies the oldest living waiter of those that came before `limit`; false when there is none. */
export function notifyOldest(words: SharedWords, table: AgentTable, limit: number): boolean {
  for (;;) {
    const end = FIRST_NODE + (words[HIGH] as number) * NODE_WORDS;
    let oldest = 0;
    let age = 0;
    for (let node = FIRST_NODE; node < end; node += NODE_WORDS) {
      if (words[node] === 0 || words[node + CHOSEN] !== 0) continue;
      const own = (limit - (words[node + OWN_TICKET] as number)) | 0;
      if (own <= age) continue;
      oldest = node;
      age = own;
    }
    if (oldest === 0) return false;
    if (!table.seemsAlive(words[oldest] as number)) {
      freeNode(words, oldest);
      continue;
    }
    give(words, oldest, limit);
    return true;
  }
}

/** With the lock held: notifies everybody. */
export function notifyEveryone(words: SharedWords, table: AgentTable): void {
  const end = FIRST_NODE + (words[HIGH] as number) * NODE_WORDS;
  for (let node = FIRST_NODE; node < end; node += NODE_WORDS) {
    if (words[node] === 0 || words[node + CHOSEN] !== 0) continue;
    if (table.seemsAlive(words[node] as number)) give(words, node, nextTicket(words));
    else freeNode(words, node);
  }
}

/** With the lock held: the ticket of the next wait; all who wait now came before it. */
export function nextTicket(words: SharedWords): number {
  return (words[TICKET] as number) + 1;
}

/** With the lock held: gives on the notifies that waiters had in their hands when they died. */
export function handOn(words: SharedWords, table: AgentTable): void {
  for (let i = 0; i < (words[HIGH] as number); i++) {
    const node = FIRST_NODE + i * NODE_WORDS;
    const limit = words[node + CHOSEN] as number;
    if (words[node] === 0 || limit === 0 || table.isTokenAlive(words[node] as number)) continue;
    freeNode(words, node);
    notifyOldest(words, table, limit);
  }
}

/** One wait, up to where it looks under the lock. */
export class ConditionWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  readonly index: number;
  readonly expected = SLEEPING;
  readonly #node: number;
  readonly #table: AgentTable;
  #look = false;
  #bell: AsyncBell | undefined;

  constructor(words: SharedWords, node: number, table: AgentTable) {
    this.words = words;
    this.index = node + GO;
    this.#node = node;
    this.#table = table;
  }

  get bell(): AsyncBell {
    return this.#bell ??= new AsyncBell(this.words, this.index, true);
  }

  poll(): boolean {
    return this.#look || compareExchange(this.words, this.index, 0, SLEEPING) === RAISED;
  }

  /** Looks for a notifier that died before it raised GO, and for waiters that died with a notify in their hands. */
  inspect(): void {
    const { words } = this;
    this.#look = load(words, this.#node + CHOSEN) !== 0;
    const high = load(words, HIGH);
    for (let i = 0; i < high && !this.#look; i++) {
      const node = FIRST_NODE + i * NODE_WORDS;
      const owner = load(words, node);
      this.#look = owner !== 0 && load(words, node + CHOSEN) !== 0 && !this.#table.isTokenAlive(owner);
    }
  }

  end(): void {
    if (this.#bell !== undefined) notify(this.words, this.index); // takes the waitAsync that is out back
  }
}
