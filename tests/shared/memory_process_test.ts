// SharedMemory in a real process. A file of its own: on Node 20 the package's classes stand beside the compiled sources', and one of
// each kind is known to the messages.
import { test } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { Process, SharedMemory, SharedMemoryError } from "@manycore/multiprocessing";
import { within } from "../kit/wait.ts";
import * as tasks from "./tasks.ts";

test("SharedMemory: through a real process, which attaches it, changes it and unlinks it", async () => {
  const memory = new SharedMemory({ name: "for a process", size: 4 });
  const process = new Process(tasks.changeByName, ["for a process"]);
  process.start();
  await within(process.join(), "the process");
  assertEquals(process.exitCode, 0);
  assertEquals([...memory.buf as Uint8Array], [1, 2, 3, 4]);
  await assertRejects(() => SharedMemory.attach("for a process"), SharedMemoryError, "none of that name");
});
