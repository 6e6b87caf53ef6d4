/**
 * poolifier-web-worker: https://github.com/poolifier/poolifier-web-worker
 * @module
 */
import { type Contestant, engine, load } from "../contestant.ts";

interface FixedThreadPool {
  execute(data: unknown, name: string): Promise<unknown>;
  mapExecute(data: Iterable<unknown>, name: string): Promise<unknown[]>;
  destroy(): Promise<void>;
}

interface Module {
  readonly FixedThreadPool: new (workers: number, path: URL, options: Record<string, unknown>) => FixedThreadPool;
}

/** poolifier over web workers. */
export const poolifierWebWorker: Contestant = {
  name: "poolifier-web-worker",
  kind: "rival",
  package: "poolifier-web-worker",
  refusal: () => engine === "node" ? "refuses Node: Unsupported JavaScript runtime environment" : undefined,
  async open({ workers }) {
    const { FixedThreadPool } = await load<Module>("poolifier-web-worker");
    const path = new URL("./workers/poolifier_web.mjs", import.meta.url);
    const pool = new FixedThreadPool(workers, path, { enableEvents: false, errorHandler: () => {} });
    return {
      call: (name) => (argument) => pool.execute(argument, name),
      map: (name) => (items) => pool.mapExecute(items, name),
      close: () => pool.destroy(),
    };
  },
};
