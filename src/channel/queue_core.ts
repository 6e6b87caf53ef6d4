/**
 * What is under `Queue`, `JoinableQueue` and `SimpleQueue`: records in shared memory, between two locks.
 *
 * ```
 *   put: encode ─▶ [writers' lock: write the record at TAIL, ─▶ PUTS] ─▶ wake a sleeping reader
 *   get:           [readers' lock: copy the record at HEAD, ─▶ GETS]  ─▶ decode ─▶ wake a sleeping writer
 *
 *   control   a SharedArrayBuffer of fixed size: both locks, the counters, the words to sleep on
 *   arena     growable memory, a chain of segments (`memory/arena.ts`): | header | record | record …
 *   record    cells of 8 bytes: a word with kind and length, then the payload. It may go on in the next segment
 * ```
 *
 * Values are encoded before the lock is taken and decoded after it is released, so that nobody's code runs under a lock.
 *
 * WORD      PUTS (i32): bit 0 the queue is closed · bits 1–31 how many items have been put
 * WORD      GETS (i32): bits 1–31 how many items have been got. WRAP: of both, harmless, only their difference is used, and
 *           there is no room for 2^31 items
 * WORD      TAIL[2], HEAD[2] (i32): the cell at which the next record will be written, or read. After n puts the tail is in
 *           TAIL[n & 1], so that the one store to PUTS publishes the record, the new tail and the new size together
 * WORD      SEEN_GETS, SEEN_PUTS (i32): what one side has last seen of the other's counter, so that it takes the other's cache
 *           line only when it seems to be full, or empty
 * WORD      DONES (i32): bits 1–31 for how many items taskDone() was called · MOST (i32): the most items, 0 no limit
 * WORD      SLEEP[3] (i32): bit 0 a thread may sleep on TURN · bit 1 an asynchronous waiter may wait for BELL ·
 *           bit 2 somebody may be in a `wait()` (waitable.ts)
 *           TURN[3], BELL[3] (i32): count wakes. WRAP: harmless, see lock_core.ts. One each for items, for space, for join()
 * OWNERSHIP TAIL, SEEN_GETS and the arena's words belong to the holder of the writers' lock, HEAD, SEEN_PUTS and DRAINED to
 *           the holder of the readers' lock. Cells from the tail on are the writer's, before it the readers'
 * ORDER     plain writes of the record and of TAIL → CAS of PUTS ⟶ load of PUTS → plain reads of the record
 * LOST WAKE sleeper: reads TURN, sets its bit in SLEEP, looks at PUTS and GETS, sleeps while TURN is unchanged. Waker: changes
 *           PUTS or GETS, then looks at SLEEP; if a bit is set it takes the bits away, changes TURN and BELL, and wakes one of those
 *           who sleep on TURN, all who wait for BELL. Either the sleeper sees the new item, or the waker sees the bit, and then TURN changes after the sleeper read it
 * LOST WAKE a `waitAsync` cannot be taken back: those of agents whose wait is over, and which are blocked now, stand on BELL
 *           still, and would take a wake for one with them. There is one for each agent, so that all are woken
 * LOST WAKE who has slept and goes, with or without an item, sets its bit again, because others of its kind may sleep still,
 *           and wakes the next one if there is something for it
 * DEATH     of a writer, before the CAS: nothing has happened, the next one writes over it (and repairs the arena); after it:
 *           the item is there, and readers who sleep see it when their slice is over. Of a reader, before the store of GETS:
 *           the item is still there; after it: it is the item that the reader was taking. Of a sleeper that has taken a wake
 *           along: the others look for themselves when their slice is over
 * DEATH     on Deno a thread that was ended may run on. It was asked to stop 100 ms before others take it for dead; it looks for
 *           that after it has locked and before it writes, so that it would have to stand still just there for so long
 * SOURCE    two locks as in Michael and Scott's queue (1996) and CPython's queues.py; an event count as in Folly and Eventcount
 *           (Vyukov); the version bit is ours
 * @module
 */
import { Arena, firstCell, SEGMENT_CELLS, segmentOf } from "../memory/arena.ts";
import { compareExchange, exchange, fetchAdd, load, notify, type SharedWords, store } from "../memory/atomics.ts";
import { now, SpinBudget, StopRequested } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import type { WasmMemory } from "../memory/wasm_memory.ts";
import { LockCore } from "../sync/lock_core.ts";
import { CORE_WORDS, MISSED, RECOVERED } from "../sync/lock_words.ts";
import { ringWaiters, type WaitState } from "../transport/waitable.ts";
import { Pace } from "./queue_pace.ts";
import { Records } from "./queue_records.ts";

// The control words. Groups are 128 bytes apart, so that the two sides never share a cache line.
const WRITERS_LOCK = 0;
const PUTS = 8;
const TAIL = 9;
const SEEN_GETS = 11;
const ARENA_WORDS = 12;
const READERS_LOCK = 32;
const GETS = 40;
const HEAD = 41;
const SEEN_PUTS = 43;
const DRAINED = 44;
const MOST = 64;
const SLEEP = 65;
const TURN = 68;
const BELL = 71;
const DONES = 96;
const CONTROL_WORDS = 128;

const CLOSED_BIT = 1;
/** One item, in PUTS, GETS and DONES. */
const ONE = 2;

/** What one can wait for: the index in SLEEP, TURN and BELL. */
export const ITEMS = 0;
/** Room for another item. */
export const SPACE = 1;
/** That every item is done. */
export const ALL_DONE = 2;
/** One of these. */
export type Awaited = typeof ITEMS | typeof SPACE | typeof ALL_DONE;

/** From this limit on, several items may be left lying for a moment. */
const ROOMY = 256;

const THREAD_BIT = 1;
const ASYNC_BIT = 2;
const WAIT_BIT = 4;

/**
 * As a deadline: a thread that must not be blocked waits for a millisecond. The locks are held for a microsecond or so, but
 * their holder may be dead, or not running; asynchronous waiting for the lock itself would have it handed to an agent whose
 * event loop is busy, with everybody else waiting for that.
 */
export const BRIEFLY = -1;

/** How a put ended. */
export const DONE = 0;
/** There are as many items as there may be. */
export const FULL = 1;
/** The queue is closed. */
export const CLOSED = 2;
/** The lock was held for as long as we could wait. */
export const BUSY = 3;
/** There are no more items than there may be, but the memory cannot grow. */
export const NO_MEMORY = 4;
/** One of these. */
export type PutOutcome = typeof DONE | typeof FULL | typeof CLOSED | typeof BUSY | typeof NO_MEMORY;

/** What {@linkcode QueueCore.take} returns in place of an item. */
export const NOTHING: unique symbol = Symbol("the queue is empty");
/** The queue is empty and closed. */
export const DRAINED_FOR_GOOD: unique symbol = Symbol("the queue is empty and closed");
/** The readers' lock was held for as long as we could wait. */
export const HELD: unique symbol = Symbol("the lock is held");

/** What crosses to another process. */
export interface QueueWire {
  /** The control words. */
  readonly control: SharedArrayBuffer;
  /** The items. */
  readonly memory: WasmMemory;
}

/** A view on a queue, for one agent. */
export class QueueCore {
  readonly control: SharedWords;
  readonly arena: Arena;
  readonly #records: Records;
  readonly #itemSpin: SpinBudget = new SpinBudget();
  readonly #spaceSpin: SpinBudget = new SpinBudget();
  readonly #itemPace: Pace = new Pace();
  readonly #spacePace: Pace = new Pace();
  /** The most items. */
  readonly most: number;
  /** The agent table, and the word in it that says whether this agent has been asked to stop. */
  readonly #agents: SharedWords;
  readonly #stopIndex: number;
  readonly #writers: LockCore;
  readonly #readers: LockCore;
  #waitState: WaitState | undefined;

  /** @param most the most items of a new queue, 0: no limit; or an existing queue */
  constructor(most: number | QueueWire) {
    const isNew = typeof most === "number";
    const self = selfAgent();
    this.#agents = self.table.words;
    this.#stopIndex = self.table.stopIndex(self);
    const control: SharedWords = new Int32Array(isNew ? new SharedArrayBuffer(CONTROL_WORDS * 4) : most.control);
    this.control = control;
    this.arena = new Arena({ control, writers: ARENA_WORDS, drained: DRAINED }, isNew ? undefined : most.memory);
    this.#records = new Records(this.arena);
    if (isNew) {
      store(control, TAIL, firstCell(1));
      store(control, HEAD, firstCell(1));
      store(control, MOST, most);
    }
    this.most = load(control, MOST);
    const lock = (at: number, name: string): LockCore =>
      new LockCore(new Int32Array(control.buffer, at * 4, CORE_WORDS), "Queue", name);
    this.#writers = lock(WRITERS_LOCK, "writers");
    this.#readers = lock(READERS_LOCK, "readers");
  }

  /** What another process needs. */
  get wire(): QueueWire {
    return { control: this.control.buffer, memory: this.arena.memory };
  }

  /**
   * Puts one item, unless the queue is full or closed.
   *
   * @param kind how the item is written, @param value the integer, the double, or the index of the constant
   * @param bytes the item's encoding, @param length its length
   * @param deadline how long to wait for the lock, which is held for a microsecond or so
   * @throws {StopRequested} when this agent was asked to stop
   */
  put(kind: number, value: number, bytes: Uint8Array | undefined, length: number, deadline: number): PutOutcome {
    const { control } = this;
    const lock = this.#writers;
    if (!lock.tryFast() && !this.#lockWriters(deadline)) return BUSY;
    // ORDER  plain: it was set 100 ms before anybody takes us for dead
    if (this.#agents[this.#stopIndex] !== 0) this.#stop(lock);
    // ORDER  plain: only holders of this lock write it, and close(), which the CAS below does not miss
    const puts = control[PUTS] as number;
    if ((puts & CLOSED_BIT) !== 0 || this.#isFull(puts)) {
      lock.releaseRaw();
      return (puts & CLOSED_BIT) === 0 ? FULL : CLOSED;
    }
    const tail = control[TAIL + (puts >>> 1 & 1)] as number;
    const end = this.#records.write(tail, kind, value, bytes, length);
    if (end === 0) {
      lock.releaseRaw();
      return NO_MEMORY;
    }
    control[TAIL + ((puts >>> 1) + 1 & 1)] = end;
    const before = compareExchange(control, PUTS, puts, puts + ONE);
    lock.releaseRaw();
    if (before !== puts) return CLOSED;
    if (load(control, SLEEP + ITEMS) !== 0) this.wake(ITEMS);
    return DONE;
  }

  /**
   * Takes the next item.
   *
   * @param deadline how long to wait for the lock
   * @returns the item, or one of the symbols above, or `ENCODED`: it is to be decoded from the inbox
   * @throws {StopRequested} when this agent was asked to stop
   */
  take(deadline: number): unknown {
    const { control } = this;
    const lock = this.#readers;
    if (!lock.tryFast() && !this.#lockReaders(deadline)) return HELD;
    if (this.#agents[this.#stopIndex] !== 0) this.#stop(lock);
    const gets = control[GETS] as number;
    if (control[SEEN_PUTS] === gets) {
      const puts = load(control, PUTS);
      control[SEEN_PUTS] = puts & ~CLOSED_BIT;
      if ((puts & ~CLOSED_BIT) === gets) {
        lock.releaseRaw();
        return (puts & CLOSED_BIT) === 0 ? NOTHING : DRAINED_FOR_GOOD;
      }
    }
    const before = control[HEAD + (gets >>> 1 & 1)] as number;
    const records = this.#records;
    const end = records.read(before);
    const { value } = records;
    control[HEAD + ((gets >>> 1) + 1 & 1)] = end;
    store(control, GETS, (gets + ONE) | 0);
    if (((before - 1) ^ (end - 1)) >= SEGMENT_CELLS) this.arena.drain(segmentOf(end));
    lock.releaseRaw();
    if (this.most !== 0 && load(control, SLEEP + SPACE) !== 0) this.wake(SPACE);
    return value;
  }

  /** Takes no more items. Readers get what is there. */
  close(): void {
    const { control } = this;
    let puts = load(control, PUTS);
    while ((puts & CLOSED_BIT) === 0) {
      const before = compareExchange(control, PUTS, puts, puts | CLOSED_BIT);
      if (before === puts) break;
      puts = before;
    }
    this.wakeAll(ITEMS);
    this.wakeAll(SPACE);
  }

  /** Whether it takes no more items. */
  get closed(): boolean {
    return (load(this.control, PUTS) & CLOSED_BIT) !== 0;
  }

  /** How many items there are: exact, at one moment during the call. */
  get size(): number {
    const { control } = this;
    for (let puts = load(control, PUTS);;) {
      const gets = load(control, GETS);
      const again = load(control, PUTS);
      if (puts === again) return ((puts & ~CLOSED_BIT) - gets) >>> 1;
      puts = again;
    }
  }

  /** How many items were put whose {@linkcode taskDone} was not called. */
  get unfinished(): number {
    const { control } = this;
    for (let puts = load(control, PUTS);;) {
      const dones = load(control, DONES);
      const again = load(control, PUTS);
      if (puts === again) return ((puts & ~CLOSED_BIT) - dones) >>> 1;
      puts = again;
    }
  }

  /** Counts one item as done; false when all are. */
  taskDone(): boolean {
    const { control } = this;
    let dones = load(control, DONES);
    for (;;) {
      if ((load(control, PUTS) & ~CLOSED_BIT) === dones) return false;
      const before = compareExchange(control, DONES, dones, (dones + ONE) | 0);
      if (before === dones) break;
      dones = before;
    }
    if (this.isReady(ALL_DONE) && load(control, SLEEP + ALL_DONE) !== 0) this.wakeAll(ALL_DONE);
    return true;
  }

  /** Whether it is worth to try what one waits for. */
  isReady(what: Awaited): boolean {
    const { control } = this;
    if (what === ALL_DONE) return this.unfinished === 0;
    const puts = load(control, PUTS);
    if ((puts & CLOSED_BIT) !== 0) return true;
    const gets = load(control, GETS);
    return what === ITEMS ? puts !== gets : (puts - gets) >> 1 < this.most;
  }

  /** For `wait()`. */
  get waitState(): WaitState {
    return this.#waitState ??= {
      isReady: () => this.isReady(ITEMS),
      arm: () => this.#announce(ITEMS, WAIT_BIT),
    };
  }

  /** Whether one side may keep a distance from the other: in a short queue the other one would have nothing to do meanwhile. */
  get #isRoomy(): boolean {
    return this.most === 0 || this.most >= ROOMY;
  }

  /** Spins while there is nothing to get; false when the budget is used up first. */
  spinForItems(): boolean {
    const { control } = this;
    const puts = load(control, PUTS);
    return puts !== load(control, GETS) || (this.#isRoomy && this.#itemPace.await(control, PUTS, puts)) ||
      this.#itemSpin.whileEqual(control, PUTS, puts);
  }

  /** Spins while there is no space; false when the budget is used up first. */
  spinForSpace(): boolean {
    const { control } = this;
    const gets = load(control, GETS);
    return (load(control, PUTS) - gets) >> 1 < this.most ||
      (this.#isRoomy && this.#spacePace.await(control, GETS, gets)) ||
      this.#spaceSpin.whileEqual(control, GETS, gets);
  }

  /** The word to sleep on. */
  turnOf(what: Awaited, blocking: boolean): number {
    return (blocking ? TURN : BELL) + what;
  }

  /** Says that a waiter is about to sleep. */
  announce(what: Awaited, blocking: boolean): void {
    this.#announce(what, blocking ? THREAD_BIT : ASYNC_BIT);
  }

  #announce(what: Awaited, bit: number): void {
    const { control } = this;
    let bits = load(control, SLEEP + what);
    while ((bits & bit) === 0) {
      const before = compareExchange(control, SLEEP + what, bits, bits | bit);
      if (before === bits) return;
      bits = before;
    }
  }

  /** To be called by who has slept, when the wait is over, whatever its end: see LOST WAKE. */
  leave(what: Awaited, blocking: boolean): void {
    if (what === ALL_DONE) return;
    this.announce(what, blocking);
    if (this.isReady(what)) this.wake(what);
  }

  /** Wakes one sleeping thread, and what waits asynchronously; see LOST WAKE. */
  wake(what: Awaited): void {
    const { control } = this;
    const bits = exchange(control, SLEEP + what, 0);
    if ((bits & THREAD_BIT) !== 0) {
      fetchAdd(control, TURN + what, 1);
      notify(control, TURN + what, 1);
    }
    if ((bits & ASYNC_BIT) !== 0) {
      fetchAdd(control, BELL + what, 1);
      notify(control, BELL + what);
    }
    if ((bits & WAIT_BIT) !== 0) ringWaiters();
  }

  /** Wakes all sleepers. */
  wakeAll(what: Awaited): void {
    const { control } = this;
    const bits = exchange(control, SLEEP + what, 0);
    fetchAdd(control, TURN + what, 1);
    notify(control, TURN + what);
    fetchAdd(control, BELL + what, 1);
    notify(control, BELL + what);
    if ((bits & WAIT_BIT) !== 0) ringWaiters();
  }

  #isFull(puts: number): boolean {
    const { control, most } = this;
    if (most === 0 || (puts - (control[SEEN_GETS] as number)) >> 1 < most) return false;
    const gets = load(control, GETS);
    control[SEEN_GETS] = gets;
    return (puts - gets) >> 1 >= most;
  }

  #lockWriters(deadline: number): boolean {
    const lock = this.#writers;
    let result = lock.tryAcquire();
    if (result === MISSED) result = lock.acquireSlow(deadline === BRIEFLY ? now() + 1 : deadline);
    if (result === RECOVERED) {
      const { control } = this;
      this.arena.repair(segmentOf(control[TAIL + ((control[PUTS] as number) >>> 1 & 1)] as number));
    }
    return result !== MISSED;
  }

  #lockReaders(deadline: number): boolean {
    const lock = this.#readers;
    return lock.tryAcquire() !== MISSED || lock.acquireSlow(deadline === BRIEFLY ? now() + 1 : deadline) !== MISSED;
  }

  /** This agent was asked to stop, and others may hold it for dead: it does not touch the queue any more. */
  #stop(lock: LockCore): never {
    try {
      lock.releaseRaw();
    } catch {
      // It has been taken from us already.
    }
    throw new StopRequested("This process was asked to stop; it cannot use its queues any more.");
  }
}
