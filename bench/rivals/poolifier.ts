/**
 * poolifier: https://github.com/poolifier/poolifier
 * @module
 */
import { fileURLToPath } from "node:url";
import { type Contestant, load } from "../contestant.ts";

interface FixedThreadPool {
  execute(data: unknown, name: string, transferList?: readonly ArrayBuffer[]): Promise<unknown>;
  mapExecute(data: Iterable<unknown>, name: string): Promise<unknown[]>;
  destroy(): Promise<void>;
}

interface Module {
  readonly FixedThreadPool: new (workers: number, path: string, options: Record<string, unknown>) => FixedThreadPool;
}

/** Posts every call at once, to the worker with the fewest: its fastest setting is the default. */
export const poolifier: Contestant = {
  name: "poolifier",
  kind: "rival",
  package: "poolifier",
  async open({ workers }) {
    const { FixedThreadPool } = await load<Module>("poolifier");
    const path = fileURLToPath(new URL("./workers/poolifier.mjs", import.meta.url));
    const pool = new FixedThreadPool(workers, path, { enableEvents: false, errorHandler: () => {} });
    return {
      call: (name) => (argument) => pool.execute(argument, name),
      map: (name) => (items) => pool.mapExecute(items, name),
      close: () => pool.destroy(),
    };
  },
};
