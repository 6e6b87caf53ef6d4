/**
 * What waits at the host: chunks that come before everything else, because they were out before, and jobs in their order.
 * @module
 */
import type { Chunk, Job, Share } from "./job.ts";

/** The queue of one pool. */
export class JobQueue {
  /** The next one last. */
  readonly #again: Chunk[] = [];
  #jobs: (Job | undefined)[] = [];
  #head = 0;

  /** Whether nothing waits, as far as that is known without asking the jobs. */
  get isEmpty(): boolean {
    return this.#again.length === 0 && this.#head === this.#jobs.length;
  }

  /** Whether chunks wait that were out before. */
  get hasReturned(): boolean {
    return this.#again.length > 0;
  }

  /** A job has something to be taken. */
  add(job: Job): void {
    if (job.queuing) return;
    job.queuing = true;
    this.#jobs.push(job);
  }

  /** A chunk goes before all others. */
  addFirst(chunk: Chunk): void {
    this.#again.push(chunk);
  }

  /** The job that comes next. */
  next(): Job | undefined {
    const again = this.#again;
    while (again.length > 0) {
      const chunk = again[again.length - 1] as Chunk;
      if (!chunk.job.settled) return chunk.job;
      again.pop();
    }
    for (; this.#head < this.#jobs.length; this.#drop()) {
      const job = this.#jobs[this.#head] as Job;
      if (!job.settled) return job;
    }
    return undefined;
  }

  /** Takes the next chunk; undefined when there is none now. A job that gives nothing leaves the queue: it says when it has more. */
  take(share: Share): Chunk | undefined {
    for (let job = this.next(); job !== undefined; job = this.next()) {
      if (this.#again.length > 0) {
        const chunk = this.#again.pop() as Chunk;
        if (chunk.count <= share.limit) return chunk;
        const pieces = job.split(chunk);
        for (let i = pieces.length - 1; i > 0; i--) this.#again.push(pieces[i] as Chunk);
        return pieces[0];
      }
      const chunk = job.take(share);
      // An input that was pulled is user code: it may even have ended the pool.
      if ((chunk === undefined || job.queued === 0) && this.#jobs[this.#head] === job) this.#drop();
      if (chunk !== undefined) return chunk;
    }
    return undefined;
  }

  /** Whether a chunk of the job waits. */
  has(job: Job): boolean {
    return job.queued > 0 || this.#again.some((chunk) => chunk.job === job);
  }

  /** Calls that wait, as far as their number is known. */
  get calls(): number {
    let calls = 0;
    for (const chunk of this.#again) if (!chunk.job.settled) calls += chunk.count;
    for (let at = this.#head; at < this.#jobs.length; at++) calls += (this.#jobs[at] as Job).queued;
    return calls;
  }

  /** The same, but no more than `most`. */
  callsUpTo(most: number): number {
    let calls = this.#again.length;
    for (let at = this.#head; at < this.#jobs.length && calls < most; at++) calls += (this.#jobs[at] as Job).queued;
    return calls;
  }

  /** Empties it; all jobs in it. */
  clear(): Set<Job> {
    const jobs = new Set<Job>();
    for (const chunk of this.#again) jobs.add(chunk.job);
    for (let at = this.#head; at < this.#jobs.length; at++) jobs.add(this.#jobs[at] as Job);
    for (const job of jobs) job.queuing = false;
    this.#again.length = 0;
    [this.#jobs, this.#head] = [[], 0];
    return jobs;
  }

  #drop(): void {
    (this.#jobs[this.#head] as Job).queuing = false;
    this.#jobs[this.#head++] = undefined;
    if (this.#head === this.#jobs.length) [this.#jobs, this.#head] = [[], 0];
    else if (this.#head > 1024 && this.#head * 2 > this.#jobs.length) {
      this.#jobs = this.#jobs.slice(this.#head);
      this.#head = 0;
    }
  }
}
