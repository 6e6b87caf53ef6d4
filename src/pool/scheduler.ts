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
import { BrokenPoolError, CancelledError, WorkerCrashedError } from "../errors.ts";
import { runtime } from "../runtime/current.ts";
import { type BackgroundTimer, backgroundTimer } from "../runtime/host.ts";
import type { ChildExit, ChildOptions } from "../process/supervisor.ts";
import type { TaskReference } from "../tasks/reference.ts";
import type { InitializeMessage, WireResult, WorkerMessage } from "../transport/protocol.ts";
import { decodeError } from "../transport/remote_error.ts";
import { windowFor } from "./chunking.ts";
import { cancelled, type Chunk, type Job } from "./job.ts";
import { Member, type MemberEvents } from "./member.ts";
import { TaskWatch } from "./watch.ts";

/** What a scheduler is told when it is made; all values are checked. */
export interface SchedulerOptions {
  readonly workers: number;
  readonly minWorkers: number;
  readonly idleTimeout: number | undefined;
  readonly maxTasksPerChild: number;
  readonly taskTimeout: number | undefined;
  readonly concurrency: number;
  readonly first: InitializeMessage<TaskReference>;
  /** How the next worker is made. */
  readonly nextChild: () => ChildOptions;
}

/** Numbers about a pool. */
export interface PoolStats {
  /** Workers that live. */
  readonly workers: number;
  /** Workers of those that have nothing to do. */
  readonly idle: number;
  /** Calls that wait to be started, as far as their number is known. */
  readonly queued: number;
  /** Calls that are at a worker. */
  readonly running: number;
  /** Calls that succeeded. */
  readonly completed: number;
  /** Calls that threw, or whose arguments or result could not be sent. */
  readonly failed: number;
  /** Workers that died. */
  readonly crashed: number;
  /** Calls that were run again because their worker died. */
  readonly retried: number;
  /** Workers that were replaced after `maxTasksPerChild` calls. */
  readonly recycled: number;
}

/** Deaths in a row, before any worker became ready, after which the pool gives up. */
const HOPELESS = 3;

/** How long work that was aborted may go on before its worker is ended, in ms: starting another one costs more. */
const ABORT_GRACE = 50;

/** How long a worker that was told to end may take, in ms. */
const STOP_GRACE = 2000;

/** The scheduler of one pool. */
export class Scheduler implements MemberEvents {
  readonly #options: SchedulerOptions;
  readonly #members = new Set<Member>();
  readonly #counts = { completed: 0, failed: 0, crashed: 0, retried: 0, recycled: 0 };
  readonly #itemMs = new Map<number, number>();
  #jobs: Job[] = [];
  readonly #live = new Set<Job>();
  readonly #again: Chunk[] = [];
  #chunkMs: number | undefined;
  #state: "open" | "closed" | "stopping" | "stopped" = "open";
  #broken: BrokenPoolError | undefined;
  #scheduled = false;
  #spawning = false;
  #held = false;
  #deathsBeforeReady = 0;
  readonly #watch: TaskWatch | undefined;
  #reaper: BackgroundTimer | undefined;
  #stopped!: () => void;
  /** Resolves when the last worker is gone. */
  readonly stopped: Promise<void>;

  /** Starts the first workers. */
  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.stopped = new Promise((resolve) => this.#stopped = resolve);
    const { taskTimeout, concurrency } = options;
    if (taskTimeout !== undefined) {
      const limits = { taskTimeout, shared: concurrency > 1 };
      this.#watch = new TaskWatch(limits, this.#members, (member, error) => this.#end(member, error));
    }
    this.#spawnMissing();
  }

  /** Why no more work is taken: undefined while it is. */
  get refusal(): "closed" | BrokenPoolError | undefined {
    return this.#broken ?? (this.#state === "open" ? undefined : "closed");
  }

  /** The jobs that are not settled. */
  get jobs(): Iterable<Job> {
    return this.#live;
  }

  /** Takes a job. */
  submit(job: Job): void {
    if (job.settled) return;
    this.#live.add(job);
    job.whenSettled.push(() => this.#drop(job));
    job.cancel = () => this.#cancel(job);
    this.#jobs.push(job);
    this.#schedule();
  }

  /** A job whose {@linkcode Job.take} gave nothing has something again, or wants the program kept alive. */
  wake(job: Job): void {
    if (job.settled) return;
    if (!this.#jobs.includes(job)) this.#jobs.push(job);
    this.#schedule();
  }

  /** Gives up a job: nothing more of it is started, and what runs is left to its end. */
  abandon(job: Job, error: unknown): void {
    if (!job.settled) job.abandon(error);
  }

  /** Gives up a job; what of it still runs a moment later is ended with its worker, if that runs nothing else. */
  abort(job: Job, error: unknown): void {
    if (job.settled) return;
    const busy = new Map([...this.#members].map((member) => [member, member.running()]));
    job.abandon(error);
    backgroundTimer(() => {
      for (const [member, before] of busy) {
        const running = member.running();
        if (running.length === 0 || !member.isOpen) continue;
        if (running.every((chunk) => chunk.job === job && before.includes(chunk))) this.#end(member, error);
      }
    }, ABORT_GRACE);
  }

  /** Takes no more jobs; ends the workers when the last one is done. */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#schedule();
  }

  /** Takes no more jobs, gives up those that it has, and ends the workers by force. */
  terminate(): void {
    if (this.#state === "stopped") return;
    this.#state = "stopping";
    this.#giveUp(new CancelledError("The pool was terminated before this was done."));
    for (const member of this.#members) member.child.force(-15);
    this.#settleIfEmpty();
  }

  /** Numbers. */
  stats(): PoolStats {
    let queued = this.#again.reduce((sum, chunk) => sum + chunk.count, 0);
    for (const job of this.#live) queued += job.queued;
    let running = 0;
    let idle = 0;
    for (const member of this.#members) {
      if (member.out.size === 0) idle++;
      for (const chunk of member.out.values()) running += chunk.count;
    }
    return { workers: this.#members.size, idle, queued, running, ...this.#counts };
  }

  // --- workers -------------------------------------------------------------------------------------

  #open(): Member[] {
    return [...this.#members].filter((member) => member.isOpen);
  }

  /** As many workers as there is use for: the minimum, and one for each waiting call up to the maximum. */
  #wanted(): number {
    if (this.#state === "stopping" || this.#state === "stopped" || this.#broken !== undefined) return 0;
    const { workers, minWorkers, concurrency } = this.#options;
    let calls = this.#again.length;
    for (const member of this.#members) if (member.isOpen) calls += member.out.size;
    for (const job of this.#jobs) {
      if (calls >= workers * concurrency) break;
      calls += job.settled ? 0 : job.queued;
    }
    const needed = Math.min(workers, Math.ceil(calls / concurrency));
    return this.#state === "closed" ? needed : Math.max(minWorkers, needed);
  }

  #spawnMissing(): void {
    if (this.#spawning) return;
    let open = this.#open().length;
    while (open < this.#wanted()) {
      if (!this.#spawn()) return;
      open++;
      if (runtime.capabilities.blocksToSpawn && open < this.#wanted()) {
        // One in a turn, so that the event loop runs in between.
        this.#spawning = true;
        backgroundTimer(() => {
          this.#spawning = false;
          this.#spawnMissing();
          this.#dispatch();
        }, 0);
        return;
      }
    }
  }

  #spawn(): boolean {
    try {
      const member = new Member(this.#options.nextChild(), this.#options.first, this);
      if (this.#held) member.child.hold();
      this.#members.add(member);
      return true;
    } catch (error) {
      if (this.#open().length > 0) return false;
      this.#break("cannot start a worker", error);
      return false;
    }
  }

  onMessage(member: Member, message: WorkerMessage): void {
    switch (message.kind) {
      case "ready":
        this.#deathsBeforeReady = 0;
        if (member.state === "starting") member.state = "serving";
        member.seenAt = performance.now();
        // It may take what was given to others while it started.
        this.#schedule();
        break;
      case "initializer-failed":
        member.cause = decodeError(message.error, member.child.name);
        this.#break("its initializer failed", member.cause);
        break;
      case "uncaught":
        member.cause = decodeError(message.error, member.child.name);
        break;
      case "done":
        for (const result of message.results) this.#complete(member, result);
        this.#dispatch();
        break;
    }
  }

  onRefused(_member: Member, chunk: Chunk, error: unknown): void {
    this.#counts.failed += chunk.count;
    if (!chunk.job.settled) chunk.job.fail(chunk, error);
    this.#schedule();
  }

  onExit(member: Member, exit: ChildExit): void {
    const expected = member.state === "retiring" || member.verdict !== undefined || this.#state === "stopping";
    const early = member.state === "starting";
    member.state = "gone";
    this.#members.delete(member);
    if (this.#held) member.child.letGo();
    if (!expected) this.#counts.crashed++;
    const { started, waiting } = member.remains();
    const cause = member.cause ?? exit.error;
    for (const chunk of started) this.#afterDeath(member, exit, chunk, cause);
    for (const chunk of waiting.reverse()) {
      if (chunk.job.settled) continue;
      if (chunk.job.canResend(chunk)) this.#again.unshift(chunk);
      else chunk.job.fail(chunk, this.#crash(member, exit, chunk, cause, "before"));
    }
    if (early && !expected && ++this.#deathsBeforeReady >= HOPELESS) {
      this.#break(`${HOPELESS} workers in a row ended with exit code ${exit.code} before they were ready`, cause);
    } else if (early && !expected && this.#options.first.initializer !== undefined) {
      this.#break(`its initializer ended the worker with exit code ${exit.code}`, cause);
    }
    this.#schedule();
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
        this.#again.unshift(piece);
      }
    } else {
      this.#counts.failed += chunk.count;
      job.fail(chunk, this.#crash(member, exit, chunk, cause));
    }
  }

  #crash(member: Member, exit: ChildExit, chunk: Chunk, cause: unknown, when = "while"): WorkerCrashedError {
    const { name } = member.child;
    const task = chunk.job.reference.name || "a task";
    const how = exit.code < 0 ? `was killed (${exit.code})` : `ended with exit code ${exit.code}`;
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    const what = chunk.count === 1 ? task : `a chunk of ${chunk.count} calls of ${task}`;
    return new WorkerCrashedError(
      `${name} ${how} ${when} it ran ${what}${why}`,
      { exitCode: exit.code, processName: name },
      cause === undefined ? undefined : { cause },
    );
  }

  /** Ends a worker because of what it runs, which gets `verdict`; what waits there goes on elsewhere. */
  #end(member: Member, verdict: unknown): void {
    if (member.verdict !== undefined) return;
    member.verdict = verdict;
    if (member.isOpen) member.state = "retiring";
    member.child.force(-15);
  }

  #break(reason: string, cause: unknown): void {
    if (this.#broken !== undefined || this.#state === "stopping") return;
    const detail = cause instanceof Error ? `: ${cause.name}: ${cause.message}` : "";
    this.#broken = new BrokenPoolError(`The pool cannot work: ${reason}${detail}`, { cause });
    this.#state = "stopping";
    this.#giveUp(this.#broken);
    for (const member of this.#members) member.child.force(-15);
    this.#settleIfEmpty();
  }

  #giveUp(error: unknown): void {
    this.#again.length = 0;
    for (const job of [...this.#live]) job.abandon(error);
    this.#jobs = [];
  }

  // --- work ----------------------------------------------------------------------------------------

  #complete(member: Member, result: WireResult): void {
    const chunk = member.settle(result.sequence);
    if (chunk === undefined) return;
    const { job } = chunk;
    this.#counts.failed += result.errors.length;
    this.#counts.completed += job.keepGoing || result.errors.length === 0 ? chunk.count - result.errors.length : 0;
    this.#learn(job.reference.id, chunk.count, result.elapsed);
    if (!job.settled) job.complete(chunk, result, member.child.name);
  }

  #learn(task: number, count: number, elapsed: number): void {
    const mix = (old: number | undefined, now: number): number => old === undefined ? now : old + (now - old) / 4;
    this.#itemMs.set(task, mix(this.#itemMs.get(task), elapsed / count));
    this.#chunkMs = mix(this.#chunkMs, elapsed);
  }

  /** Work that arrives in one turn is sent together at its end. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#hold();
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    this.#spawnMissing();
    const { concurrency, maxTasksPerChild, taskTimeout } = this.#options;
    const members = this.#open().filter((member) => member.assigned < maxTasksPerChild);
    for (;;) {
      const member = emptiest(members);
      if (member === undefined) break;
      // Without control words what is out counts as started: then only what can run at once is sent.
      const window = member.child.control === undefined ? concurrency : windowFor(this.#chunkMs, concurrency);
      if (member.out.size >= window) break;
      const once = member.child.control === undefined && taskTimeout !== undefined;
      const chunk = this.#take(once ? 1 : maxTasksPerChild - member.assigned);
      if (chunk === undefined) break;
      member.send(chunk);
      if (member.assigned >= maxTasksPerChild) members.splice(members.indexOf(member), 1);
    }
    this.#balance(members);
    for (const member of this.#members) member.flush();
    this.#retireUsed();
    this.#watch?.start();
    this.#startReaper();
    this.#hold();
    if (this.#state === "closed" && this.#live.size === 0) this.#stop();
  }

  #take(limit: number): Chunk | undefined {
    for (let at = this.#again.length; at > 0; at--) {
      const chunk = this.#again.shift() as Chunk;
      if (chunk.job.settled) continue;
      if (chunk.count <= limit) return chunk;
      const pieces = chunk.job.split(chunk);
      this.#again.unshift(...pieces.slice(1));
      return pieces[0];
    }
    const parallel = this.#options.workers * this.#options.concurrency;
    for (let at = 0; at < this.#jobs.length; at++) {
      const job = this.#jobs[at] as Job;
      const chunk = job.settled ? undefined : job.take({ parallel, itemMs: this.#itemMs.get(job.reference.id), limit });
      if (chunk !== undefined) {
        if (at > 0) this.#jobs.splice(0, at);
        return chunk;
      }
    }
    // Those that gave nothing have no more; a stream says when it has (`wake`).
    this.#jobs = [];
    return undefined;
  }

  /** A worker that has nothing to do gets half of what waits at the one that has most. */
  #balance(members: readonly Member[]): void {
    for (const idle of members) {
      if (idle.out.size > 0 || idle.state !== "serving") continue;
      const fullest = members.reduce((most, member) => member.out.size > most.out.size ? member : most, idle);
      const spare = fullest.out.size - this.#options.concurrency;
      if (spare < 1) return;
      const room = this.#options.maxTasksPerChild - idle.assigned;
      const moved = fullest.takeBack(
        Math.ceil(spare / 2),
        (chunk) => chunk.count <= room && chunk.job.canResend(chunk),
      );
      for (const chunk of moved) {
        if (idle.hasRoom && chunk.count <= this.#options.maxTasksPerChild - idle.assigned) idle.send(chunk);
        else this.#again.unshift(chunk);
      }
    }
  }

  #retireUsed(): void {
    let used = false;
    for (const member of this.#members) {
      if (!member.isOpen || member.assigned < this.#options.maxTasksPerChild || member.out.size > 0) continue;
      member.retire();
      this.#counts.recycled++;
      used = true;
    }
    if (used) this.#schedule();
  }

  #cancel(job: Job): boolean {
    const waiting = this.#again.some((chunk) => chunk.job === job) || job.queued > 0;
    let taken = 0;
    for (const member of this.#members) taken += member.takeBack(Infinity, (chunk) => chunk.job === job).length;
    if (!waiting && taken === 0) return false;
    job.abandon(cancelled(job.reference.name));
    return true;
  }

  #drop(job: Job): void {
    this.#live.delete(job);
    if (job.outstanding > 0) {
      for (const member of this.#members) member.takeBack(Infinity, (chunk) => chunk.job === job);
    }
    this.#schedule();
  }

  // --- time, life ----------------------------------------------------------------------------------

  #startReaper(): void {
    const { idleTimeout, minWorkers } = this.#options;
    if (idleTimeout === undefined || this.#reaper !== undefined) return;
    if (this.#open().length <= minWorkers) return;
    this.#reaper = backgroundTimer(() => {
      this.#reaper = undefined;
      const now = performance.now();
      let open = this.#open().length;
      for (const member of this.#members) {
        if (open <= minWorkers) break;
        if (!member.isOpen || member.out.size > 0 || now - member.idleSince < idleTimeout) continue;
        member.retire();
        open--;
      }
      this.#startReaper();
    }, Math.max(1, idleTimeout));
  }

  /** The program is kept alive while a call is awaited or workers are being ended, and not by idle workers. */
  #hold(): void {
    let needed = this.#state === "stopping" || this.#again.length > 0;
    for (const job of this.#live) {
      if (needed) break;
      needed = job.keepsAlive;
    }
    if (needed === this.#held) return;
    this.#held = needed;
    for (const member of this.#members) {
      if (needed) member.child.hold();
      else member.child.letGo();
    }
  }

  #stop(): void {
    this.#state = "stopping";
    this.#hold();
    for (const member of this.#members) member.retire();
    const late = [...this.#members];
    if (late.length > 0) {
      const timer = backgroundTimer(() => late.forEach((member) => member.child.force(-9)), STOP_GRACE);
      void this.stopped.then(() => timer.clear());
    }
    this.#settleIfEmpty();
  }

  #settleIfEmpty(): void {
    if (this.#state !== "stopping" || this.#members.size > 0) return;
    this.#state = "stopped";
    this.#watch?.stop();
    this.#reaper?.clear();
    this.#stopped();
  }
}

function emptiest(members: readonly Member[]): Member | undefined {
  let best: Member | undefined;
  for (const member of members) {
    if (!member.hasRoom) continue;
    if (best === undefined || member.out.size < best.out.size) best = member;
    else if (member.out.size === best.out.size && member.state === "serving" && best.state === "starting") {
      best = member;
    }
  }
  return best;
}
