// Programs with pools: when they end, and what they report.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runProgram, show } from "../kit/program.ts";

describe("a program with a pool", () => {
  for (const mode of ["idle", "unused", "iterator-left"]) {
    it(`ends by itself with a pool that was not closed (${mode})`, async () => {
      const result = await runProgram("pool_program", { args: [mode] });
      assertEquals([result.code, result.timedOut], [0, false], show(result));
      assertEquals(result.stderr, "", show(result));
    });
  }

  for (const mode of ["not-awaited", "close-only"]) {
    it(`does not end before its work is done (${mode})`, async () => {
      const result = await runProgram("pool_program", { args: [mode] });
      assertEquals([result.code, result.timedOut], [0, false], show(result));
      assertStringIncludes(result.stdout, "got 1,4,9");
    });
  }

  it("that never reads a failed result hears of it from the runtime, as of any rejection", async () => {
    const result = await runProgram("pool_program", { args: ["unread"] });
    assert(!result.timedOut && result.code !== 0, show(result));
    assertMatch(result.stderr, /RangeError: item 1/, show(result));
  });

  it("that asks how a result went is not told twice", async () => {
    const result = await runProgram("pool_program", { args: ["read-late"] });
    assertEquals([result.code, result.timedOut], [0, false], show(result));
    assertStringIncludes(result.stdout, "successful: false");
  });

  it("ends with process.exit(n) while a call runs", async () => {
    const result = await runProgram("pool_program", { args: ["exit-while-busy"] });
    assertEquals([result.code, result.timedOut], [4, false], show(result));
  });
});
