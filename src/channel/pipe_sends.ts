/**
 * The sends of one agent, at one end of a pipe, that wait for room or for the lock, in the order in which they were called (`pipe_line.ts`).
 *
 * ```
 *   send() ─ no room ─▶ encoded, at the end of the line ─▶ the pump: lock, room, pieces ─▶ first in line ─▶ resolve
 *   sendSync() ─▶ sends what is in the line, blocking ─▶ sends its own
 *   close() ─▶ sends what there is room for ─▶ rejects the rest
 * ```
 *
 * While the line is not empty every other way to send goes through it.
 *
 * OWNERSHIP  the writers' lock is held, across turns of the event loop, for the first message of the line and from its first piece to its
 *            last: exactly while #holding. It is taken, and given back, in the same step as the ring is written, so that a blocking
 *            call of this agent may go on with what the pump has begun
 * @module
 */
import { DeadlockError } from "../errors.ts";
import type { SharedWords } from "../memory/atomics.ts";
import { now, StopRequested } from "../memory/park.ts";
import type { LockCore } from "../sync/lock_core.ts";
import { sentCargo, undoCargo } from "../transport/parcel.ts";
import { type Advance, type Limits, Line, Place } from "./pipe_line.ts";
import { type EndView, SPACE_BELL } from "./pipe_memory.ts";
import { closedError, type Outgoing } from "./pipe_message.ts";

/** What the line needs of the sending side. */
export interface Sender {
  readonly end: EndView;
  readonly words: SharedWords;
  readonly base: number;
  readonly lock: LockCore;
  /** Takes the lock, blocking the thread; false when the deadline passes. */
  lockSync(deadline: number): boolean;
  /** Under the lock: puts into the ring what there is room for; whether that was all. */
  write(message: Outgoing): boolean;
  /** The same for all of it, blocking the thread. @throws {TimeoutError} when the deadline passes */
  writeSync(message: Outgoing, deadline: number): void;
  /** Releases the lock; a message that was begun and is not complete is given up. */
  leave(message: Outgoing): void;
  /** Says how much room is worth to be woken for. */
  announce(message: Outgoing): void;
  /** Whether so much would go into the ring now, or never any more. */
  isReady(message: Outgoing): boolean;
  /** Throws when nobody can receive any more, or this end is closed. */
  throwIfBroken(): void;
  /** After a message: wakes who waits for it. */
  published(): void;
  /** Looks whether those who could receive have died. */
  inspect(endless: boolean): void;
  /** The error for a message that was not sent in time. */
  late(message: Pick<Outgoing, "done">): Error;
}

/** A send that waits. */
class Waiting extends Place<void> {
  readonly message: Outgoing;
  readonly deadline: number;

  constructor(message: Outgoing, limits: Limits, ...rest: [() => void, (reason: unknown) => void, object]) {
    super(limits, ...rest);
    this.message = message;
    this.deadline = limits.deadline;
  }
}

/** The line. */
export class SendLine extends Line<Waiting> {
  readonly #out: Sender;
  /** Whether this agent has the lock, for the first message. */
  #holding = false;

  constructor(out: Sender) {
    const { words, lock, base } = out;
    super({ words, lock, bell: base + SPACE_BELL, inspect: () => out.inspect(false) });
    this.#out = out;
  }

  /** Adds a message to the line. `begun`: the line is empty, and this agent has taken the lock for this message. */
  add(
    message: Outgoing,
    begun: boolean,
    deadline: number,
    signal: AbortSignal | undefined,
    holder: object,
  ): Promise<void> {
    const limits: Limits = { deadline, signal };
    return new Promise((resolve, reject) => {
      if (begun) this.#holding = true;
      this.enqueue(new Waiting(message, limits, resolve, reject, holder), limits, () => this.#out.late(message));
    });
  }

  /** Sends what is in the line, blocking the thread. @throws {TimeoutError} when the deadline passes; the rest stays there */
  flush(deadline: number): void {
    const out = this.#out;
    for (let first = this.first; first !== undefined; first = this.first) {
      const { message } = first;
      const limit = Math.min(deadline, first.deadline);
      try {
        if (!this.#holding && !(this.#holding = out.lockSync(limit))) throw out.late(message);
        out.writeSync(message, limit);
        this.#sent(first);
      } catch (error) {
        // What ends the caller's wait leaves the line as it is: the pump goes on with it.
        if (error instanceof StopRequested || error instanceof DeadlockError) throw error;
        if (now() >= deadline) throw out.late({ done: 0 });
        this.drop(first, error);
      }
    }
  }

  /** This agent lets go of the end. */
  abandon(): void {
    const out = this.#out;
    for (let first = this.first; first !== undefined; first = this.first) {
      try {
        if ((this.#holding ||= out.lock.tryFast()) && out.write(first.message)) {
          this.#sent(first);
          continue;
        }
      } catch (error) {
        this.drop(first, error);
        continue;
      }
      break;
    }
    const error = closedError(out.end.label, "send");
    this.dropAll(error);
  }

  /**
   * Sends what can be sent now. Returns true when the line is empty, and else what to sleep on: the lock, or room, in which case
   * `bell` was read before the ring was looked at.
   */
  override advance(takeLock: () => boolean, readBell: () => void): Advance {
    const out = this.#out;
    for (let first = this.first; first !== undefined; first = this.first) {
      if (!this.#holding && !(this.#holding = takeLock())) return "lock";
      try {
        if (out.write(first.message)) {
          this.#sent(first);
          continue;
        }
        out.throwIfBroken();
        readBell();
        out.announce(first.message);
        if (!out.isReady(first.message)) return "bell";
      } catch (error) {
        this.drop(first, error);
      }
    }
    return true;
  }

  /** The first message is in the ring. */
  #sent(first: Waiting): void {
    this.#remove(first);
    sentCargo(first.message.cargo);
    this.#out.published();
    first.resolve();
  }

  /** Gives a message up. */
  protected override drop(waiting: Waiting, reason: unknown): void {
    if (waiting.gone) return;
    this.#remove(waiting);
    undoCargo(waiting.message.cargo);
    waiting.reject(reason);
  }

  #remove(waiting: Waiting): void {
    if (!this.remove(waiting)) return;
    if (this.#holding) {
      this.#holding = false;
      this.#out.leave(waiting.message);
    }
    this.look();
  }
}
