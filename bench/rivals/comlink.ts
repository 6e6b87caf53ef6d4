/**
 * comlink: https://github.com/GoogleChromeLabs/comlink
 * @module
 */
import { Worker } from "node:worker_threads";
import { type Contestant, engine, load, startWebWorker, type Task } from "../contestant.ts";

type Remote = Record<Task | "moved", (argument: unknown) => Promise<unknown>>;

interface Module {
  readonly wrap: (endpoint: unknown) => Remote;
  readonly transfer: (value: ArrayBuffer, transferables: readonly ArrayBuffer[]) => unknown;
}

/** Calls over a worker's messages, without a pool: the calls are dealt to the workers in turn. */
export const comlink: Contestant = {
  name: "comlink",
  kind: "rival",
  package: "comlink",
  async open({ workers }) {
    const { transfer, wrap } = await load<Module>("comlink/dist/esm/comlink.mjs");
    const adapter = await load<{ default: (worker: Worker) => unknown }>("comlink/dist/esm/node-adapter.mjs");
    const started = Array.from(
      { length: workers },
      () =>
        engine === "node"
          ? new Worker(new URL("./workers/comlink_node.mjs", import.meta.url))
          : startWebWorker(new URL("./workers/comlink_web.mjs", import.meta.url)),
    );
    const remotes = started.map((worker) => wrap(engine === "node" ? adapter.default(worker as Worker) : worker));
    return {
      call(name) {
        const calls = remotes.map((remote) => remote[name]);
        let turn = 0;
        return (argument) => (calls[turn++ % calls.length] as Remote[Task])(argument);
      },
      move: () => (buffer) => (remotes[0] as Remote).moved(transfer(buffer, [buffer])) as Promise<ArrayBuffer>,
      close: () => Promise.all(started.map((worker) => worker.terminate())),
    };
  },
};
