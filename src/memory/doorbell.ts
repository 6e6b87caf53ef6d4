/**
 * Where one agent sleeps on its event loop until another rings. The others leave their news somewhere else (in rings) and pay
 * one load where the sleeper is awake.
 *
 * ```
 *   awake ──announce──▶ 1 ──look once more──▶ asleep (one waitAsync) ──rung, or woke by itself──▶ awake
 * ```
 *
 * WORD      bell (i32): 0 awake, or rung · 1 asleep, or about to be
 * LOST WAKE sleeper: store(bell, 1), then looks for news.  waker: publishes its news, then load(bell). One of them sees the
 *           other: were the look before the news and the load before the 1, each would be before itself. The bad order, looking
 *           first and announcing then, loses news that come in between: nobody rings, and the sleeper has not seen them
 * ORDER     the waker takes the 1 away by exchange before it notifies, so that a burst of news from many rings once
 * DEATH     only its owner sleeps on a bell, so no dying agent can swallow a notify that was meant for another. A waker that dies
 *           between exchange and notify leaves a sleeper whose bell says 0: whoever hears of the death (its parent, that is the
 *           sleeper itself) wakes up by that
 *
 * A `waitAsync` without a time limit can never be taken back. So when the owner wakes up by itself, the one that is out stays, and
 * serves the next sleep; at most one is out. It keeps no runtime alive: that is the owner's affair.
 * @module
 */
import { exchange, load, notify, type SharedWords, store, wait, waitAsync } from "./atomics.ts";

const AWAKE = 0;
const ASLEEP = 1;

/** Rings: wakes the owner of the bell if it sleeps; whether it did. To be called after the news were published. */
export function ring(words: SharedWords, index: number): boolean {
  if (load(words, index) !== ASLEEP || exchange(words, index, AWAKE) !== ASLEEP) return false;
  notify(words, index);
  return true;
}

/** The sleeper's side of a bell. */
export class Doorbell {
  /** The memory of the bell. */
  readonly words: SharedWords;
  /** Its word. */
  readonly index: number;
  readonly #onRing: () => void;
  #asleep = false;
  #out = false;

  /** @param onRing called in a continuation, when it was rung while it slept; it may be called without news. */
  constructor(words: SharedWords, index: number, onRing: () => void) {
    this.words = words;
    this.index = index;
    this.#onRing = onRing;
  }

  /** Whether it sleeps. */
  get isAsleep(): boolean {
    return this.#asleep;
  }

  /** Goes to sleep, unless `hasNews` says, once the sleep is announced, that there is no time for it. Whether it sleeps. */
  sleep(hasNews: () => boolean): boolean {
    const { words, index } = this;
    store(words, index, ASLEEP);
    if (hasNews()) {
      store(words, index, AWAKE);
      return false;
    }
    if (!this.#out) {
      const answer = waitAsync(words, index, ASLEEP);
      // Rung already.
      if (!answer.async) return false;
      this.#out = true;
      answer.value.then(() => this.#rung());
    }
    this.#asleep = true;
    return true;
  }

  /** Wakes up by itself. */
  wake(): void {
    if (!this.#asleep) return;
    this.#asleep = false;
    store(this.words, this.index, AWAKE);
  }

  #rung(): void {
    this.#out = false;
    // One that was rung for an earlier sleep and comes late: it looks for news, and goes back to sleep.
    if (!this.#asleep) return;
    this.wake();
    this.#onRing();
  }

  /** The same for a thread that may block: sleeps until it is rung, or for `timeout` ms. */
  sleepSync(hasNews: () => boolean, timeout: number): void {
    store(this.words, this.index, ASLEEP);
    if (!hasNews()) wait(this.words, this.index, ASLEEP, timeout);
    store(this.words, this.index, AWAKE);
  }
}
