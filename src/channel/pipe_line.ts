/**
 * What the sends and the receives of one agent, at one end of a pipe, have in common while they wait: a line in the order of the calls, and
 * one loop, the pump, that waits for all of them.
 *
 * ```
 *   call ─▶ at the end of the line ─▶ the pump: lock, then room or data ─▶ first in line ─▶ resolve
 *              │ its time is over, aborted: taken out
 *              └ closed: all are rejected
 * ```
 *
 * Calls that nobody awaits keep their order by that, and none waits for a lock that another one of the same agent has.
 *
 * LOST WAKE  the pump sleeps on the lock's word or on the bell of its side; what it must not miss is looked at after the bell was read
 *            (`advance`). Who changes the line, its first place above all, has it looked at again (`look`)
 * @module
 */
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { load, type SharedWords } from "../memory/atomics.ts";
import { now } from "../memory/park.ts";
import type { LockCore } from "../sync/lock_core.ts";
import { LockWaiter } from "../sync/lock_waiter.ts";

const startTimer = setTimeout;
const stopTimer = clearTimeout;

/** A call that waits. */
export class Place<T> {
  /** Whether nothing but its turn will end the wait. */
  readonly endless: boolean;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
  /** The connection: it is not to be collected, and closed by that, meanwhile. */
  readonly holder: object;
  /** Takes its timer and its listener away. */
  settled: () => void = () => {};
  next: this | undefined = undefined;
  gone = false;

  /** @param limits when its wait ends, and what may end it before, @param holder the connection */
  constructor(
    { deadline, signal }: Limits,
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
    holder: object,
  ) {
    this.endless = deadline === Infinity && signal === undefined;
    this.resolve = resolve;
    this.reject = reject;
    this.holder = holder;
  }
}

/** When a wait ends without its turn. */
export interface Limits {
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

/** Where the pump of a line sleeps. */
export interface LineSide {
  readonly words: SharedWords;
  readonly lock: LockCore;
  /** The bell of room, or of data. */
  readonly bell: number;
  /** Looks whether those at the other end have died. */
  inspect(): void;
}

/** What the pump has to wait for: the lock, or its bell. True: nobody waits any more. */
export type Advance = true | "lock" | "bell";

/** A line. */
export abstract class Line<P extends Place<never>> {
  protected first: P | undefined;
  #last: P | undefined;
  #pump: Pump | undefined;
  #pumping = false;
  readonly #side: LineSide;

  constructor(side: LineSide) {
    this.#side = side;
  }

  /** Whether nobody waits. */
  get isEmpty(): boolean {
    return this.first === undefined;
  }

  /** Whether nothing but its turn will end the wait of the first one. */
  get isEndless(): boolean {
    return this.first?.endless === true;
  }

  /** Does what can be done now. `readBell` was called before what the bell stands for was looked at, if it has to be waited for. */
  abstract advance(takeLock: () => boolean, readBell: () => void): Advance;

  /** Takes a call out of the line, wherever it stands, and rejects it; once. */
  protected abstract drop(place: P, reason: unknown): void;

  /** Rejects all. */
  protected dropAll(reason: unknown): void {
    for (let first = this.first; first !== undefined; first = this.first) this.drop(first, reason);
  }

  /** Puts a call at the end, until its turn, or its limits, which reject it with `late()` or the signal's reason. */
  protected enqueue(place: P, { deadline, signal }: Limits, late: () => Error): void {
    if (!place.endless) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const abort = (): void => this.drop(place, signal?.reason);
      const expire = (): void => {
        const rest = deadline - now();
        if (rest > 0) timer = startTimer(expire, Math.min(rest + 1, 0x7fffffff));
        else this.drop(place, late());
      };
      if (deadline !== Infinity) timer = startTimer(expire, Math.min(deadline - now() + 1, 0x7fffffff));
      signal?.addEventListener("abort", abort);
      place.settled = () => {
        if (timer !== undefined) stopTimer(timer);
        signal?.removeEventListener("abort", abort);
      };
    }
    if (this.#last === undefined) this.first = place;
    else this.#last.next = place;
    this.#last = place;
    if (!this.#pumping) void this.#run();
  }

  /** Takes a call out; whether it was the first. */
  protected remove(place: P): boolean {
    place.gone = true;
    place.settled();
    const wasFirst = place === this.first;
    while (this.first?.gone === true) this.first = this.first.next;
    if (this.first === undefined) this.#last = undefined;
    return wasFirst;
  }

  /** Another one is first: the pump looks at it, if it sleeps. */
  protected look(): void {
    this.#pump?.look();
  }

  async #run(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.first !== undefined) await awaitOn(this.#pump ??= new Pump(this.#side, this), Infinity);
    } catch (error) {
      // This agent was asked to stop, or waits for the lock in a circle.
      this.dropAll(error);
    } finally {
      this.#pumping = false;
    }
  }
}

/** How a line waits. */
class Pump implements AsyncWaiter {
  words: SharedWords;
  index: number;
  expected = 0;
  bell: AsyncBell;
  readonly #side: LineSide;
  readonly #line: Line<Place<never>>;
  readonly #own: AsyncBell;
  #lock: LockWaiter | undefined;
  #polling = false;
  readonly #takeLock = (): boolean => this.#tryLock();
  readonly #readBell = (): void => {
    this.expected = load(this.#own.words, this.#own.index);
  };

  constructor(side: LineSide, line: Line<Place<never>>) {
    this.#side = side;
    this.#line = line;
    this.#own = new AsyncBell(side.words, side.bell, true);
    this.words = this.#own.words;
    this.index = this.#own.index;
    this.bell = this.#own;
  }

  poll(): boolean {
    this.#polling = true;
    let state: Advance;
    try {
      state = this.#line.advance(this.#takeLock, this.#readBell);
    } finally {
      this.#polling = false;
    }
    if (state !== "lock") this.end();
    const { words, index, bell } = this.#lock ?? { words: this.#own.words, index: this.#own.index, bell: this.#own };
    this.words = words;
    this.index = index;
    this.bell = bell;
    if (this.#lock !== undefined) this.expected = this.#lock.expected;
    return state === true;
  }

  inspect(elapsed: number, endless: boolean): void {
    if (this.#lock !== undefined) this.#lock.inspect(elapsed, endless && this.#line.isEndless);
    else this.#side.inspect();
  }

  /** Does not wait for the lock any more. */
  end(): void {
    const lock = this.#lock;
    this.#lock = undefined;
    lock?.end(false);
  }

  look(): void {
    if (!this.#polling) this.bell.tick();
  }

  #tryLock(): boolean {
    const { lock } = this.#side;
    if (this.#lock === undefined && lock.tryFast()) return true;
    const waiter = this.#lock ??= new LockWaiter(lock, false, false);
    if (!waiter.poll()) return false;
    this.#lock = undefined;
    waiter.end(true);
    return true;
  }
}
