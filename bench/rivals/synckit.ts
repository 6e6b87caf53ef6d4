/**
 * synckit: https://github.com/un-ts/synckit
 * @module
 */
import { type Contestant, load, type Task } from "../contestant.ts";

interface Module {
  readonly createSyncFn: (path: URL) => (task: Task, argument: unknown) => unknown;
}

/** Calls one worker and blocks until it answers. It keeps that worker for good. */
export const synckit: Contestant = {
  name: "synckit, blocking",
  kind: "rival",
  package: "synckit",
  refusal({ workers, inFlight, overlap }) {
    if (overlap || inFlight > 1) return "a call blocks the caller, so that there is one at a time";
    return workers > 1 ? "has one worker" : undefined;
  },
  async open() {
    const { createSyncFn } = await load<Module>("synckit");
    const call = createSyncFn(new URL("./workers/synckit.mjs", import.meta.url));
    return {
      call: (name) => (argument) => Promise.resolve(call(name, argument)),
      close() {},
    };
  },
};
