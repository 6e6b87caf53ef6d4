/**
 * coincident: https://github.com/WebReflection/coincident
 * @module
 */
import { type Contestant, engine, load, type Task } from "../contestant.ts";

interface CoincidentWorker {
  readonly proxy: Record<Task, (argument: unknown) => Promise<unknown>> & { ready?: () => void };
  terminate(): void;
}

interface Module {
  readonly default: (options: { transfer: boolean }) => {
    readonly Worker: new (url: URL) => CoincidentWorker;
  };
}

/** Calls over a channel of messages, without a pool: the calls are dealt to the workers in turn. */
export const coincident: Contestant = {
  name: "coincident",
  kind: "rival",
  package: "coincident",
  refusal: () => engine === "node" ? "needs the global Worker, which Node does not have" : undefined,
  async open({ workers }) {
    const { default: library } = await load<Module>("coincident/main");
    const { Worker } = library({ transfer: false });
    const started = Array.from(
      { length: workers },
      () => new Worker(new URL("./workers/coincident.mjs", import.meta.url)),
    );
    await Promise.all(started.map(({ proxy }) => new Promise<void>((ready) => proxy.ready = ready)));
    return {
      call(name) {
        const calls = started.map(({ proxy }) => proxy[name]);
        let turn = 0;
        return (argument) => (calls[turn++ % calls.length] as CoincidentWorker["proxy"][Task])(argument);
      },
      close: () => started.forEach((worker) => worker.terminate()),
    };
  },
};
