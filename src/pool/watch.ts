/**
 * The watch over `taskTimeout`. It looks, a few times in each `taskTimeout`, whether a worker is still at the call that it was at
 * before: the words in `transport/control.ts` tell without a message, also of a worker in a busy loop.
 * @module
 */
import { TimeoutError } from "../errors.ts";
import { type BackgroundTimer, backgroundTimer } from "../runtime/host.ts";
import { WorkerState } from "../transport/control.ts";
import type { Member } from "./member.ts";

/** What is watched for. */
export interface WatchLimits {
  /** How long one call may run, in ms. */
  readonly taskTimeout: number;
  /** Whether several calls share a worker. */
  readonly shared: boolean;
}

/** Watches the members of a pool while they have work. */
export class TaskWatch {
  readonly #limits: WatchLimits;
  readonly #members: Iterable<Member>;
  readonly #end: (member: Member, error: TimeoutError) => void;
  #timer: BackgroundTimer | undefined;

  /** @param limits what to watch for, @param members whom, @param end told of a member whose call takes too long. */
  constructor(limits: WatchLimits, members: Iterable<Member>, end: (member: Member, error: TimeoutError) => void) {
    this.#limits = limits;
    this.#members = members;
    this.#end = end;
  }

  /** Begins, if there is something to watch; it ends by itself when there is nothing any more. */
  start(): void {
    if (this.#timer !== undefined || ![...this.#members].some((member) => member.count > 0)) return;
    this.#timer = backgroundTimer(() => {
      this.#timer = undefined;
      const now = performance.now();
      for (const member of this.#members) this.#check(member, now);
      this.start();
    }, Math.max(1, Math.min(this.#limits.taskTimeout / 8, 100)));
  }

  /** Ends it. */
  stop(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  #check(member: Member, now: number): void {
    const { taskTimeout, shared } = this.#limits;
    const { control } = member.child;
    // Without control words only the number of chunks tells, and one call is sent at a time.
    const items = control?.items ?? member.assigned;
    const nothingRuns = member.count === 0 || control?.inside === 0 || member.state !== "serving";
    if (items !== member.seenItems || nothingRuns) {
      member.seenItems = items;
      member.seenAt = now;
      member.overdue = false;
      return;
    }
    // Tasks that await beside others have a timer in the worker; here is what that cannot end: a busy loop.
    const limit = shared && control?.state !== WorkerState.RUNNING ? taskTimeout * 2 + 100 : taskTimeout;
    if (now - member.seenAt < limit) return;
    // Its result may have come while this thread was blocked, and wait behind this timer.
    if (control === undefined && !member.overdue) {
      member.overdue = true;
      return;
    }
    const name = member.running()[0]?.job.reference.name;
    if (name === undefined) return;
    this.#end(member, new TimeoutError(`${name || "The task"} took longer than taskTimeout (${taskTimeout} ms).`));
  }
}
