/**
 * The scheduler of a pool: it keeps a short window of chunks at every worker and refills it as results come.
 *
 * ```
 *  submit ──▶ queue of jobs ──dispatch──▶ window of each worker ──▶ results ──▶ job
 *                ▲   ▲                        │  │
 *                │   └── takes back ──────────┘  │   from the longest window, for a worker that has nothing to do
 *                └────── what had not started ───┘   when a worker died; what had started is retried or fails
 * ```
 *
 * All of it runs on the host's thread; what is shared with the workers is in `transport/control.ts`. States of a pool
 * only go forward: open → closed (no more work is taken) → stopping (workers are told to end) → stopped.
 * @module
 */
import { BrokenPoolError, CancelledError } from "../errors.ts";
import { now } from "../memory/park.ts";
import { nextTurn } from "../runtime/turn.ts";
import { cpuCount } from "../process/current.ts";
import type { ChildExit, ChildOptions } from "../process/supervisor.ts";
import type { TaskReference } from "../tasks/reference.ts";
import { hostLoop } from "../transport/host_loop.ts";
import type { Errors } from "../transport/lane.ts";
import type { InitializeMessage } from "../transport/protocol.ts";
import { Aborts, type AbortsOwner } from "./aborts.ts";
import { Pace } from "./chunking.ts";
import { crashError } from "./crash.ts";
import { Crew, type CrewOwner } from "./crew.ts";
import { type ApplyJob, cancelled, type Chunk, errorFrom, type Job, type JobOwner } from "./job.ts";
import { Member, type MemberEvents, type OtherMessage } from "./member.ts";
import { Placement, type PlacementOwner } from "./placement.ts";
import { JobQueue } from "./queue.ts";
import { Shift, type ShiftOwner } from "./shift.ts";
import type { PoolStats } from "./stats.ts";
import { TaskWatch } from "./watch.ts";

/** What a scheduler is told when it is made; all values are checked. */
export interface SchedulerOptions {
  readonly workers: number;
  readonly minWorkers: number;
  readonly idleTimeout: number | undefined;
  readonly maxTasksPerChild: number;
  readonly taskTimeout: number | undefined;
  readonly concurrency: number;
  /** Whether workers have lanes in shared memory. */
  readonly rings: boolean;
  readonly first: InitializeMessage<TaskReference>;
  /** How the next worker is made. */
  readonly nextChild: () => ChildOptions;
}

/** Deaths in a row, before any worker became ready, after which the pool gives up. */
const HOPELESS = 3;

/** The scheduler of one pool. */
export class Scheduler implements MemberEvents, CrewOwner, JobOwner, PlacementOwner, ShiftOwner, AbortsOwner {
  readonly #options: SchedulerOptions;
  readonly #crew = new Crew(this);
  readonly #queue = new JobQueue();
  readonly #aborts = new Aborts(this);
  readonly #counts = { completed: 0, failed: 0, crashed: 0, retried: 0, recycled: 0 };
  readonly #paces = new Map<number, Pace>();
  /** Jobs of many chunks that are not settled. */
  readonly #live = new Set<Job>();
  /** Single calls that are not settled. */
  #calls = 0;
  readonly #placement: Placement;
  readonly #shift: Shift;
  #state: "open" | "closed" | "stopping" | "stopped" = "open";
  #broken: BrokenPoolError | undefined;
  #held = false;
  #lettingGo = false;
  #deathsBeforeReady = 0;
  readonly #watch: TaskWatch | undefined;
  #stopped!: () => void;
  /** Resolves when the last worker is gone. */
  readonly stopped: Promise<void>;

  /** Starts the first workers. */
  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { workers, idleTimeout } = options;
    this.#placement = new Placement(options, this.#crew, this.#queue, this);
    this.#shift = new Shift(this.#crew, this.#queue, this.#placement, workers, idleTimeout !== undefined, this);
    this.stopped = new Promise((resolve) => this.#stopped = resolve);
    const { taskTimeout, concurrency } = options;
    if (taskTimeout !== undefined) {
      const limits = { taskTimeout, shared: concurrency > 1 };
      this.#watch = new TaskWatch(limits, this.#crew.members, (member, error) => this.#end(member, error));
    }
    if (options.rings) hostLoop().countCores(cpuCount);
    this.#crew.spawnMissing();
  }

  /** Why no more work is taken: undefined while it is. */
  get refusal(): "closed" | BrokenPoolError | undefined {
    return this.#broken ?? (this.#state === "open" ? undefined : "closed");
  }

  /** The jobs of many chunks that are not settled. */
  get jobs(): Iterable<Job> {
    return this.#live;
  }

  /** How long the calls of a function take. */
  paceOf(reference: TaskReference): Pace {
    let pace = this.#paces.get(reference.id);
    if (pace === undefined) this.#paces.set(reference.id, pace = new Pace());
    return pace;
  }

  /**
   * Takes a single call. Where nothing waits before it and a worker has room, it is written into that worker's lane at once.
   * @throws {EncodingError} when it cannot be sent
   */
  submitCall(job: ApplyJob): void {
    job.owner = this;
    this.#calls++;
    const member = this.#options.rings && this.#queue.isEmpty ? this.#placement.memberFor(job.pace) : undefined;
    if (member === undefined) {
      this.#queue.add(job);
    } else {
      job.takeNow();
      try {
        if (!this.give(member, job)) this.#queue.addFirst(job);
      } catch (error) {
        job.owner = undefined;
        this.#calls--;
        throw error;
      }
      this.#shift.gave();
    }
    this.request();
  }

  /** Takes a job of many chunks. */
  submit(job: Job): void {
    if (job.settled) return;
    this.#live.add(job);
    job.owner = this;
    this.#queue.add(job);
    this.request();
  }

  /** A job whose {@linkcode Job.take} gave nothing has something again, or wants the program kept alive. */
  wake(job: Job): void {
    if (job.settled) return;
    this.#queue.add(job);
    this.request();
  }

  /** Gives up a job: nothing more of it is started, and what runs is left to its end. */
  abandon(job: Job, error: unknown): void {
    if (job.settled) return;
    job.abandon(error);
    this.request();
  }

  /** Gives up a job; what of it still runs a moment later is ended with its worker, if that runs nothing else. */
  abort(job: Job, error: unknown): void {
    if (job.settled) return;
    job.abandon(error);
    this.request();
    // What had not started has been taken back. One signal may abort thousands of calls: each looks at itself only.
    if (job.outstanding === 0) return;
    if (job.mode === "apply") {
      const call = job as ApplyJob;
      this.#aborts.add(call.holder as Member, call, error);
    } else {
      for (const member of this.#crew.members) {
        for (const chunk of member.chunks()) if (chunk.job === job) this.#aborts.add(member, chunk, error);
      }
    }
  }

  giveBack(chunks: readonly Chunk[]): void {
    for (let i = chunks.length - 1; i >= 0; i--) this.#queue.addFirst(chunks[i] as Chunk);
    this.request();
  }

  endAborted(member: Member, error: unknown): void {
    this.#end(member, error);
  }

  /** Takes no more jobs; ends the workers when the last one is done. */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.request();
  }

  /** Takes no more jobs, gives up those that it has, and ends the workers by force. */
  terminate(): void {
    if (this.#state === "stopped") return;
    this.#state = "stopping";
    this.#giveUp(new CancelledError("The pool was terminated before this was done."));
    for (const member of this.#crew.members) member.child.force(-15);
    this.#settleIfEmpty();
  }

  /** Numbers. */
  stats(): PoolStats {
    let queued = this.#queue.calls;
    for (const job of this.#live) if (!job.queuing) queued += job.queued;
    let running = 0;
    let idle = 0;
    for (const member of this.#crew.members) {
      if (member.count === 0) idle++;
      running += member.calls;
    }
    return { workers: this.#crew.members.size, idle, queued, running, ...this.#counts };
  }

  // --- workers -------------------------------------------------------------------------------------

  /** As many workers as there is use for: the minimum, and one for each waiting call up to the maximum. */
  wanted(): number {
    if (this.#state === "stopping" || this.#state === "stopped" || this.#broken !== undefined) return 0;
    const { workers, minWorkers } = this.#options;
    if (this.#state === "open" && this.#crew.open.length >= workers) return workers;
    return this.#state === "closed" ? this.needed() : Math.max(minWorkers, this.needed());
  }

  needed(): number {
    const { workers, concurrency } = this.#options;
    let calls = this.#queue.callsUpTo(workers * concurrency);
    for (const member of this.#crew.open) calls += member.count;
    return Math.min(workers, Math.ceil(calls / concurrency));
  }

  /** Starts a worker. */
  makeMember(): Member | undefined {
    try {
      return new Member(this.#options.nextChild(), this.#options.first, this.#options.rings, this);
    } catch (error) {
      if (this.#crew.open.length === 0) this.#break("cannot start a worker", error);
      return undefined;
    }
  }

  onSpawned(): void {
    this.request();
  }

  onMessage(member: Member, message: OtherMessage): void {
    switch (message.kind) {
      case "ready":
        this.#deathsBeforeReady = 0;
        if (member.state === "starting") member.state = "serving";
        member.seenAt = now();
        this.#crew.isUp();
        // It may take what was given to others while it started.
        this.request();
        break;
      case "initializer-failed":
        member.cause = errorFrom(message.error, member.child.name);
        this.#break("its initializer failed", member.cause);
        break;
      case "uncaught":
        member.cause = errorFrom(message.error, member.child.name);
        break;
    }
  }

  onRefused(_member: Member, chunk: Chunk, error: unknown): void {
    this.#counts.failed += chunk.count;
    if (!chunk.job.settled) chunk.job.fail(chunk, error);
    this.request();
  }

  onUnreadable(member: Member, chunk: Chunk, error: unknown): void {
    this.onRefused(member, chunk, error);
  }

  onResult(
    member: Member,
    chunk: Chunk,
    value: unknown,
    errors: Errors | undefined,
    elapsed: number,
    count: number,
  ): void {
    const { job } = chunk;
    if (errors === undefined) {
      this.#counts.completed += chunk.count;
    } else {
      this.#counts.failed += errors.length;
      if (job.keepGoing) this.#counts.completed += chunk.count - errors.length;
    }
    if (elapsed > 0 && count > 0) job.pace.learn(elapsed, count);
    if (!job.settled) job.complete(chunk, value, errors, member.child.name);
  }

  onResults(): void {
    this.request();
  }

  onExit(member: Member, exit: ChildExit): void {
    const expected = member.state === "retiring" || member.verdict !== undefined || this.#state === "stopping";
    const early = member.state === "starting";
    member.state = "gone";
    this.#crew.remove(member);
    if (!expected) this.#counts.crashed++;
    const { started, waiting } = member.remains();
    const cause = member.cause ?? exit.error;
    for (const chunk of started) this.#afterDeath(member, exit, chunk, cause);
    for (const chunk of waiting.reverse()) {
      if (chunk.job.settled) continue;
      if (chunk.job.canResend(chunk)) this.#queue.addFirst(chunk);
      else chunk.job.fail(chunk, crashError(member, exit, chunk, cause, "before"));
    }
    if (early && !expected && ++this.#deathsBeforeReady >= HOPELESS) {
      this.#break(`${HOPELESS} workers in a row ended with exit code ${exit.code} before they were ready`, cause);
    } else if (early && !expected && this.#options.first.initializer !== undefined) {
      this.#break(`its initializer ended the worker with exit code ${exit.code}`, cause);
    }
    this.request();
    this.#settleIfEmpty();
  }

  #afterDeath(member: Member, exit: ChildExit, chunk: Chunk, cause: unknown): void {
    const { job } = chunk;
    if (job.settled) return;
    if (member.verdict !== undefined) {
      this.#counts.failed += chunk.count;
      job.fail(chunk, member.verdict);
    } else if (chunk.retries > 0 && job.canResend(chunk)) {
      this.#counts.retried += chunk.count;
      const pieces = chunk.count > 1 ? job.split(chunk) : [chunk];
      for (const piece of pieces.reverse()) {
        piece.retries--;
        this.#queue.addFirst(piece);
      }
    } else {
      this.#counts.failed += chunk.count;
      job.fail(chunk, crashError(member, exit, chunk, cause));
    }
  }

  /** Ends a worker because of what it runs, which gets `verdict`; what waits there goes on elsewhere. */
  #end(member: Member, verdict: unknown): void {
    if (member.verdict !== undefined) return;
    member.verdict = verdict;
    if (member.isOpen) member.state = "retiring";
    this.#crew.refresh();
    member.child.force(-15);
  }

  #break(reason: string, cause: unknown): void {
    if (this.#broken !== undefined || this.#state === "stopping") return;
    const detail = cause instanceof Error ? `: ${cause.name}: ${cause.message}` : "";
    this.#broken = new BrokenPoolError(`The pool cannot work: ${reason}${detail}`, { cause });
    this.#state = "stopping";
    this.#giveUp(this.#broken);
    for (const member of this.#crew.members) member.child.force(-15);
    this.#settleIfEmpty();
  }

  #giveUp(error: unknown): void {
    const jobs = this.#queue.clear();
    for (const job of this.#live) jobs.add(job);
    for (const member of this.#crew.members) for (const chunk of member.chunks()) jobs.add(chunk.job);
    for (const job of jobs) if (!job.settled) job.abandon(error);
  }

  // --- work ----------------------------------------------------------------------------------------

  get hasOnlyCalls(): boolean {
    return this.#live.size === 0;
  }

  /** Work that arrives in one turn is sent together at its end. */
  request(): void {
    hostLoop().request(this.#shift);
  }

  afterFlush(): void {
    const { maxTasksPerChild, idleTimeout, minWorkers } = this.#options;
    if (maxTasksPerChild !== Infinity) this.#retireUsed();
    this.#watch?.start();
    if (idleTimeout !== undefined) this.#crew.reap(idleTimeout, minWorkers);
    if (this.#calls === 0) this.#rest();
    if (!this.#held) this.#hold();
  }

  refuse(chunk: Chunk, error: unknown): void {
    this.#counts.failed += chunk.count;
    if (!chunk.job.settled) chunk.job.fail(chunk, error);
  }

  give(member: Member, chunk: Chunk): boolean {
    if (!member.send(chunk)) return false;
    // A getter of a value may have ended the pool.
    if (this.#state === "stopping" && !chunk.job.settled) {
      chunk.job.abandon(this.#broken ?? new CancelledError("The pool was terminated before this was done."));
    }
    return true;
  }

  #retireUsed(): void {
    let used = false;
    for (const member of this.#crew.open) {
      if (member.assigned < this.#options.maxTasksPerChild || member.count > 0) continue;
      member.retire();
      this.#counts.recycled++;
      used = true;
    }
    if (!used) return;
    this.#crew.refresh();
    this.request();
  }

  /** Drops what of a job has not started, for its caller. */
  cancel(job: Job): boolean {
    const waiting = this.#queue.has(job);
    let taken = 0;
    if (job.mode === "apply") {
      const call = job as ApplyJob;
      if ((call.holder as Member | undefined)?.revoke(call) === true) taken = 1;
    } else {
      for (const member of this.#crew.members) taken += member.takeBack(Infinity, (chunk) => chunk.job === job).length;
    }
    if (!waiting && taken === 0) return false;
    job.abandon(cancelled(job.reference.name));
    this.request();
    return true;
  }

  /** A job is settled: what of it is still out is of no use. */
  onSettled(job: Job): void {
    if (job.mode === "apply") {
      this.#calls--;
      if (job.outstanding === 0) return;
      const call = job as ApplyJob;
      (call.holder as Member).revoke(call);
    } else {
      this.#live.delete(job);
      if (job.outstanding > 0) {
        for (const member of this.#crew.members) member.takeBack(Infinity, (chunk) => chunk.job === job);
      }
    }
    this.request();
  }

  // --- time, life ----------------------------------------------------------------------------------

  /** No single call is awaited. */
  #rest(): void {
    if (this.#state === "closed" && this.#live.size === 0 && this.#queue.next() === undefined) this.#stop();
    else if (this.#held && !this.#lettingGo && !this.#isNeeded()) {
      // Not now: what awaited the last result may make the next call. And on Deno whoever lets go in the turn of a wake loses it.
      this.#lettingGo = true;
      nextTurn(() => {
        this.#lettingGo = false;
        this.#hold();
      });
    }
  }

  /** The program is kept alive while a call is awaited or workers are being ended, and not by idle workers. */
  #isNeeded(): boolean {
    if (this.#state === "stopping" || this.#calls > 0 || this.#queue.hasReturned) return true;
    for (const job of this.#live) if (job.keepsAlive) return true;
    return false;
  }

  #hold(): void {
    this.#held = this.#isNeeded();
    this.#crew.hold(this.#held);
  }

  #stop(): void {
    this.#state = "stopping";
    this.#hold();
    this.#crew.retireAll(this.stopped);
    this.#settleIfEmpty();
  }

  #settleIfEmpty(): void {
    if (this.#state !== "stopping" || this.#crew.members.size > 0) return;
    this.#state = "stopped";
    this.#watch?.stop();
    this.#aborts.end();
    this.#shift.end();
    this.#crew.end();
    this.#stopped();
  }
}
