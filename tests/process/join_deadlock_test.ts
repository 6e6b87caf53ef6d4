import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { Lock, Process, Value } from "@manycore/multiprocessing";
import { parent } from "../fixtures/deadlock_tasks.ts";

describe("a join and a lock that wait for each other", () => {
  it("are reported once, with both processes, and both go on", async () => {
    const reports = new Value("int32", 0);
    const process = new Process(parent, [new Lock(), reports], { name: "Parent" });
    process.start();
    await process.join();
    assertEquals(process.exitCode, 0);
    assertEquals(reports.value, 1);
  });
});
