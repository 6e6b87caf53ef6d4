/**
 * What `wait()` can wait for: connections, queues, processes. The contract stands here, below all of them; `wait()` itself
 * (`channel/wait.ts`) knows none of them.
 *
 * ```
 *   wait() ── arm() on each ── isReady() of each? ── none: sleeps on ONE word, WAIT_BELL of the agent table ──┐
 *      ▲                                                                                                     │
 *      └────────── whoever makes a thing ready and finds it armed: ringWaiters() ◀───────────────────────────┘
 * ```
 *
 * One word for all, since a thread can sleep on one only. A ring wakes every agent that is in a `wait()`; each looks
 * again at its own things.
 *
 * How a class becomes waitable:
 * 1. it has a word with flags for its sleepers, which whoever changes it looks at anyway; one bit of it means "somebody is
 *    in a wait() for me". `arm()` sets that bit;
 * 2. who makes the thing ready (puts an item, closes it) does so first, then looks at the flags; if the bit is there, it takes
 *    the bit away and calls {@linkcode ringWaiters};
 * 3. `isReady()` looks, and changes nothing;
 * 4. the class has `get [WAITABLE]()`, which returns those two.
 *
 * LOST WAKE  waiter: reads WAIT_BELL, sets the bit, looks, sleeps while WAIT_BELL is unchanged. Waker: makes it ready, looks
 *            at the bit, changes WAIT_BELL. Either the waiter's look comes after the change, or the waker sees the bit. A
 *            bit that is taken away by one ring stands for all waiters: all of them wake, and set it again.
 * DEATH      what nobody rings for (the death of an agent) is looked at when a slice is over, after 100 ms at most
 * @module
 */
import { WAIT_BELL } from "../memory/agents.ts";
import { fetchAdd, notify } from "../memory/atomics.ts";
import { selfAgent } from "../memory/self.ts";

/** The key under which a thing says how to wait for it. Registered: two copies of this library understand each other. */
export const WAITABLE: unique symbol = Symbol.for("@manycore/multiprocessing/waitable/1");

/** How to wait for a thing. */
export interface WaitState {
  /** Whether it is ready: something can be had without waiting, or nothing will ever come. Never blocks, changes nothing. */
  isReady(): boolean;
  /** From now on whoever makes it ready calls {@linkcode ringWaiters}. May be called again and again. */
  arm(): void;
  /** Looks, at the beginning and now and then, for what nobody rings for: deaths. Missing: there is nothing of the kind. */
  inspect?(): void;
  /**
   * What a thread would wait for in vain while it is blocked, since its own event loop has to bring the news: why. Missing:
   * nothing.
   */
  readonly needsLoop?: string | undefined;
}

/** A thing that `wait()` takes. */
export interface Waitable {
  /** How to wait for it. */
  readonly [WAITABLE]: WaitState;
}

/** Wakes every agent that is in a `wait()`, to look at its things again. Never blocks. */
export function ringWaiters(): void {
  const { words } = selfAgent().table;
  fetchAdd(words, WAIT_BELL, 1);
  notify(words, WAIT_BELL);
}
