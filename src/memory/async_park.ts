/**
 * Waiting without blocking the thread, on the same words and with the same wakes as `park.ts`.
 *
 * ```
 *  awaitOn ─▶ poll ─▶ AsyncBell ── one waitAsync for all local waiters ──▶ wakes its first waiter (or all) ─▶ poll …
 *                        ▲
 *  ticker (one timer) ───┘ every 25 … 200 ms: wakes the first waiter of every bell, to inspect
 * ```
 *
 * Measured: `waitAsync` keeps no runtime alive; an untimed one can never be taken back, and takes a `notify(…, 1)` that
 * was meant for others even when nobody cares for it any more; and Deno drops its continuation when the last ref'd
 * handle goes in the turn of the notify. Hence:
 * - one timer per agent, running exactly while somebody waits, keeps the program alive. It is let go where a waiter
 *   leaves, which is inside the continuation;
 * - at most one `waitAsync` is out for a bell. It stays when waiters leave and serves the next ones.
 *
 * LOST WAKE  a notified bell whose waiters have all left hands the notify on. One whose event loop is busy or blocked
 *            delays it; sleepers elsewhere look for themselves when their slice is over, at most 100 ms later.
 * @module
 */
import { fetchAdd, load, notify, type SharedWords, waitAsync } from "./atomics.ts";
import { now, StopRequested, type Waiter } from "./park.ts";
import { selfAgent } from "./self.ts";

/** Someone who waits for a bell. */
interface Sleeper {
  queued: boolean;
  wake: ((tick: boolean) => void) | undefined;
}

const startTimer = setTimeout;
const stopTimer = clearTimeout;

/** The bells that somebody waits for. */
const active: Set<AsyncBell> = new Set();
const FIRST_TICK = 25;
const LAST_TICK = 200;
let tickTime = FIRST_TICK;
let ticker: ReturnType<typeof setTimeout> | undefined;

function tick(): void {
  ticker = startTimer(tick, tickTime);
  tickTime = Math.min(tickTime * 2, LAST_TICK);
  for (const bell of [...active]) bell.tick();
}

function activate(bell: AsyncBell): void {
  active.add(bell);
  if (ticker !== undefined && tickTime > FIRST_TICK) {
    stopTimer(ticker);
    ticker = undefined;
  }
  tickTime = FIRST_TICK;
  ticker ??= startTimer(tick, tickTime);
}

function deactivate(bell: AsyncBell): void {
  if (!active.delete(bell) || active.size > 0) return;
  stopTimer(ticker);
  ticker = undefined;
}

/**
 * Wakes one asynchronous waiter, of whatever agent, that waits for a change of a counter.
 * WRAP  harmless: a waiter would have to miss 2^32 of them between two of its own instructions
 */
export function ring(words: SharedWords, index: number): void {
  fetchAdd(words, index, 1);
  notify(words, index, 1);
}

/** The sleepers of this agent at one word. */
export class AsyncBell {
  readonly words: SharedWords;
  readonly index: number;
  readonly #all: boolean;
  readonly #sleepers: Sleeper[] = [];
  #out = false;

  /** @param all whether a wake is for every sleeper; otherwise it is for one. */
  constructor(words: SharedWords, index: number, all: boolean) {
    this.words = words;
    this.index = index;
    this.#all = all;
  }

  /** Adds a sleeper; false when the word has changed already. `first`: it has been woken before, and keeps its place. */
  add(sleeper: Sleeper, expected: number, first: boolean): boolean {
    if (!this.#out && !this.#register(expected)) return false;
    // A registration that is out was made at an older value. It is on the waiters' list, so that any notify reaches it;
    // what changed before this look is seen by this look.
    if (load(this.words, this.index) !== expected) return false;
    if (first) this.#sleepers.unshift(sleeper);
    else this.#sleepers.push(sleeper);
    sleeper.queued = true;
    if (this.#sleepers.length === 1) activate(this);
    return true;
  }

  /** Whether the word has the value that a sleeper expects. */
  isStill(expected: number): boolean {
    return load(this.words, this.index) === expected;
  }

  /** Takes a sleeper away that does not wait any more. */
  remove(sleeper: Sleeper): void {
    if (!sleeper.queued) return;
    sleeper.queued = false;
    this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1);
    if (this.#sleepers.length === 0) deactivate(this);
  }

  /** Lets the first sleeper look for itself. */
  tick(): void {
    this.#sleepers[0]?.wake?.(true);
  }

  #register(expected: number): boolean {
    const answer = waitAsync(this.words, this.index, expected);
    if (!answer.async) return false;
    this.#out = true;
    answer.value.then(() => this.#ring());
    return true;
  }

  #ring(): void {
    this.#out = false;
    const { words, index } = this;
    if (this.#sleepers.length === 0) {
      if (!this.#all) notify(words, index, 1);
      return;
    }
    const woken = this.#all ? this.#sleepers.splice(0) : this.#sleepers.splice(0, 1);
    // Those who stay need a registration before the woken one runs. A word that changes meanwhile is a wake for one.
    while (this.#sleepers.length > 0 && !this.#register(load(words, index))) woken.push(...this.#sleepers.splice(0, 1));
    for (const sleeper of woken) {
      sleeper.queued = false;
      sleeper.wake?.(false);
    }
    if (this.#sleepers.length === 0) deactivate(this);
  }
}

/** A {@linkcode Waiter} that can wait without blocking: it names the bell of its word. */
export interface AsyncWaiter extends Waiter {
  readonly bell: AsyncBell;
}

/**
 * Waits, without blocking the thread, until the waiter's wait is over.
 * @returns whether it ended by itself; false when the deadline passed
 * @throws the signal's reason when it is aborted, {StopRequested} when this agent was asked to stop
 */
export async function awaitOn(waiter: AsyncWaiter, deadline: number, signal?: AbortSignal | null): Promise<boolean> {
  const self = selfAgent();
  const started = now();
  const endless = deadline === Infinity && !signal;
  let success = false;
  let woken = false;
  let place: AsyncBell | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const sleeper: Sleeper = { queued: false, wake: undefined };
  const interrupt = (): void => sleeper.wake?.(false);
  const expire = (): void => {
    timer = undefined;
    interrupt();
  };
  signal?.addEventListener("abort", interrupt);
  try {
    for (;;) {
      if (waiter.poll()) return success = true;
      if (signal?.aborted) throw signal.reason;
      if (deadline !== Infinity) {
        const rest = deadline - now();
        if (rest <= 0) return false;
        timer ??= startTimer(expire, Math.min(rest + 1, 0x7fffffff));
      }
      const { bell } = waiter;
      let ticked = false;
      await new Promise<void>((resolve) => {
        sleeper.wake = (tick) => {
          ticked = tick;
          sleeper.wake = undefined;
          resolve();
        };
        // After a tick the sleeper has kept its place, unless it waits for another word now.
        if (sleeper.queued && place !== bell) place?.remove(sleeper);
        place = bell;
        const added = sleeper.queued ? bell.isStill(waiter.expected) : bell.add(sleeper, waiter.expected, woken);
        if (!added) sleeper.wake(false);
      });
      woken = true;
      if (ticked) {
        if (self.table.isStopRequested(self)) {
          throw new StopRequested("This process was asked to stop while it waited.");
        }
        waiter.inspect(now() - started, endless);
      }
    }
  } finally {
    if (timer !== undefined) stopTimer(timer);
    place?.remove(sleeper);
    signal?.removeEventListener("abort", interrupt);
    waiter.end(success);
  }
}
