/**
 * Work that was given up while it ran: its worker gets a moment to come to the end of it, and is ended then.
 *
 * ```
 *   abort ─▶ what had not started is taken back, the rest is noted ──ABORT_GRACE──▶ still out, and the worker runs nothing else?
 *                                                                                     └─ what waits behind it goes back, the worker ends
 * ```
 * @module
 */
import { now } from "../memory/park.ts";
import { type BackgroundTimer, backgroundTimer } from "../runtime/host.ts";
import type { Chunk } from "./job.ts";
import type { Member } from "./member.ts";

/** How long work that was aborted may go on before its worker is ended, in ms: starting another one costs more. */
const ABORT_GRACE = 50;

/** Whose work it is. */
export interface AbortsOwner {
  /** What waited behind work that does not end: it goes elsewhere. */
  giveBack(chunks: readonly Chunk[]): void;
  /** Ends a worker, of whose work nothing is awaited any more. */
  endAborted(member: Member, error: unknown): void;
}

interface Late {
  readonly member: Member;
  readonly chunk: Chunk;
  readonly error: unknown;
  readonly due: number;
}

/** What of a pool was given up and has started. One timer for all of it: a signal may abort thousands of calls at a time. */
export class Aborts {
  readonly #owner: AbortsOwner;
  #late: Late[] = [];
  /** What had its moment. Calls that share a worker may have been given up one after the other. */
  readonly #overdue = new WeakSet<Chunk>();
  #timer: BackgroundTimer | undefined;

  /** @param owner the scheduler */
  constructor(owner: AbortsOwner) {
    this.#owner = owner;
  }

  /** A chunk whose job was given up is still out at a worker. */
  add(member: Member, chunk: Chunk, error: unknown): void {
    this.#late.push({ member, chunk, error, due: now() + ABORT_GRACE });
    this.#arm();
  }

  /** The pool is stopped. */
  end(): void {
    this.#timer?.clear();
    this.#late = [];
  }

  #arm(): void {
    const [first] = this.#late;
    if (this.#timer !== undefined || first === undefined) return;
    this.#timer = backgroundTimer(() => {
      this.#timer = undefined;
      this.#judgeAll();
      this.#arm();
    }, Math.max(1, first.due - now()));
  }

  #judgeAll(): void {
    const time = now();
    const byMember = new Map<Member, Late[]>();
    let count = 0;
    for (; count < this.#late.length && (this.#late[count] as Late).due <= time; count++) {
      const late = this.#late[count] as Late;
      this.#overdue.add(late.chunk);
      const others = byMember.get(late.member);
      if (others === undefined) byMember.set(late.member, [late]);
      else others.push(late);
    }
    this.#late.splice(0, count);
    for (const [member, late] of byMember) this.#judge(member, late);
  }

  #judge(member: Member, late: readonly Late[]): void {
    if (!member.isOpen) return;
    // A result that has come and was not taken looks like a call that still runs.
    member.ring?.drain();
    if (!late.some(({ chunk }) => chunk.holder === member)) return;
    const runsNothingElse = (): boolean => {
      const running = member.running();
      return running.length > 0 && running.every((chunk) => this.#overdue.has(chunk));
    };
    if (!runsNothingElse()) return;
    // Nothing is to begin there while it is ended.
    const taken = member.takeBack(Infinity, (chunk) => chunk.job.canResend(chunk));
    member.ring?.drain();
    if (runsNothingElse()) this.#owner.endAborted(member, (late[0] as Late).error);
    this.#owner.giveBack(taken);
  }
}
