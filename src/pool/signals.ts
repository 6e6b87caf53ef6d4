/**
 * Signals that calls were given: one listener for all calls of a signal. Runtimes look through all listeners of a signal for each
 * that is added or taken away, so that thousands of calls with one signal cost each of them thousands of looks.
 * @module
 */
import type { Job } from "./job.ts";

/** The jobs that wait for one signal. */
interface Watched {
  readonly jobs: Set<Job>;
  readonly listener: () => void;
}

/** The signals of one pool. */
export class Signals {
  readonly #watched = new Map<AbortSignal, Watched>();
  readonly #abort: (job: Job, reason: unknown) => void;

  /** @param abort gives a job up */
  constructor(abort: (job: Job, reason: unknown) => void) {
    this.#abort = abort;
  }

  /** Gives the job up when the signal is aborted, unless it is settled before. */
  watch(signal: AbortSignal, job: Job): void {
    const watched = this.#watched.get(signal) ?? this.#begin(signal);
    watched.jobs.add(job);
    job.whenSettled(() => {
      watched.jobs.delete(job);
      if (watched.jobs.size > 0 || this.#watched.get(signal) !== watched) return;
      this.#watched.delete(signal);
      signal.removeEventListener("abort", watched.listener);
    });
  }

  #begin(signal: AbortSignal): Watched {
    const jobs = new Set<Job>();
    const listener = (): void => {
      this.#watched.delete(signal);
      for (const job of [...jobs]) this.#abort(job, signal.reason);
    };
    const watched = { jobs, listener };
    this.#watched.set(signal, watched);
    signal.addEventListener("abort", listener, { once: true });
    return watched;
  }
}
