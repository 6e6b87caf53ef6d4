/**
 * Who holds an end of a pipe. As in Python, and in Unix, an end is open while any process has a copy of it; passing it on
 * leaves the sender's copy open.
 *
 * ```
 *   Connection ── sent ──▶ ticket: serial, owner ── received ──▶ holder: the receiver's token in the receiver's place
 *      │ the first one in this agent: holder = its token                │ the last one is closed, or collected: holder = 0
 *      └──────────────── end is held: a living holder, or a ticket that counts ────────────────────┘
 * ```
 *
 * WORD      holder[slot] (i32): the token of the agent at that place of the agent table, while it has a copy; else 0, or the token of
 *           one that died there
 * WORD      serial[i] (i32): 0, or twice the serial number of a copy that is on its way, which counts while its sender lives; plus 1
 *           from when the message is published: it counts whatever happens to the sender · owner[i] (i32): 0, the place is free; or
 *           the token of the sender
 * WORD      CHANGES (i32): counts arrivals · SERIAL (i32): the last serial number · TOP, TICKET_TOP (i32): how far the lists are in use
 * OWNERSHIP holder[slot] is written by the agent at that place alone. A place is taken by CAS of owner from 0; who clears the serial
 *           number by CAS frees the place. Only one does, so that a copy that is read twice (a message whose reader died, a task
 *           that is tried again) takes no other copy's ticket. What changes a ticket names its serial number in the CAS, so that it
 *           never touches another ticket that has come to the same place
 * ORDER     leaving: ticket, then the sender may let go. Arriving: holder, CHANGES, then the ticket is cleared. Looking: CHANGES, holders,
 *           tickets, CHANGES again. A copy that the look has missed was not at its receiver when that place was looked at, and
 *           was no ticket any more afterwards: CHANGES shows it. Nobody can come by a copy of an end that nobody
 *           holds, so that "not held" is for good (but for a task that is tried again, which finds a closed end)
 * DEATH     a dead agent's hold is void. A sender that dies before the message is published: its ticket is void. A receiver that dies
 *           between taking a message and reading what is in it: the copy stays on its way for ever, and its end open. Who dies
 *           between clearing a serial number and freeing the place: the place is free again when its owner has died, too
 * WRAP      of serial numbers: a ticket would have to outlive 2^30 others
 * @module
 */
import { AGENT_CAPACITY, type AgentTable, tokenOf } from "../memory/agents.ts";
import { compareExchange, fetchAdd, load, type SharedWords, store } from "../memory/atomics.ts";
import { selfAgent } from "../memory/self.ts";
import { type PipeMemory, TICKETS } from "./pipe_memory.ts";

const CHANGES = 0;
const SERIAL = 1;
const TOP = 2;
const TICKET_TOP = 3;

const PUBLISHED = 1;

/** A copy on its way. */
export interface TicketPlace {
  readonly place: number;
  readonly serial: number;
}

/** The holders of one end. */
export class Holds {
  readonly #words: SharedWords;
  readonly #base: number;
  readonly #holders: number;
  readonly #serials: number;
  readonly #owners: number;
  readonly #table: AgentTable;
  readonly #token: number;
  readonly #slot: number;
  /** A place where a living holder was found. */
  #known = 0;

  constructor(memory: PipeMemory, end: number) {
    const self = selfAgent();
    this.#words = memory.words;
    this.#base = memory.end(end);
    this.#holders = memory.holders(end);
    this.#serials = memory.tickets(end);
    this.#owners = this.#serials + TICKETS;
    this.#table = self.table;
    this.#token = tokenOf(self);
    this.#slot = self.slot;
  }

  /** This agent has a copy. */
  take(): void {
    this.#raise(TOP, this.#slot + 1);
    store(this.#words, this.#holders + this.#slot, this.#token);
  }

  /** This agent has no copy any more. */
  letGo(): void {
    store(this.#words, this.#holders + this.#slot, 0);
  }

  /** A copy leaves. @throws {RangeError} when there are too many on their way */
  leave(): TicketPlace {
    const words = this.#words;
    for (let place = 0; place < TICKETS; place++) {
      if (!this.#isFree(place)) continue;
      if (compareExchange(words, this.#owners + place, 0, this.#token) !== 0) continue;
      this.#raise(TICKET_TOP, place + 1);
      const serial = (fetchAdd(words, this.#base + SERIAL, 1) + 1) & 0x3fffffff || 1;
      store(words, this.#serials + place, serial << 1);
      return { place, serial };
    }
    throw new RangeError(`Cannot send this connection: ${TICKETS} copies of it are on their way and not received.`);
  }

  /** The message with the copy is published: it counts, whatever happens to us. If it has arrived already, nothing is left to do. */
  sent({ place, serial }: TicketPlace): void {
    compareExchange(this.#words, this.#serials + place, serial << 1, serial << 1 | PUBLISHED);
  }

  /** A copy has arrived here, and {@linkcode Holds.take} was called; or it is not going to arrive anywhere. */
  arrive({ place, serial }: TicketPlace): void {
    const words = this.#words;
    const at = this.#serials + place;
    fetchAdd(words, this.#base + CHANGES, 1);
    // As long as this serial number stands there, the owner is its sender.
    const owner = load(words, this.#owners + place);
    for (let seen = load(words, at); seen >>> 1 === serial; seen = load(words, at)) {
      if (compareExchange(words, at, seen, 0) !== seen) continue;
      compareExchange(words, this.#owners + place, owner, 0);
      return;
    }
  }

  /** Whether anybody has, or will get, a copy. False is for good. */
  isHeld(): boolean {
    const words = this.#words;
    for (;;) {
      const changes = load(words, this.#base + CHANGES);
      if (this.#isHolder(this.#known)) return true;
      const top = load(words, this.#base + TOP);
      for (let slot = 0; slot < top; slot++) {
        if (!this.#isHolder(slot)) continue;
        this.#known = slot;
        return true;
      }
      if (this.#isOnItsWay()) return true;
      if (load(words, this.#base + CHANGES) === changes) return false;
    }
  }

  /** Whether this agent has the only copy, and no other is on its way. True is for good while this thread is blocked. */
  isMineOnly(): boolean {
    const words = this.#words;
    const changes = load(words, this.#base + CHANGES);
    if (load(words, this.#holders + this.#slot) !== this.#token) return false;
    const top = load(words, this.#base + TOP);
    for (let slot = 0; slot < top; slot++) if (slot !== this.#slot && this.#isHolder(slot)) return false;
    return !this.#isOnItsWay() && load(words, this.#base + CHANGES) === changes;
  }

  #isHolder(slot: number): boolean {
    const token = load(this.#words, this.#holders + slot);
    return token !== 0 && this.#table.isTokenAlive(token);
  }

  #isOnItsWay(): boolean {
    const words = this.#words;
    const top = load(words, this.#base + TICKET_TOP);
    for (let place = 0; place < top; place++) {
      for (let serial = load(words, this.#serials + place); serial !== 0;) {
        if ((serial & PUBLISHED) !== 0) return true;
        const owner = load(words, this.#owners + place);
        if (owner !== 0 && this.#table.isTokenAlive(owner)) return true;
        // It may have been published before its sender died.
        const before = serial;
        serial = load(words, this.#serials + place);
        if (serial === before) break;
      }
    }
    return false;
  }

  /** Whether a place is free to be taken. One whose owner has died before it published its message is made free. */
  #isFree(place: number): boolean {
    const words = this.#words;
    const owner = load(words, this.#owners + place);
    if (owner === 0) return true;
    if (this.#table.isTokenAlive(owner)) return false;
    const serial = load(words, this.#serials + place);
    if ((serial & PUBLISHED) !== 0) return false;
    if (serial !== 0 && compareExchange(words, this.#serials + place, serial, 0) !== serial) return false;
    return compareExchange(words, this.#owners + place, owner, 0) === owner;
  }

  #raise(word: number, least: number): void {
    const at = this.#base + word;
    for (let seen = load(this.#words, at); seen < Math.min(least, AGENT_CAPACITY);) {
      seen = compareExchange(this.#words, at, seen, least) === seen ? least : load(this.#words, at);
    }
  }
}
