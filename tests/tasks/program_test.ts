// Functions of a program's main module, while its top-level await is pending.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { RUNTIME } from "../kit/runtime.ts";
import { type ProgramResult, runProgram, show } from "../kit/program.ts";

let result: ProgramResult | undefined;

async function answers(): Promise<Record<string, unknown>> {
  result ??= await runProgram("plain_program");
  assertEquals([result.code, result.timedOut], [0, false], show(result));
  return JSON.parse(result.stdout);
}

describe("a plain function given by the main module", () => {
  it("is found among its exports although its top-level await is pending", async () => {
    const { times, timesArrow, process } = await answers();
    assertEquals([times, timesArrow, process], [[10, 20], [10, 20], 10]);
  });

  it("is never the wrong one when it is exported under another name", async () => {
    const { hidden } = await answers();
    assert(JSON.stringify(hidden) === "[10,20]" || String(hidden).startsWith("TaskResolutionError"), String(hidden));
  });

  it("that is not exported crosses as its source, and sees only its own arguments", async () => {
    const { local, localNeeds } = await answers();
    assertEquals(local, [2, 3]);
    assertMatch(String(localNeeds), /^TaskResolutionError: localNeeds uses factor, which does not exist in the worker/);
    assertMatch(String(localNeeds), /Export it from the module that gives it to the pool/);
    assertMatch(String(localNeeds), /const localNeeds = task\(import\.meta/);
  });

  it("can be a method, also async, also with an odd name", async () => {
    const { double, doubleLater, oddName } = await answers();
    assertEquals([double, doubleLater, oddName], [4, 4, 4]);
  });

  it("of another module is found when that module gives it", async () => {
    const { fromOther, plainOfOther, needsOfOther } = await answers();
    assertEquals(plainOfOther, [2, 3]);
    // JavaScriptCore drops the frame of a function that ends in `return pool.map(…)` (a proper tail call), so that Bun
    // may not see which module it was: then the function is refused with the mend, never mistaken.
    if (RUNTIME === "bun" && typeof fromOther === "string") {
      assertMatch(fromOther, /^TaskResolutionError: scale uses factor/);
    } else assertEquals(fromOther, [3, 6]);
    assertMatch(String(needsOfOther), /^TaskResolutionError: needs uses factor/);
  });

  it("of another module, given by the main module, is found or refused with the mend", async () => {
    const { handedOver } = await answers();
    assert(
      JSON.stringify(handedOver) === "[3,6]" || String(handedOver).startsWith("TaskResolutionError: scale uses factor"),
      String(handedOver),
    );
  });

  it("made by a factory is never mistaken for an export with the same name and text", async () => {
    const { product, otherProduct } = await answers();
    // They cannot be told apart, so both are refused: task() names the one that is meant.
    for (const refused of [product, otherProduct]) {
      assert(String(refused).startsWith("TaskResolutionError"), `it gave ${String(refused)}`);
      assert(String(refused).includes("task(import.meta"), String(refused));
    }
  });
});
