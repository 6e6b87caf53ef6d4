// The adapter of the runtime that we are in, as far as it can be seen without the rooms above it.

import { describe, it } from "node:test";
import { availableParallelism } from "node:os";
import process from "node:process";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { runtime } from "../../src/runtime/current.ts";
import { displayUrl } from "../../src/runtime/stack.ts";
import { moduleUrlOfPath, signalNumber } from "../../src/runtime/host.ts";
import { sharedState } from "../../src/runtime/shared_state.ts";
import { eventually } from "../kit/wait.ts";
import { fixture, RUNTIME } from "../kit/runtime.ts";

describe("runtime", () => {
  it("is the one that the globals say, with its version", () => {
    assertEquals(runtime.name, RUNTIME);
    assertMatch(runtime.version, /^\d+\.\d+\.\d+/);
  });

  it("says what it can do", () => {
    const { stopsBusyThreads, limitsThreadMemory, blocksToSpawn, permissions } = runtime.capabilities;
    assertEquals(
      { stopsBusyThreads, limitsThreadMemory, blocksToSpawn, permissions },
      {
        stopsBusyThreads: RUNTIME !== "deno",
        limitsThreadMemory: RUNTIME !== "bun",
        blocksToSpawn: RUNTIME === "deno",
        permissions: RUNTIME === "deno",
      },
    );
  });

  it("knows that this is a main thread that nobody spawned", () => {
    assertEquals(runtime.isMainThread(), true);
    assertEquals(runtime.birth(), undefined);
  });

  it("counts the CPUs that this program may use", () => {
    const count = runtime.cpuCount();
    assert(Number.isInteger(count) && count >= 1 && count <= availableParallelism());
  });

  it("ends a thread whose message cannot be read: nobody waits for it forever", async () => {
    const seen: unknown[] = [];
    const worker = runtime.spawn(
      "thread",
      { entry: fixture("sends_detached"), birth: { role: "none" } },
      { onMessage: (message) => seen.push(message), onExit: ({ error }) => seen.push(error) },
    );
    await eventually(() => seen.length > 0, "it was refused, or the thread has ended");
    worker.kill(9);
    if (seen[0] !== "refused") assertMatch(String(seen[0]), /cannot be read/);
  });

  for (const type of ["thread", "process"] as const) {
    it(`spawn() of a ${type} that cannot load its module tells one exit, with a code, and no message`, async () => {
      const exits: number[] = [];
      let messages = 0;
      const worker = runtime.spawn(
        type,
        { entry: new URL("./not_there.js", import.meta.url), birth: { role: "none" } },
        { onMessage: () => messages++, onExit: ({ code }) => exits.push(code) },
      );
      await eventually(() => exits.length > 0, "the exit is told");
      worker.kill(9);
      worker.unref();
      worker.ref();
      worker.unref();
      assertEquals([exits.length, messages], [1, 0]);
      assert(exits[0] !== 0, `exit code ${exits[0]}`);
    });
  }
});

describe("helpers", () => {
  it("moduleUrlOfPath() finds modules by their path and nothing else", () => {
    assertMatch(moduleUrlOfPath(process.execPath) ?? "", /^file:\/\/\//);
    for (const path of [undefined, "", "-", "[eval]", "/not/there/at/all"]) {
      assertEquals(moduleUrlOfPath(path), undefined);
    }
  });

  it("displayUrl() shows files as paths and leaves other URLs alone", () => {
    assertEquals(displayUrl("https://example.com/a.ts"), "https://example.com/a.ts");
    assert(!displayUrl(import.meta.url).startsWith("file:"));
  });

  it("signalNumber() knows the signals", () => {
    assertEquals([signalNumber("SIGTERM"), signalNumber("SIGKILL"), signalNumber("SIGINT")], [15, 9, 2]);
  });

  it("sharedState() is one for all who ask", () => {
    const first = sharedState("test-state", () => ({ n: 1 }));
    assertEquals(sharedState("test-state", () => ({ n: 2 })), first);
  });
});
