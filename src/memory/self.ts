/**
 * Who this thread is: its place in the agent table. Set once by `worker_main.ts` in a worker; everywhere else the
 * thread is a root, and makes its own table when it first needs one.
 *
 * It is kept on `globalThis` under a registered symbol, because one program may load this library twice (a bundle and
 * its worker, the npm and the JSR package); all copies must agree on who this thread is.
 * @module
 */
import { type AgentSlot, AgentTable } from "./agents.ts";

/** This thread, as an agent. */
export interface SelfAgent extends AgentSlot {
  /** The table it stands in, shared with its parent and its children. */
  readonly table: AgentTable;
  /** Its name, for reports: `MainProcess`, `Process-1`, `PoolWorker-2`. */
  readonly name: string;
  /** Whether it runs one task at a time, so that while its task awaits a lock nothing else in it goes on. */
  readonly oneTask?: boolean;
}

const KEY: unique symbol = Symbol.for("@manycore/multiprocessing/self/1");
const registry = globalThis as unknown as { [KEY]?: SelfAgent };

/** This thread's entry in the agent table. */
export function selfAgent(): SelfAgent {
  return registry[KEY] ?? becomeRoot();
}

function becomeRoot(): SelfAgent {
  const self: SelfAgent = { table: new AgentTable(), slot: 0, generation: 1, id: 0, name: "MainProcess" };
  becomeAgent(self);
  return self;
}

/** Tells a worker who it is; called once, at its birth. */
export function becomeAgent(self: SelfAgent): void {
  registry[KEY] = self;
  // Others name it in their reports, when it waits for them and when it has died.
  self.table.publishName(self, self.name);
}
