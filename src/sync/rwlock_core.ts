/**
 * The lock under `RWLock`: many readers, or one writer.
 *
 * ```
 *  reader ── own node.COUNT + 1 ── the core is free? ──▶ reads          writer ── acquires the core ── waits until every
 *               ▲                      │ no: COUNT − 1, waits for                  node.COUNT is 0 ──▶ writes
 *               └── COUNT + 1 with ◀───┘ the core like a writer
 *                   the core held
 * ```
 *
 * Writers queue for the core, a lock of `lock_core.ts`. It is held from the moment a writer begins to wait for the
 * readers to leave, so that no new reader gets in before it: writers are preferred. A reader that finds the core taken
 * queues for it too, so that it comes in its turn among the writers and cannot starve. Readers on different cores write
 * different words.
 *
 * WORD      the core's words, then DRAIN (i32): counts departures of readers · HIGH (i32): nodes from here on are unused
 *           · WRITING (i32): 1 while a writer is past the readers
 * WORD      node.OWNER (i32): 0, a token, or −1 while it is being prepared · node.COUNT (i32): its read acquisitions
 * OWNERSHIP node.COUNT is written by its owner only, who may read it plainly; WRITING belongs to the holder of the core.
 *           Whoever gets the core and finds it set knows that the writer before died as one, however it got the core
 * ORDER     (Dekker) reader: COUNT + 1, then reads STATE. Writer: writes STATE, then reads every COUNT. One sees the other.
 * LOST WAKE writer: reads DRAIN, then the COUNTs, then sleeps while DRAIN is unchanged. Reader that leaves: COUNT − 1, then
 *           reads STATE; if that is taken, changes DRAIN and notifies.
 * DEATH     a dead reader is passed over, and its node is taken by another when nodes run out. A dead writer's lock is
 *           taken over; it is `recovered` if it had been past the readers.
 * SOURCE    the big-reader lock of Linux and BRAVO (Dice, Kogan 2019), with the writer's lock as the queue for all
 * @module
 */
import { NotOwnerError } from "../errors.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { compareExchange, fetchAdd, load, notify, type SharedWords, store } from "../memory/atomics.ts";
import { blockOn } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import { deadlockInterval } from "../memory/wait_graph.ts";
import { DeadlockWatch, selfDeadlockError } from "./deadlock.ts";
import { LockCore } from "./lock_core.ts";
import { ACQUIRED, type Acquisition, CORE_WORDS, MISSED, newCore, RECOVERED, STATE } from "./lock_words.ts";

const DRAIN = CORE_WORDS;
const HIGH = CORE_WORDS + 1;
const WRITING = CORE_WORDS + 2;
const FIRST_NODE = CORE_WORDS + 4;
const NODE_WORDS = 2;
const NODES = 1018;
const PREPARING = -1;

/** Makes the words of a new lock. */
export function newRWWords(): SharedWords {
  return newCore((FIRST_NODE - CORE_WORDS + NODES * NODE_WORDS) * 4);
}

/** The lock as one agent sees it; the two sides share it. */
export class RWCore extends LockCore {
  #node = -1;
  #drainBell: AsyncBell | undefined;

  /** The bell of writers that wait for readers. */
  get drainBell(): AsyncBell {
    return this.#drainBell ??= new AsyncBell(this.words, DRAIN, true);
  }

  /** This agent's node, taken at its first read. */
  get node(): number {
    return this.#node >= 0 ? this.#node : this.#node = this.#takeNode();
  }

  /** How often this agent holds it for reading. */
  get reads(): number {
    return this.#node < 0 ? 0 : this.words[this.#node + 1] as number;
  }

  #takeNode(): number {
    const { words, token, table } = this;
    for (let i = 0; i < NODES; i++) {
      const node = FIRST_NODE + i * NODE_WORDS;
      const owner = load(words, node);
      if (owner === token && i < load(words, HIGH)) return node;
      // DEATH  a process that dies while it prepares a node takes the node with it, and nothing else. One that may still run
      //        somewhere keeps its node: it may write to it.
      if (owner === PREPARING || (owner !== 0 && !table.isGone(owner))) continue;
      if (compareExchange(words, node, owner, PREPARING) !== owner) continue;
      store(words, node + 1, 0);
      store(words, node, token);
      for (let high = load(words, HIGH); high <= i;) {
        const before = compareExchange(words, HIGH, high, i + 1);
        if (before === high) break;
        high = before;
      }
      return node;
    }
    throw new RangeError(`Cannot read under ${this.label}: ${NODES} processes that live have done so already.`);
  }

  /** A living reader, this agent's node left out on demand; 0 when there is none. */
  reader(): number {
    const { words, table } = this;
    const high = load(words, HIGH);
    for (let i = 0; i < high; i++) {
      const node = FIRST_NODE + i * NODE_WORDS;
      if (load(words, node + 1) === 0) continue;
      const owner = load(words, node);
      if (owner > 0 && table.isTokenAlive(owner)) return owner;
    }
    return 0;
  }

  /** Reads if no writer is there and this agent has a node: the fast path. */
  tryReadFast(): boolean {
    const { words } = this;
    const node = this.#node;
    if (node < 0 || words[STATE] !== 0) return false;
    fetchAdd(words, node + 1, 1);
    if (load(words, STATE) === 0) return true;
    this.#undoRead(node);
    return false;
  }

  #undoRead(node: number): void {
    if (fetchAdd(this.words, node + 1, -1) === 1) this.#left();
  }

  /** Reads if no writer is there, or if this agent reads already. */
  tryRead(): Acquisition {
    const { words, node } = this;
    const count = words[node + 1] as number;
    store(words, node + 1, count + 1);
    // While this agent reads, no writer is past the readers: it may read again whoever waits.
    if (count > 0 || load(words, STATE) === 0) return ACQUIRED;
    store(words, node + 1, count);
    this.#left();
    return this.tryAcquire() === MISSED ? MISSED : this.enter();
  }

  /** Turns a hold of the core into one for reading. */
  enter(): Acquisition {
    const { words, node } = this;
    const recovered = words[WRITING] === 1;
    words[WRITING] = 0;
    store(words, node + 1, (words[node + 1] as number) + 1);
    this.releaseRaw();
    return recovered ? RECOVERED : ACQUIRED;
  }

  /** Ends reading once. */
  releaseRead(): void {
    const node = this.#node;
    const count = node < 0 ? 0 : this.words[node + 1] as number; // our own word: nobody else writes it
    if (count === 0) {
      throw new NotOwnerError(`Cannot release ${this.label}: this process does not read under it. Acquire it first.`);
    }
    this.#undoRead(node);
  }

  #left(): void {
    const { words } = this;
    if (load(words, STATE) === 0) return;
    fetchAdd(words, DRAIN, 1);
    notify(words, DRAIN);
  }

  /** Past the readers: whether the writer before died as one. */
  begin(): Acquisition {
    const { words } = this;
    const recovered = words[WRITING] === 1;
    words[WRITING] = 1;
    return recovered ? RECOVERED : ACQUIRED;
  }

  /** Lets go of the core without having come past the readers. */
  giveUp(): void {
    if (this.words[WRITING] === 1) this.keepRecovered();
    this.releaseRaw();
  }

  /** Ends writing. `keep`: the guard of the acquisition stays good. */
  endWrite(keep: boolean): void {
    if (!this.mine || this.words[WRITING] === 0) throw this.notOwner("release");
    if (!this.unreported) this.words[WRITING] = 0;
    if (keep) this.releaseRaw();
    else this.release();
  }

  /** With the core held: blocks until the readers have left; lets go of the core when they do not. */
  drainSync(deadline: number): boolean {
    if (this.reader() === 0) return true;
    if (this.reads > 0 && deadline === Infinity && deadlockInterval(this.table) !== Infinity) {
      this.giveUp();
      throw selfDeadlockError(this.label, "A process that reads cannot wait to write: release the read lock first.");
    }
    return this.#drained(() => blockOn(new DrainWaiter(this, true), deadline));
  }

  /** The same without blocking the thread. */
  async drainAsync(deadline: number, signal?: AbortSignal): Promise<boolean> {
    if (this.reader() === 0) return true;
    let done = false;
    try {
      return done = await awaitOn(new DrainWaiter(this, false), deadline, signal);
    } finally {
      if (!done) this.giveUp();
    }
  }

  #drained(wait: () => boolean): boolean {
    let done = false;
    try {
      return done = wait();
    } finally {
      if (!done) this.giveUp();
    }
  }
}

/** Waits for the readers to leave. */
class DrainWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  readonly index = DRAIN;
  expected = 0;
  readonly #core: RWCore;
  readonly #blocking: boolean;
  #watch: DeadlockWatch | undefined;

  constructor(core: RWCore, blocking: boolean) {
    this.words = core.words;
    this.#core = core;
    this.#blocking = blocking;
  }

  get bell(): AsyncBell {
    return this.#core.drainBell;
  }

  poll(): boolean {
    this.expected = load(this.words, DRAIN);
    return this.#core.reader() === 0;
  }

  inspect(elapsed: number, endless: boolean): void {
    if (!endless || (!this.#blocking && selfAgent().oneTask !== true)) return;
    this.#watch ??= new DeadlockWatch(this.#core.label);
    this.#watch.inspect(elapsed, () => this.#core.reader(), this.#blocking);
  }

  end(): void {
    this.#watch?.end();
  }
}
