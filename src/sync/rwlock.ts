/**
 * `RWLock`: many readers, or one writer.
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
 * OWNERSHIP node.COUNT is written by its owner only
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
import { blockOn, deadlineOf, throwIfAborted } from "../memory/park.ts";
import { deadlockInterval } from "../memory/wait_graph.ts";
import { selfAgent } from "../memory/self.ts";
import { registerHandle } from "../transport/handles.ts";
import { DeadlockWatch, selfDeadlockError } from "./deadlock.ts";
import {
  type AcquireOptions,
  checkName,
  checkOwnerDeath,
  type Guard,
  type Lockable,
  type OwnerDeathOptions,
  refuseRecovered,
  type UntimedAcquireOptions,
} from "./guard.ts";
import { exposeLock, type HeldLock } from "./internals.ts";
import type { LockOptions } from "./lock.ts";
import { ACQUIRED, type Acquisition, CORE_WORDS, LockCore, MISSED, newCore, RECOVERED, STATE } from "./lock_core.ts";

const DRAIN = CORE_WORDS;
const HIGH = CORE_WORDS + 1;
const WRITING = CORE_WORDS + 2;
const FIRST_NODE = CORE_WORDS + 4;
const NODE_WORDS = 2;
const NODES = 1018;
const PREPARING = -1;

interface RWLockWire {
  readonly buffer: SharedArrayBuffer;
  readonly name: string;
  readonly onOwnerDeath: "recover" | "throw";
}

/** The lock as one agent sees it; the two sides share it. */
class RWCore extends LockCore {
  #node = -1;
  #drainBell: AsyncBell | undefined;

  get drainBell(): AsyncBell {
    return this.#drainBell ??= new AsyncBell(this.words, DRAIN, true);
  }

  /** This agent's node, taken at its first read. */
  get node(): number {
    return this.#node >= 0 ? this.#node : this.#node = this.#takeNode();
  }

  /** How often this agent holds it for reading. */
  get reads(): number {
    return this.#node < 0 ? 0 : load(this.words, this.#node + 1);
  }

  #takeNode(): number {
    const { words, token, table } = this;
    for (let i = 0; i < NODES; i++) {
      const node = FIRST_NODE + i * NODE_WORDS;
      const owner = load(words, node);
      if (owner === token && i < load(words, HIGH)) return node;
      // DEATH  a process that dies while it prepares a node takes the node with it, and nothing else.
      if (owner === PREPARING || (owner !== 0 && table.isTokenAlive(owner))) continue;
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
    if (node < 0 || load(words, STATE) !== 0) return false;
    fetchAdd(words, node + 1, 1);
    if (load(words, STATE) === 0) return true;
    this.#undoRead(node);
    return false;
  }

  #undoRead(node: number): void {
    if (fetchAdd(this.words, node + 1, -1) === 1) this.#left();
  }

  tryRead(): Acquisition {
    const { words, node } = this;
    const count = load(words, node + 1);
    store(words, node + 1, count + 1);
    // While this agent reads, no writer is past the readers: it may read again whoever waits.
    if (count > 0 || load(words, STATE) === 0) return ACQUIRED;
    store(words, node + 1, count);
    this.#left();
    const result = this.tryAcquire();
    return result === MISSED ? MISSED : this.enter(result);
  }

  /** Turns a hold of the core into one for reading. */
  enter(result: Acquisition): Acquisition {
    const { words, node } = this;
    const recovered = result === RECOVERED && load(words, WRITING) === 1;
    if (result === RECOVERED) store(words, WRITING, 0);
    store(words, node + 1, load(words, node + 1) + 1);
    this.releaseRaw();
    return recovered ? RECOVERED : ACQUIRED;
  }

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

  /** Past the readers: what the acquisition of the core means for a writer. */
  begin(result: Acquisition): Acquisition {
    const { words } = this;
    const recovered = result === RECOVERED && load(words, WRITING) === 1;
    store(words, WRITING, 1);
    return recovered ? RECOVERED : ACQUIRED;
  }

  /** Ends writing. `keep`: the guard of the acquisition stays good. */
  endWrite(keep: boolean): void {
    if (!this.mine || load(this.words, WRITING) === 0) throw this.notOwner("release");
    store(this.words, WRITING, 0);
    if (keep) this.releaseRaw();
    else this.release();
  }

  drainSync(deadline: number): boolean {
    if (this.reader() === 0) return true;
    if (this.reads > 0 && deadline === Infinity && deadlockInterval(this.table) !== Infinity) {
      this.releaseRaw();
      throw selfDeadlockError(this.label, "A process that reads cannot wait to write: release the read lock first.");
    }
    return this.#drained(() => blockOn(new DrainWaiter(this, true), deadline));
  }

  async drainAsync(deadline: number, signal?: AbortSignal): Promise<boolean> {
    if (this.reader() === 0) return true;
    let done = false;
    try {
      return done = await awaitOn(new DrainWaiter(this, false), deadline, signal);
    } finally {
      if (!done) this.releaseRaw();
    }
  }

  #drained(wait: () => boolean): boolean {
    let done = false;
    try {
      return done = wait();
    } finally {
      if (!done) this.releaseRaw();
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

/** One acquisition of an `RWLock`, for reading or for writing. Made by the lock itself. */
export class RWLockGuard implements Guard {
  #core: RWCore | undefined;
  /** For writing: the serial of the acquisition; −1 for reading. */
  readonly #serial: number;
  /** Whether the lock was taken over from a writer that died, so that what it guards may be half changed. */
  readonly recovered: boolean;

  /** For the library's own use: acquire a side of an {@linkcode RWLock}. @param core the lock, @param write whether it is for writing, @param recovered whether a writer had died */
  constructor(core: object, write: boolean, recovered: boolean) {
    this.#core = core as RWCore;
    this.#serial = write ? this.#core.serial : -1;
    this.recovered = recovered;
  }

  /** Releases the lock, unless that has been done. Never blocks. */
  release(): void {
    const core = this.#core;
    if (core === undefined) return;
    this.#core = undefined;
    if (this.#serial < 0) core.releaseRead();
    else if (core.serial === this.#serial) core.endWrite(false);
  }

  /** Releases the lock at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * One side of an {@linkcode RWLock}, with all that a lock has. It may be passed to any process by itself, and be the lock
 * of a `Condition`.
 */
export class RWLockSide implements Lockable {
  readonly #core: RWCore;
  readonly #write: boolean;
  readonly #onOwnerDeath: "recover" | "throw";

  static {
    registerHandle<RWLockSide, RWLockWire & { readonly write: boolean }>("RWLockSide", RWLockSide, {
      detach: (side) => ({ ...wireOf(side.#core, side.#onOwnerDeath), write: side.#write }),
      attach: ({ buffer, name, onOwnerDeath, write }) => {
        const lock = new RWLock({ name, onOwnerDeath }, new Int32Array(buffer));
        return write ? lock.write : lock.read;
      },
    });
    exposeLock(RWLockSide, (side) => new HeldSide(side.#core, side.#write));
  }

  /** For the library's own use: take `read` or `write` of an {@linkcode RWLock}. */
  constructor(core: object, write: boolean, onOwnerDeath: "recover" | "throw") {
    this.#core = core as RWCore;
    this.#write = write;
    this.#onOwnerDeath = onOwnerDeath;
  }

  /**
   * Acquires this side, waiting for it without blocking the thread.
   * @param options a time limit in ms, a signal, what to do when the holder has died
   * @returns a guard; with a time limit, `null` when that passes
   * @throws {OwnerDiedError} when a writer died and `onOwnerDeath` is `"throw"`
   * @throws {DeadlockError} when this process and others wait for each other in a circle
   * @throws the signal's reason when it is aborted
   */
  acquire(options?: UntimedAcquireOptions): Promise<RWLockGuard>;
  /** Acquires this side within a time limit; resolves to `null` when that passes. */
  acquire(options: AcquireOptions): Promise<RWLockGuard | null>;
  async acquire(options?: AcquireOptions): Promise<RWLockGuard | null> {
    const core = this.#core;
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    let result: Acquisition = this.#write ? core.tryAcquire() : core.tryRead();
    if (result === MISSED) {
      result = await core.acquireAsync(deadline, options?.signal);
      if (result !== MISSED && !this.#write) result = core.enter(result);
    }
    if (result !== MISSED && this.#write) {
      result = await core.drainAsync(deadline, options?.signal) ? core.begin(result) : MISSED;
    }
    return this.#guard(result, options);
  }

  /** Acquires this side, blocking the thread until it has it. See {@linkcode acquire}. */
  acquireSync(options?: UntimedAcquireOptions): RWLockGuard;
  /** Acquires this side within a time limit, blocking the thread; `null` when the time passes. */
  acquireSync(options: AcquireOptions): RWLockGuard | null;
  acquireSync(options?: AcquireOptions): RWLockGuard | null {
    const core = this.#core;
    if (options === undefined && !this.#write && core.tryReadFast()) return new RWLockGuard(core, false, false);
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    let result: Acquisition = this.#write ? core.tryAcquire() : core.tryRead();
    if (result === MISSED) {
      result = core.acquireSlow(deadline);
      if (result !== MISSED && !this.#write) result = core.enter(result);
    }
    if (result !== MISSED && this.#write) result = core.drainSync(deadline) ? core.begin(result) : MISSED;
    return this.#guard(result, options);
  }

  /** Acquires this side if nobody is in its way; never waits. @returns a guard, or `null` */
  tryAcquire(options?: OwnerDeathOptions): RWLockGuard | null {
    const core = this.#core;
    let result: Acquisition = this.#write ? core.tryAcquire() : core.tryRead();
    if (result !== MISSED && this.#write) {
      if (core.reader() === 0) {
        result = core.begin(result);
      } else {
        core.releaseRaw();
        result = MISSED;
      }
    }
    return this.#guard(result, options);
  }

  /** Releases this side once. Never blocks. @throws {NotOwnerError} when this process does not hold it */
  release(): void {
    if (this.#write) this.#core.endWrite(false);
    else this.#core.releaseRead();
  }

  /** Whether anyone reads; for the other side, whether anyone writes or waits to. */
  get locked(): boolean {
    return this.#write ? this.#core.held : this.#core.reader() !== 0;
  }

  /** Runs a function with this side held, waiting for it without blocking, and releases it whatever happens. */
  async run<R>(fn: (guard: RWLockGuard) => R | PromiseLike<R>, options?: UntimedAcquireOptions): Promise<Awaited<R>> {
    const guard = await this.acquire(options);
    try {
      return await fn(guard);
    } finally {
      guard.release();
    }
  }

  /** Runs a function with this side held, blocking the thread for it, and releases it whatever happens. */
  runSync<R>(fn: (guard: RWLockGuard) => R, options?: UntimedAcquireOptions): R {
    const guard = this.acquireSync(options);
    try {
      return fn(guard);
    } finally {
      guard.release();
    }
  }

  #guard(result: Acquisition, options: OwnerDeathOptions | undefined): RWLockGuard | null {
    if (result === MISSED) return null;
    const core = this.#core;
    if (result === RECOVERED) {
      const choice = options?.onOwnerDeath === undefined ? this.#onOwnerDeath : checkOwnerDeath(options.onOwnerDeath);
      refuseRecovered(core, result, choice, () => this.release());
    }
    return new RWLockGuard(core, this.#write, result === RECOVERED);
  }
}

/** A side as a condition sees it. Only a writer may wait with it: readers change nothing. */
class HeldSide implements HeldLock {
  readonly core: RWCore;

  constructor(core: RWCore, write: boolean) {
    if (!write) throw new TypeError("Cannot make a Condition with the read side of an RWLock; give it the write side.");
    this.core = core;
  }

  unlock(): number {
    this.core.endWrite(true);
    return 0;
  }

  lockSync(): void {
    const { core } = this;
    const result = core.tryAcquire() || core.acquireSlow(Infinity);
    core.drainSync(Infinity);
    core.begin(result);
  }

  async lockAsync(): Promise<void> {
    const { core } = this;
    const result = core.tryAcquire() || await core.acquireAsync(Infinity);
    await core.drainAsync(Infinity);
    core.begin(result);
  }
}

function wireOf(core: RWCore, onOwnerDeath: "recover" | "throw"): RWLockWire {
  return { buffer: core.words.buffer, name: core.name, onOwnerDeath };
}

/**
 * A lock for many readers or one writer. It may be passed to any process.
 *
 * Python has none. Its two sides are locks: `lock.read` and `lock.write`. Writers are preferred: once one waits, new
 * readers wait behind it; a process that reads already may read again. A process that reads cannot also wait to write
 * (`DeadlockError`). A reader that dies is forgotten; a writer that dies leaves `recovered: true` to the next. What
 * happened before a release is visible after the acquisitions that follow it.
 *
 * @example
 * ```ts
 * import { RWLock } from "@manycore/multiprocessing";
 *
 * const lock = new RWLock();
 * await lock.write.run(() => console.log("alone"));
 * lock.read.runSync(() => console.log("with other readers"));
 * ```
 */
export class RWLock {
  readonly #core: RWCore;
  readonly #onOwnerDeath: "recover" | "throw";
  /** The side for readers. */
  readonly read: RWLockSide;
  /** The side for writers. */
  readonly write: RWLockSide;

  static {
    registerHandle<RWLock, RWLockWire>("RWLock", RWLock, {
      detach: (lock) => wireOf(lock.#core, lock.#onOwnerDeath),
      attach: ({ buffer, name, onOwnerDeath }) => new RWLock({ name, onOwnerDeath }, new Int32Array(buffer)),
    });
  }

  /**
   * Makes a new lock, which nobody holds.
   * @param options its name for reports, and what is to happen when its writer dies
   * @param words the memory of an existing lock; for this library's own use
   */
  constructor(options: LockOptions = {}, words?: SharedWords) {
    this.#onOwnerDeath = checkOwnerDeath(options.onOwnerDeath);
    const name = checkName("RWLock", options.name);
    this.#core = new RWCore(words ?? newCore((FIRST_NODE - CORE_WORDS + NODES * NODE_WORDS) * 4), "RWLock", name);
    this.read = new RWLockSide(this.#core, false, this.#onOwnerDeath);
    this.write = new RWLockSide(this.#core, true, this.#onOwnerDeath);
  }
}
