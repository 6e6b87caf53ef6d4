/**
 * This library, as a contestant.
 * @module
 */
import { Pool, remote } from "../mod.ts";
import type { Contestant, Opened, Task } from "./contestant.ts";
import { moved } from "./tasks.ts";

/** The work, as functions of the workers' module: the host loads its own. */
export const work = remote<typeof import("./work.mjs")>(new URL("./work.mjs", import.meta.url)) as Record<
  Task,
  (argument: unknown) => unknown
>;

/** A pool as a contestant. */
export function openPool(pool: Pool, tasks: typeof work = work): OpenedPool {
  return {
    pool,
    call(task) {
      const fn = tasks[task];
      return (argument) => pool.apply(fn, [argument]);
    },
    map(task) {
      const fn = tasks[task];
      return (items) => pool.map(fn, items);
    },
    async close() {
      pool.close();
      await pool.join();
    },
  };
}

/** Ours, with the pool itself for what only it can do. */
export interface OpenedPool extends Opened {
  readonly pool: Pool;
}

/** Ours. */
export const ours: Contestant = {
  name: "Pool",
  kind: "ours",
  open: ({ workers, inFlight, overlap }) => {
    const pool = new Pool(workers, overlap ? { concurrency: inFlight } : {});
    const move = (buffer: ArrayBuffer): Promise<ArrayBuffer> => pool.apply(moved, [buffer], { transfer: [buffer] });
    return Promise.resolve({ ...openPool(pool), move: () => move });
  },
};
