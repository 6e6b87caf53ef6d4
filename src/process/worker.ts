/**
 * What every worker does first and last: it takes its place in the agent table, says how it ends, and ends.
 * @module
 */
import { AgentTable } from "../memory/agents.ts";
import { setPlatform, StopRequested } from "../memory/park.ts";
import { becomeAgent, selfAgent } from "../memory/self.ts";
import { runtime } from "../runtime/current.ts";
import type { ParentPort } from "../runtime/adapter.ts";
import { exit, onExit, onUncaught, writeError } from "../runtime/host.ts";
import { setMainModule, type TaskReference } from "../tasks/reference.ts";
import { ControlWords, WorkerState } from "../transport/control.ts";
import { unpack } from "../transport/handles.ts";
import { takeLink } from "../transport/links.ts";
import type { Birth, HostMessage, Payload, WorkerMessage } from "../transport/protocol.ts";
import { describeError, encodeError } from "../transport/remote_error.ts";
import { ringWaiters } from "../transport/waitable.ts";
import { onLastAct } from "./last_act.ts";

/** A worker's side of its life. */
export interface WorkerSide {
  /** Its birth data. */
  readonly birth: Birth;
  /** The words shared with its parent, in a thread. */
  readonly control: ControlWords | undefined;
  /** Says something to the parent. */
  post(message: WorkerMessage, transfer?: readonly unknown[]): void;
  /** Starts to receive; `stop` never arrives. */
  listen(handler: (message: Exclude<HostMessage<TaskReference>, { kind: "stop" }>) => void): void;
  /** Stops to receive, so that the worker ends by itself when nothing else goes on in it. */
  release(): void;
  /** Prints an error that nobody caught, tells the parent, and ends with code 1. */
  fail(error: unknown): never;
  /** Ends. */
  exit(code: number): never;
}

/** Makes this thread or program a worker. Called once, by the entry module. */
export function becomeWorker(birth: Birth): WorkerSide {
  const port: ParentPort = runtime.parentPort();
  const { shared } = birth;
  const control = shared === undefined ? undefined : new ControlWords(shared.control);
  if (shared !== undefined) {
    const table = new AgentTable(shared.agents);
    const { slot, generation } = shared;
    becomeAgent({ table, slot, generation, id: birth.id, name: birth.name, oneTask: birth.oneTask });
    takeLink(shared.link);
  }
  setMainModule(birth.mainModule);
  // Spinning on the only core would keep away the agent that we wait for.
  setPlatform({ spin: runtime.hasOneCore() ? 0 : runtime.spinLoads });
  const end = (code: number): never => {
    if (control !== undefined) control.state = WorkerState.ENDED;
    try {
      return exit(code);
    } catch {
      // An exit handler of the user's threw. Node then goes on, for ever, where something keeps its event loop alive.
      return exit(code);
    }
  };
  let ending = false;
  let exitCode = 0;
  const fail = (error: unknown): never => {
    // An exit handler of the user's that throws comes back to here, as does, on Deno, what is due after process.exit().
    if (ending) return undefined as never;
    ending = true;
    // An end that was asked for is no error.
    if (!(error instanceof StopRequested)) {
      writeError(`Process ${birth.name}:\n${describeError(error)}\n`);
      port.postMessage({ kind: "uncaught", error: encodeError(error) } satisfies WorkerMessage);
    }
    return end(1);
  };
  onUncaught(fail);
  onExit((code) => {
    ending = true;
    exitCode = code;
    if (control !== undefined) control.state = WorkerState.ENDED;
    port.postMessage({ kind: "exiting", code } satisfies WorkerMessage);
  });
  if (shared !== undefined) {
    // DEATH  the parent marks what it hears of in its event loop, and that may be blocked in a wait for what this agent holds
    onLastAct(() => {
      const self = selfAgent();
      self.table.markLeft(self, exitCode === 0);
      ringWaiters();
    });
  }
  return {
    birth,
    control,
    post: (message, transfer) => port.postMessage(message, transfer),
    listen(handler) {
      port.listen((message) => {
        const received = message as HostMessage<TaskReference>;
        if (typeof received !== "string" && received.kind === "stop") end(0);
        else handler(received as Exclude<HostMessage<TaskReference>, { kind: "stop" }>);
      });
    },
    release: () => port.release(),
    fail,
    exit: end,
  };
}

/** What came with a message, live. Modules of shared objects are only loaded for the first message that has one. */
export function receive(payload: Payload): unknown {
  if (!payload.handles) return payload.value;
  if (loaded) return unpack(payload.value);
  return loadHandles().then(() => {
    loaded = true;
    return unpack(payload.value);
  });
}

let handles: Promise<unknown> | undefined;
let loaded = false;

function loadHandles(): Promise<unknown> {
  return handles ??= import("../handle_types.ts");
}
