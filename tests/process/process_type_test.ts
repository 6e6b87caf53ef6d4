// Workers that are programs of their own: { type: "process" }. Any signal ends them, and they share no memory.

import { describe, it } from "node:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import osProcess from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { EncodingError, Process } from "@manycore/multiprocessing";
import * as tasks from "../fixtures/process_type_tasks.ts";
import { runProgram, show } from "../kit/program.ts";
import { sharedWords } from "../kit/signal_box.ts";
import { eventually, within } from "../kit/wait.ts";
import { onlyOn, skipOn } from "../kit/runtime.ts";

/** A folder for what the programs leave, removed afterwards. */
async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "manycore-test-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run<A extends readonly unknown[]>(process: Process<A>): Promise<number | null> {
  process.start();
  assertEquals(await within(process.join(), `join of ${process.name}`), true);
  return process.exitCode;
}

function isRunning(pid: number): boolean {
  try {
    osProcess.kill(pid, 0);
    // A zombie counts as ended: nobody has asked for its exit code yet.
    return !/^State:\s*Z/m.test(existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, "utf8") : "");
  } catch {
    return false;
  }
}

const type = "process";

describe('Process of type "process"', () => {
  it("runs in a program of its own, with its arguments, and knows who it is", () =>
    withFolder(async (folder) => {
      const file = join(folder, "out.json");
      const process = new Process(tasks.writeIdentity, [file, new Map([["k", [1, 2n, -0]]])], { type, name: "other" });
      assertEquals(await run(process), 0);
      const seen = JSON.parse(readFileSync(file, "utf8"));
      assert(seen.pid !== osProcess.pid);
      assertEquals(seen.current, { name: "other", id: process.id, daemon: false, type: "process" });
      assertEquals(seen.parent.name, "MainProcess");
      assertEquals(seen.isMain, false);
      assertEquals(seen.value, "1,2n,0 Map");
    }));

  it("has the exit codes of every process", async () => {
    assertEquals(await run(new Process(tasks.exitWith, [0], { type })), 0);
    assertEquals(await run(new Process(tasks.exitWith, [3], { type })), 3);
    assertEquals(await run(new Process(tasks.setExitCode, [5], { type })), 5);
    assertEquals(await run(new Process(tasks.throwError, ["expected on stderr"], { type })), 1);
    assertEquals(await run(new Process(tasks.rejectLater, [], { type })), 1);
  });

  it("is stopped for certain: terminate() and kill() end a busy loop, also on Deno", () =>
    withFolder(async (folder) => {
      for (const [end, code] of [["terminate", -15], ["kill", -9]] as const) {
        const file = join(folder, `${end}.json`);
        const process = new Process(tasks.busyLoop, [file], { type });
        process.start();
        await eventually(() => existsSync(file) && readFileSync(file, "utf8") !== "", "the program is up");
        const pid = Number(readFileSync(file, "utf8"));
        assert(isRunning(pid));
        process[end]();
        await within(process.join(), "join");
        assertEquals(process.exitCode, code);
        await eventually(() => !isRunning(pid), "the program is gone");
      }
    }));

  it("can be killed before it is up", async () => {
    const process = new Process(tasks.exitWith, [0], { type });
    process.start();
    process.kill();
    await within(process.join(), "join");
    assertEquals(process.exitCode, -9);
  });

  it("killed by somebody else has the number of the signal, negative", () =>
    withFolder(async (folder) => {
      const file = join(folder, "pid");
      const process = new Process(tasks.busyLoop, [file], { type });
      process.start();
      await eventually(() => existsSync(file) && readFileSync(file, "utf8") !== "", "the program is up");
      osProcess.kill(Number(readFileSync(file, "utf8")), "SIGINT");
      await within(process.join(), "join");
      assertEquals(process.exitCode, -2);
    }));

  it("refuses shared memory at start(), with its path: there is none between programs", () => {
    const words = sharedWords();
    const cases: [unknown[], string][] = [
      [[words], "args[0]"],
      [[{ a: [words] }], "args[0].a[0]"],
      [[1, words.buffer], "args[1]"],
      [[new Map([["k", words]])], "args[0]<value 0>"],
    ];
    for (const [args, path] of cases) {
      const process = new Process(tasks.ignoreArguments, args, { type });
      const error = assertThrows(() => process.start(), EncodingError, "shares none");
      assertEquals(error.path, path);
      assertEquals([process.isAlive, process.exitCode], [false, null]);
    }
  });

  it("refuses a function in its arguments at start(), with its path", () => {
    const process = new Process(tasks.ignoreArguments, [{ f: () => 1 }], { type });
    assertEquals(assertThrows(() => process.start(), EncodingError).path, "args[0].f");
  });

  it("env is its whole environment", () =>
    withFolder(async (folder) => {
      const file = join(folder, "out.json");
      const env: Record<string, string> = { MANYCORE_TEST_GIVEN: "given" };
      for (const name of ["PATH", "HOME"]) {
        const value = osProcess.env[name];
        if (value !== undefined) env[name] = value;
      }
      osProcess.env["MANYCORE_TEST_OURS"] = "ours";
      await run(
        new Process(tasks.writeEnvironment, [file, ["MANYCORE_TEST_GIVEN", "MANYCORE_TEST_OURS"]], { type, env }),
      );
      assertEquals(JSON.parse(readFileSync(file, "utf8")), ["given", null]);
      await run(new Process(tasks.writeEnvironment, [file, ["MANYCORE_TEST_GIVEN", "MANYCORE_TEST_OURS"]], { type }));
      assertEquals(JSON.parse(readFileSync(file, "utf8")), [null, "ours"]);
      delete osProcess.env["MANYCORE_TEST_OURS"];
    }));

  it("resourceLimits end one that needs more", {
    skip: skipOn({ bun: "Bun has no memory limits: https://github.com/oven-sh/bun/issues/5709" }),
  }, async () => {
    const process = new Process(tasks.fillMemory, [], { type, resourceLimits: { maxOldGenerationSizeMb: 64 } });
    const code = await run(process);
    assert(code !== 0 && code !== null, `exit code ${code}`);
  });

  it("ends when its parent does, however that ends", () =>
    withFolder(async (folder) => {
      for (const how of ["exit", "kill"]) {
        const file = join(folder, how);
        const result = await runProgram("process_orphan_program", { args: [file, how] });
        assert(!result.timedOut, show(result));
        const pid = Number(readFileSync(file, "utf8"));
        await eventually(() => !isRunning(pid), `the orphan of a parent that ended by ${how} is gone`);
      }
    }));
});

describe("permissions", { skip: onlyOn(["deno"], "only Deno has permissions") }, () => {
  it("none and lists are what the program gets", () =>
    withFolder(async (folder) => {
      const file = join(folder, "out");
      assertEquals(await run(new Process(tasks.tryWrite, [file], { type })), 0);
      assert(existsSync(file));
      rmSync(file);
      const few = { type, permissions: { read: true } } as const;
      assertEquals(await run(new Process(tasks.tryWrite, [file], few)), 1);
      assert(!existsSync(file));
      const some = { type, permissions: { read: true, write: [folder] } } as const;
      assertEquals(await run(new Process(tasks.tryWrite, [file], some)), 0);
    }));
});
