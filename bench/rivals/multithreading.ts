/**
 * multithreading: https://github.com/W4G1/multithreading
 * @module
 */
import { type Contestant, load, type Task } from "../contestant.ts";
import type { Part } from "../work.mjs";

interface Module {
  readonly initRuntime: (options: { maxWorkers: number }) => void;
  readonly shutdown: () => void;
  readonly move: (argument: unknown) => readonly [unknown];
  readonly spawn: (payload: readonly [unknown], fn: (argument: never) => unknown) => {
    join(): Promise<{ ok: true; value: unknown } | { ok: false; error: unknown }>;
  };
}

/** Functions travel as their source text: the small ones are spelled out, which saves them an import at every call. */
const FUNCTIONS: Record<Task, (argument: never) => unknown> = {
  increment: (n: number) => n + 1,
  echo: (value: unknown) => value,
  fibonacci: async (n: number) => (await import("../work.mjs")).fibonacci(n),
  burn: async (milliseconds: number) => (await import("../work.mjs")).burn(milliseconds),
  rest: async (milliseconds: number) => (await import("../work.mjs")).rest(milliseconds),
  toil: async (steps: number) => (await import("../work.mjs")).toil(steps),
  squares: async (part: Part) => (await import("../work.mjs")).squares(part),
  roots: async (part: Part) => (await import("../work.mjs")).roots(part),
};

/** One pool for the program. On Node it replaces the globals `Worker`, `self` and `ErrorEvent`. */
export const multithreading: Contestant = {
  name: "multithreading",
  kind: "rival",
  package: "multithreading",
  intrusive: true,
  async open({ workers }) {
    const { initRuntime, move, shutdown, spawn } = await load<Module>("multithreading");
    initRuntime({ maxWorkers: workers });
    const call = (task: Task) => async (argument: unknown): Promise<unknown> => {
      const result = await spawn(move(argument), FUNCTIONS[task]).join();
      if (!result.ok) throw result.error;
      return result.value;
    };
    const echo = call("echo");
    return {
      call,
      move: () => async (buffer) => (await echo(new Uint8Array(buffer)) as Uint8Array<ArrayBuffer>).buffer,
      close: shutdown,
    };
  },
};
