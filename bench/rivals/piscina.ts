/**
 * piscina: https://github.com/piscinajs/piscina
 * @module
 */
import { fileURLToPath } from "node:url";
import { type Contestant, load } from "../contestant.ts";

interface Piscina {
  run(argument: unknown, options: { name: string; transferList?: readonly ArrayBuffer[] }): Promise<unknown>;
  destroy(): Promise<void>;
}

interface Module {
  readonly Piscina: new (options: Record<string, unknown>) => Piscina;
}

/** Its workers take one task at a time by default; for many calls at once they take as many as there are. */
export const piscina: Contestant = {
  name: "piscina",
  kind: "rival",
  package: "piscina",
  async open({ workers, inFlight, overlap }) {
    const { Piscina } = await load<Module>("piscina");
    const pool = new Piscina({
      filename: fileURLToPath(new URL("./workers/piscina.mjs", import.meta.url)),
      minThreads: workers,
      maxThreads: workers,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: inFlight >= 1000 ? Math.ceil(inFlight / workers) : 1,
      // Blocking between tasks is its fastest way to wait, but timers of a task do not run meanwhile.
      atomics: overlap ? "disabled" : "sync",
      recordTiming: false,
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
