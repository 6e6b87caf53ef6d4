/**
 * workerpool: https://github.com/josdejong/workerpool
 * @module
 */
import { fileURLToPath } from "node:url";
import { type Contestant, engine, load } from "../contestant.ts";

interface Pool {
  exec(
    method: string,
    params: readonly unknown[],
    options?: { transfer: readonly ArrayBuffer[] },
  ): PromiseLike<unknown>;
  terminate(force?: boolean): Promise<unknown>;
}

interface Module {
  readonly default: { pool(script: string, options: Record<string, unknown>): Pool };
}

/** Gives a worker one task at a time; nothing to set. Its promises are of its own kind. */
export const workerpool: Contestant = {
  name: "workerpool",
  kind: "rival",
  package: "workerpool",
  refusal({ overlap }) {
    if (engine === "bun") return "every call hangs on Bun: its worker takes itself for a browser's";
    return overlap ? "runs one task at a time in a worker" : undefined;
  },
  async open({ workers }) {
    const { default: library } = await load<Module>("workerpool");
    const pool = library.pool(fileURLToPath(new URL("./workers/workerpool.mjs", import.meta.url)), {
      minWorkers: workers,
      maxWorkers: workers,
      workerType: "thread",
    });
    return {
      call: (name) => async (argument) => await pool.exec(name, [argument]),
      move: () => async (buffer) => await pool.exec("moved", [buffer], { transfer: [buffer] }) as ArrayBuffer,
      close: () => pool.terminate(true),
    };
  },
};
