/**
 * tinypool: https://github.com/tinylibs/tinypool
 * @module
 */
import { fileURLToPath } from "node:url";
import { type Contestant, engine, load } from "../contestant.ts";

interface Tinypool {
  run(argument: unknown, options: { name: string; transferList?: readonly ArrayBuffer[] }): Promise<unknown>;
  destroy(): Promise<void>;
}

interface Module {
  readonly default: new (options: Record<string, unknown>) => Tinypool;
}

/**
 * As piscina, from which it comes. Its queue is an array that is shifted: with 100,000 calls in flight it is faster when
 * each worker takes one at a time.
 */
export const tinypool: Contestant = {
  name: "tinypool",
  kind: "rival",
  package: "tinypool",
  async open({ workers, inFlight, overlap }) {
    const { default: Tinypool } = await load<Module>("tinypool");
    const pool = new Tinypool({
      filename: fileURLToPath(new URL("./workers/tinypool.mjs", import.meta.url)),
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: inFlight >= 1000 && inFlight <= 10_000 ? Math.ceil(inFlight / workers) : 1,
      // On Deno the default loses the first task of every pool.
      useAtomics: engine !== "deno" && !overlap,
    });
    return {
      call(name) {
        const options = { name };
        return (argument) => pool.run(argument, options);
      },
      move: () => (buffer) => pool.run(buffer, { name: "moved", transferList: [buffer] }) as Promise<ArrayBuffer>,
      close: () => pool.destroy(),
    };
  },
};
