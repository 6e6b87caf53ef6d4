/** The root of an agent of `agents.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { AgentTable } from "../../src/memory/agents.ts";
import { becomeAgent } from "../../src/memory/self.ts";
import { unpack } from "../../src/transport/handles.ts";
import { takeLink } from "../../src/transport/links.ts";
import "../../src/handle_types.ts";

const { table, slot, agentName, module, name, link, packed } = workerData;
becomeAgent({ ...slot, table: new AgentTable(table), name: agentName, oneTask: true });
takeLink(link);
const args = (packed.handles ? unpack(packed.value) : packed.value) as unknown[];
try {
  const functions = await import(module);
  const value = await functions[name](...args);
  parentPort?.postMessage({ value });
} catch (error) {
  const { name, message, cycle } = error as Error & { cycle?: readonly string[] };
  parentPort?.postMessage({ error: { name, message, cycle } });
}
