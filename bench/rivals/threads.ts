/**
 * threads: https://github.com/andywer/threads.js
 * @module
 */
import { type Contestant, load, type Task } from "../contestant.ts";

type Thread = Record<Task | "moved", (argument: unknown) => PromiseLike<unknown>>;

interface Module {
  readonly spawn: (worker: unknown) => Promise<Thread>;
  readonly Worker: new (path: string) => unknown;
  readonly Thread: { terminate(thread: Thread): Promise<void> };
  readonly Transfer: (value: unknown, transferables: readonly ArrayBuffer[]) => unknown;
  readonly Pool: (spawn: () => Promise<Thread>, options: { size: number; concurrency: number }) => {
    queue(task: (thread: Thread) => PromiseLike<unknown>): PromiseLike<unknown>;
    terminate(force?: boolean): Promise<void>;
  };
}

/** Its promises are observables as well. With one worker its threads are called directly, which saves the pool's millisecond a call. */
export const threads: Contestant = {
  name: "threads",
  kind: "rival",
  package: "threads",
  async open({ workers, inFlight, overlap }) {
    const { Pool, spawn, Thread, Transfer, Worker } = await load<Module>("threads");
    // It takes the path relative to the file that calls it, and mangles an absolute one.
    const start = (): Promise<Thread> => spawn(new Worker("./workers/threads.mjs"));
    if (workers === 1 || overlap) {
      const thread = await start();
      return {
        call: (name) => async (argument) => await thread[name](argument),
        move: () => async (buffer) => await thread.moved(Transfer(buffer, [buffer])) as ArrayBuffer,
        close: () => Thread.terminate(thread),
      };
    }
    const pool = Pool(start, { size: workers, concurrency: inFlight >= 1000 ? inFlight : 1 });
    return {
      call: (name) => async (argument) => await pool.queue((thread) => thread[name](argument)),
      close: () => pool.terminate(true),
    };
  },
};
