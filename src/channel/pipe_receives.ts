/**
 * The receives of one agent, at one end of a pipe, that wait for a message, in the order in which they were called (`pipe_line.ts`).
 *
 * ```
 *   recv() ─ nothing there ─▶ at the end of the line ─▶ the pump: data, lock, message ─▶ first in line ─▶ resolve
 *                                │ its time is over, aborted: taken out; what it had begun is for the next one
 *                                └ closed: all are rejected
 * ```
 * @module
 */
import { DeadlockError, TimeoutError } from "../errors.ts";
import type { SharedWords } from "../memory/atomics.ts";
import { StopRequested } from "../memory/park.ts";
import type { LockCore } from "../sync/lock_core.ts";
import { type Advance, type Limits, Line, Place } from "./pipe_line.ts";
import { DATA, DATA_BELL, type EndView, SLEEPERS } from "./pipe_memory.ts";
import { NOTHING, open, type Want } from "./pipe_reader.ts";

/** What the line needs of the receiving side. */
export interface Receiver {
  readonly end: EndView;
  readonly words: SharedWords;
  readonly base: number;
  readonly lock: LockCore;
  /** Whether this agent has the lock, with a part of a message. */
  readonly holding: boolean;
  readonly hasData: boolean;
  readonly hasReady: boolean;
  /** Tries to take the lock, if this agent has it not. */
  hold(take: () => boolean): boolean;
  /** With the lock: takes a message. */
  read(want: Want): unknown;
  /** Takes the message that is ready. */
  takeReady(want: Want): unknown;
  /** A call has ended that may have begun a message. */
  endedEarly(want: Want): void;
  /** Throws when no message will come, or the rest of one. */
  throwIfOver(): void;
  /** Looks whether those who could send have died. */
  inspect(endless?: boolean): void;
  /** The error for a call whose time is over. */
  late(): Error;
}

/** A receive that waits. */
class Waiting extends Place<unknown> {
  readonly want: Want;

  constructor(want: Want, ...rest: ConstructorParameters<typeof Place<unknown>>) {
    super(...rest);
    this.want = want;
  }
}

/** The line. */
export class ReceiveLine extends Line<Waiting> {
  readonly #in: Receiver;

  constructor(receiver: Receiver) {
    const { words, lock, base } = receiver;
    super({ words, lock, bell: base + DATA_BELL, inspect: () => receiver.inspect() });
    this.#in = receiver;
  }

  /** Waits for a message, at the end of the line. `holder` is kept from being collected meanwhile. */
  add(want: Want, deadline: number, signal: AbortSignal | undefined, holder: object): Promise<unknown> {
    const limits: Limits = { deadline, signal };
    return new Promise((resolve, reject) => {
      this.enqueue(new Waiting(want, limits, resolve, reject, holder), limits, () => this.#in.late());
    });
  }

  /** Gives the first one what `take` takes for it, or the error. An error for the caller, of its own time: it is thrown. */
  serveFirst(take: (want: Want) => unknown): void {
    const first = this.first as Waiting;
    let got: unknown;
    try {
      got = take(first.want);
    } catch (error) {
      if (error instanceof TimeoutError || error instanceof DeadlockError || error instanceof StopRequested) {
        throw error;
      }
      return this.drop(first, error);
    }
    if (got !== NOTHING) this.#give(first, got);
  }

  /** This agent lets go of the end. */
  abandon(error: Error): void {
    this.dropAll(error);
  }

  /** Receives what is there. Returns true when nobody waits any more, and else what to sleep on. */
  override advance(takeLock: () => boolean, readBell: () => void): Advance {
    const receiver = this.#in;
    for (let first = this.first; first !== undefined; first = this.first) {
      try {
        if (receiver.hasReady) {
          this.#give(first, receiver.takeReady(first.want));
          continue;
        }
        if (receiver.holding || receiver.hasData) {
          if (!receiver.hold(takeLock)) return "lock";
          const got = receiver.read(first.want);
          if (got !== NOTHING) {
            this.#give(first, got);
            continue;
          }
        }
        readBell();
        receiver.end.memory.setFlags(receiver.base + DATA, SLEEPERS);
        if (receiver.hasData) continue;
        receiver.throwIfOver();
        if (!receiver.hasData) return "bell";
      } catch (error) {
        this.drop(first, error);
      }
    }
    return true;
  }

  #give(first: Waiting, message: unknown): void {
    if (this.remove(first)) this.look();
    first.resolve(open(message));
  }

  protected override drop(waiting: Waiting, reason: unknown): void {
    if (waiting.gone) return;
    if (this.remove(waiting)) {
      this.look();
      this.#in.endedEarly(waiting.want);
    }
    waiting.reject(reason);
  }
}
