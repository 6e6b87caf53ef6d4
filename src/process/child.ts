/**
 * The worker of a `Process`: it finds the function, runs it, and ends when nothing goes on in it any more.
 * @module
 */
import { selfAgent } from "../memory/self.ts";
import { runtime } from "../runtime/current.ts";
import { explainMissing, resolveClass, type ResolvedTask, resolveTask } from "../tasks/resolve.ts";
import type { TaskReference } from "../tasks/reference.ts";
import { WorkerState } from "../transport/control.ts";
import type { StartMessage } from "../transport/protocol.ts";
import { receive, type WorkerSide } from "./worker.ts";

/** Waits for the one message that a process gets. */
export function runProcess(side: WorkerSide): void {
  side.listen((message) => {
    if (typeof message !== "string" && message.kind === "start") void run(side, message);
  });
}

async function run(side: WorkerSide, message: StartMessage<TaskReference>): Promise<void> {
  let task: ResolvedTask | undefined;
  try {
    const args = await receive(message.args) as readonly unknown[];
    if (message.fields === undefined) task = await resolveTask(message.reference);
    else task = await runOf(side, message.reference, await receive(message.fields) as object);
    if (side.control !== undefined) side.control.state = WorkerState.RUNNING;
    const { call } = task;
    await new Promise((resolve, reject) => {
      runtime.enterUserCode(() => {
        try {
          resolve(call(...args));
        } catch (error) {
          reject(error);
        }
      });
    });
  } catch (error) {
    side.fail(task === undefined ? error : explainMissing(error, task));
  }
  if (side.control !== undefined) side.control.state = WorkerState.IDLE;
  const self = selfAgent();
  self.table.markReturned(self);
  // Its own children that are no daemons keep it alive, as do timers and sockets: it ends when they do.
  side.release();
}

/** The `run` of a subclass of `Process`. */
async function runOf(side: WorkerSide, reference: TaskReference, fields: object): Promise<ResolvedTask> {
  const type = await resolveClass(reference);
  // Only here: the class has loaded it already.
  const { reviveProcess } = await import("./process.ts");
  const process = reviveProcess(type, side.birth, fields);
  return { call: () => process.run(), name: reference.name, fromSource: false };
}
