/**
 * `Event`: a flag to wait for.
 * @module
 */
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { compareExchange, load, newWords, notify, type SharedWords } from "../memory/atomics.ts";
import { blockOn, deadlineOf, SpinBudget, throwIfAborted, type WaitOptions } from "../memory/park.ts";
import { registerHandle } from "../transport/handles.ts";

// WORD      WORD (i32): bit 0 the flag · bit 1 someone may sleep · bits 2–31 how often it has been set
// LOST WAKE sleeper: sets bit 1 by CAS in the very value that it then sleeps on. set(): replaces the word by CAS, and
//           notifies if bit 1 was there. Either the sleeper's CAS fails, or set() sees the bit.
// LOST WAKE a sleeper that wakes up after set() and clear() sees that the count has changed: no pulse is missed. Python's
//           Event has that hole.
// ORDER     set() and clear() begin with a plain read, a guess that their CAS judges. set() that finds the flag set makes one
//           too, of the word by itself: a plain read may be older than a clear() whose process then looks, in vain, for
//           what this one has written before (litmus test "store buffering")
// DEATH     nobody owns an event; all sleepers are woken together, so that a dead one takes nobody's wake
// WRAP      of the count: a sleeper would have to sleep through 2^30 times set()
const WORD = 0;
const SET = 1;
const SLEEPERS = 2;
const COUNT = 4;

/**
 * A flag that processes wait for: `set()` wakes all of them, and who waits for a flag that is set does not wait. It may
 * be passed to any process.
 *
 * Python: `multiprocessing.Event`; a wait that `set()` has ended returns true even if `clear()` follows at once, and a
 * waiter that dies does not hang the next `set()`. What happened before `set()` is visible after the wait.
 *
 * @example
 * ```ts
 * import { Event } from "@manycore/multiprocessing";
 *
 * const ready = new Event();
 * setTimeout(() => ready.set(), 10);
 * console.log(await ready.wait({ timeout: 1000 })); // true
 * ```
 */
export class Event {
  readonly #words: SharedWords;
  readonly #spin: SpinBudget = new SpinBudget();
  #bell: AsyncBell | undefined;

  static {
    registerHandle<Event, { readonly buffer: SharedArrayBuffer }>("Event", Event, {
      detach: (event) => ({ buffer: event.#words.buffer }),
      attach: ({ buffer }) => new Event(new Int32Array(buffer)),
    });
  }

  /** Makes an event that is not set. @param words the memory of an existing event; for this library's own use */
  constructor(words?: SharedWords) {
    this.#words = words ?? newWords(4);
  }

  /** Sets the flag and wakes everybody who waits for it. Never blocks. */
  set(): void {
    const words = this.#words;
    let word = words[WORD] as number;
    for (;;) {
      const isSet = (word & SET) !== 0;
      const before = compareExchange(words, WORD, word, isSet ? word : ((word & ~SLEEPERS) + COUNT) | SET);
      if (before !== word) word = before;
      else if (isSet) return;
      else break;
    }
    if ((word & SLEEPERS) !== 0) notify(words, WORD);
  }

  /** Takes the flag away, so that later waits wait. Never blocks. */
  clear(): void {
    const words = this.#words;
    let word = words[WORD] as number;
    while ((word & SET) !== 0) {
      const before = compareExchange(words, WORD, word, word & ~SET);
      if (before === word) break;
      word = before;
    }
  }

  /** Whether the flag is set. Python: `is_set()`. */
  get isSet(): boolean {
    return (load(this.#words, WORD) & SET) !== 0;
  }

  /**
   * Waits, without blocking the thread, until the flag is set.
   * @param options a time limit in ms, a signal
   * @returns true; false when the time limit passes
   * @throws the signal's reason when it is aborted
   */
  wait(options?: WaitOptions): Promise<boolean> {
    const words = this.#words;
    if ((load(words, WORD) & SET) !== 0) return Promise.resolve(true);
    return this.#waitSlow(options);
  }

  /** Blocks the thread until the flag is set. @returns true; false when the time limit passes */
  waitSync(options?: WaitOptions): boolean {
    const words = this.#words;
    const word = load(words, WORD);
    if ((word & SET) !== 0) return true;
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    if (this.#spin.whileEqual(words, WORD, word) && changed(load(words, WORD), word)) return true;
    return blockOn(new EventWaiter(words, word), deadline);
  }

  async #waitSlow(options?: WaitOptions): Promise<boolean> {
    const words = this.#words;
    const word = load(words, WORD);
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    const waiter = new EventWaiter(words, word, this.#bell ??= new AsyncBell(words, WORD, true));
    return await awaitOn(waiter, deadline, options?.signal);
  }
}

function changed(word: number, seen: number): boolean {
  return (word & SET) !== 0 || ((word ^ seen) & ~(SET | SLEEPERS)) !== 0;
}

class EventWaiter implements AsyncWaiter {
  readonly words: SharedWords;
  readonly index = WORD;
  expected = 0;
  readonly #bell: AsyncBell | undefined;
  readonly #seen: number;

  constructor(words: SharedWords, seen: number, bell?: AsyncBell) {
    this.words = words;
    this.#seen = seen;
    this.#bell = bell;
  }

  get bell(): AsyncBell {
    return this.#bell as AsyncBell;
  }

  poll(): boolean {
    let word = load(this.words, WORD);
    for (;;) {
      if (changed(word, this.#seen)) return true;
      this.expected = word | SLEEPERS;
      if (word === this.expected) return false;
      const before = compareExchange(this.words, WORD, word, this.expected);
      if (before === word) return false;
      word = before;
    }
  }

  inspect(): void {}

  end(): void {}
}
