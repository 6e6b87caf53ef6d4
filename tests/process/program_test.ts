// What only a whole program shows: when it ends, with which code, and what stands on its streams.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runProgram, show } from "../kit/program.ts";
import { onlyOn, RUNTIME } from "../kit/runtime.ts";

describe("a program with processes", () => {
  it("ends by itself when only daemons are left", async () => {
    const result = await runProgram("process_program", { args: ["daemon"] });
    assertEquals([result.code, result.timedOut], [0, false], show(result));
    assertStringIncludes(result.stdout, "main ends");
  });

  it("does not end before a child that is no daemon and was not joined", async () => {
    const result = await runProgram("process_program", { args: ["child"] });
    assertEquals([result.code, result.timedOut], [0, false], show(result));
    assertEquals(result.stdout.trim().split(/\r?\n/), ["main ends", "child has printed"], show(result));
  });

  it("prints an uncaught error of a child as Process NAME: with its stack and cause, and goes on", async () => {
    const result = await runProgram("process_program", { args: ["uncaught"] });
    assertEquals(result.code, 0, show(result));
    assertStringIncludes(result.stdout, "exit code 1");
    assertMatch(result.stderr, /^Process Bad:$/m, show(result));
    assertStringIncludes(result.stderr, "TypeError: the child fails");
    assertStringIncludes(result.stderr, "because of this");
    assertMatch(result.stderr, /process_program\.[jt]s:\d+/, show(result));
    assertEquals(result.stderr.match(/the child fails/g)?.length, 1, show(result));
  });

  it("prints an error that a child throws in a timer the same way", async () => {
    const result = await runProgram("process_program", { args: ["uncaught-later"] });
    assertEquals(result.code, 0, show(result));
    assertStringIncludes(result.stdout, "exit code 1");
    assertMatch(result.stderr, /^Process Bad:$/m, show(result));
    assertStringIncludes(result.stderr, "the child fails in a timer");
  });

  it("ends with process.exit(n) although a child is blocked in Atomics.wait", async () => {
    const result = await runProgram("process_program", { args: ["exit-over-blocked"] });
    assertEquals([result.code, result.timedOut], [3, false], show(result));
  });

  it("that kills busy children gets their exit codes; where they cannot be stopped it says so once", async () => {
    const result = await runProgram("process_program", { args: ["kill-busy"] });
    assertEquals([result.code, result.timedOut], [0, false], show(result));
    assertStringIncludes(result.stdout, "exit codes -9,-9", show(result));
    const warnings = result.stderr.match(/MANYCORE_THREAD_NOT_STOPPED/g)?.length ?? 0;
    assertEquals(warnings, RUNTIME === "deno" ? 1 : 0, show(result));
  });

  // Programs of their own share the pipe itself. It takes at most PIPE_BUF (4096) bytes in one piece, and Node joins
  // what it could not write because the pipe was full: only what fits into the pipe is sure to stay whole.
  for (const [type, count, length] of [["thread", 100, 9_000], ["process", 20, 500]] as const) {
    it(`four children (${type}) that print lines of ${length} characters to a pipe leave every line whole`, async () => {
      const result = await runProgram("process_program", { args: ["lines", `${count}`, `${length}`, type] });
      assertEquals(result.code, 0, result.stderr);
      const all = result.stdout.trimEnd().split(/\r?\n/);
      // On Node the main thread writes for its threads: what waits for the pipe may come after the main thread's own line.
      const lines = all.filter((line) => line !== "exit codes 0,0,0,0");
      assertEquals(lines.length, all.length - 1, show(result));
      const next: Record<string, number> = { a: 0, b: 0, c: 0, d: 0 };
      for (const line of lines) {
        const match = /^\[([abcd]) (\d+)\](x+)\[end\]$/.exec(line);
        assert(match !== null, `a broken line: ${line.slice(0, 60)} … ${line.slice(-60)}`);
        assertEquals(match[3]?.length, length);
        assertEquals(Number(match[2]), next[match[1] as string]!++, "lines of one child come in order");
      }
      assertEquals(next, { a: count, b: count, c: count, d: count });
    });
  }
});

describe("a program without a main guard", () => {
  it("with a Process: the child fails with Python's words, and the program ends", async () => {
    const result = await runProgram("no_guard_program");
    assertEquals(result.timedOut, false, show(result));
    assertStringIncludes(result.stdout, "exit code 1", show(result));
    assertMatch(result.stderr, /^Process Greeter:$/m, show(result));
    assertStringIncludes(result.stderr, "BootstrapError");
    assertStringIncludes(result.stderr, "before the current process has finished its bootstrapping phase");
    assertStringIncludes(result.stderr, "import.meta.main");
  });

  it("with a Pool: the call rejects with BootstrapError, and the program ends", async () => {
    const result = await runProgram("no_guard_pool_program");
    assertEquals([result.code, result.timedOut], [0, false], show(result));
    assertMatch(result.stdout, /^BootstrapError: .*bootstrapping phase/, show(result));
  });
});

describe("a program on Deno with few permissions", { skip: onlyOn(["deno"], "only Deno has permissions") }, () => {
  it("needs to read the modules, and nothing else", async () => {
    const result = await runProgram("process_program", {
      args: ["child"],
      denoFlags: ["--no-prompt", "--allow-read"],
    });
    assertEquals(result.code, 0, show(result));
    assertStringIncludes(result.stdout, "child has printed", show(result));
  });
});
