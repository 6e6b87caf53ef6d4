// `Process` as Python's reference describes it (multiprocessing.Process), in TypeScript form.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import {
  activeChildren,
  cpuCount,
  currentProcess,
  EncodingError,
  parentProcess,
  Process,
  ProcessError,
  UnsupportedRuntimeError,
} from "@manycore/multiprocessing";
import * as tasks from "../fixtures/process_tasks.ts";
import { newBox, readBox, sharedWords, wordReaches } from "../kit/signal_box.ts";
import { eventually, failureOf, within } from "../kit/wait.ts";
import { onlyOn, RUNTIME, skipOn } from "../kit/runtime.ts";

/** Starts a process and waits for its end. */
async function run<A extends readonly unknown[]>(process: Process<A>): Promise<number | null> {
  process.start();
  assertEquals(await within(process.join(), `join of ${process.name}`), true);
  return process.exitCode;
}

/** For calls that TypeScript would not let pass. */
// deno-lint-ignore no-explicit-any -- wrong arguments on purpose
const Loose = Process as any;

describe("Process: construction", () => {
  it("new Process() names processes Process-1, Process-2 … in the order in which they are made", () => {
    const [first, second] = [new Process(tasks.nothing), new Process(tasks.nothing)];
    const number = Number(/^Process-(\d+)$/.exec(first.name)?.[1]);
    assert(number >= 1);
    assertEquals(second.name, `Process-${number + 1}`);
  });

  it("new Process() takes a name and a daemon flag, which can be changed before the start", () => {
    const process = new Process(tasks.nothing, [], { name: "worker", daemon: true });
    assertEquals([process.name, process.daemon], ["worker", true]);
    process.name = "other";
    process.daemon = false;
    assertEquals([process.name, process.daemon], ["other", false]);
  });

  it("new Process() refuses a target that is no function, with what it got", () => {
    for (
      const [value, shown] of [[undefined, "undefined"], [null, "null"], [5, "5"], ["run", '"run"'], [{}, "object"]]
    ) {
      assertThrows(() => new Loose(value), TypeError, shown as string);
    }
  });

  it("new Process() refuses arguments that are no array: 'bob' would be three arguments in Python", () => {
    assertThrows(() => new Loose(tasks.nothing, "bob"), TypeError, 'such as ["bob"], got string');
    assertThrows(() => new Loose(tasks.nothing, new Set([1])), TypeError, "args must be an array");
    assertThrows(() => new Loose(tasks.nothing, null), TypeError, "args must be an array");
  });

  it("new Process() refuses options of a wrong type, each by its name", () => {
    const bad: [Record<string, unknown> | null | string, string][] = [
      [{ name: 5 }, "name must be a string"],
      [{ daemon: "yes" }, "daemon must be true or false"],
      [{ type: "fork" }, 'type must be "thread" or "process"'],
      [{ env: "A=1" }, "env must be an object"],
      [{ env: { A: 1 } }, "env.A must be a string"],
      [null, "options must be an object"],
      ["daemon", "options must be an object"],
    ];
    for (const [options, message] of bad) {
      assertThrows(() => new Loose(tasks.nothing, [], options), TypeError, message);
    }
    assertThrows(
      () => new Process(tasks.nothing, [], { resourceLimits: { maxOldGenerationSizeMb: -1 } }),
      RangeError,
      "maxOldGenerationSizeMb",
    );
    assertThrows(
      () => new Process(tasks.nothing, [], { resourceLimits: { maxOldGenerationSizeMb: NaN } }),
      RangeError,
      "maxOldGenerationSizeMb",
    );
  });

  it("new Process() refuses permissions where they have no effect", () => {
    assertThrows(
      () => new Process(tasks.nothing, [], { permissions: "none" }),
      UnsupportedRuntimeError,
      "permissions need Deno",
    );
    if (RUNTIME !== "deno") {
      assertThrows(
        () => new Process(tasks.nothing, [], { permissions: "none", type: "process" }),
        UnsupportedRuntimeError,
        "permissions need Deno",
      );
    }
    new Process(tasks.nothing, [], { permissions: "inherit" });
  });
});

describe("Process: states", () => {
  it("has no id, no exit code and is not alive before its start", () => {
    const process = new Process(tasks.nothing);
    assertEquals([process.isAlive, process.exitCode, process.id], [false, null, null]);
  });

  it("is alive with an id while it runs, and has exit code 0 afterwards", async () => {
    const words = sharedWords();
    const process = new Process(tasks.leftBehind, [words]);
    process.start();
    await wordReaches(words, 0, 1);
    assertEquals([process.isAlive, process.exitCode], [true, null]);
    const id = process.id;
    assert(id !== null && id > 0);
    Atomics.store(words, 1, 1);
    await within(process.join(), "join");
    assertEquals([process.isAlive, process.exitCode, process.id], [false, 0, id]);
  });

  it("every process has an id of its own", async () => {
    const processes = Array.from({ length: 4 }, () => new Process(tasks.nothing));
    for (const process of processes) process.start();
    for (const process of processes) await within(process.join(), "join");
    assertEquals(new Set(processes.map((process) => process.id)).size, 4);
  });

  it("start() a second time is refused, while it runs and after its end", async () => {
    const process = new Process(tasks.nothing, [], { name: "once" });
    process.start();
    assertThrows(() => process.start(), ProcessError, "Cannot start once twice");
    await within(process.join(), "join");
    assertThrows(() => process.start(), ProcessError, "twice");
  });

  it("its name and daemon flag cannot be changed after the start", async () => {
    const process = new Process(tasks.nothing);
    process.start();
    assertThrows(() => process.name = "late", ProcessError);
    assertThrows(() => process.daemon = true, ProcessError);
    await within(process.join(), "join");
    assertThrows(() => process.daemon = true, ProcessError);
  });

  it("its name must be a string and its daemon flag a boolean", () => {
    const process = new Process(tasks.nothing);
    assertThrows(() => (process as { name: unknown }).name = 5, TypeError, "must be a string");
    assertThrows(() => (process as { daemon: unknown }).daemon = 1, TypeError, "must be true or false");
  });

  it("toString() shows every state as Python's repr does", async () => {
    const show = async (target: Process, end: (process: Process) => void = () => {}): Promise<string> => {
      target.start();
      end(target);
      await within(target.join(), "join");
      return String(target);
    };
    const words = sharedWords();
    const process = new Process(tasks.leftBehind, [words], { name: "p" });
    assertEquals(String(process), "<Process name='p' parent=0 initial>");
    process.start();
    assertMatch(String(process), /^<Process name='p' id=\d+ parent=0 started>$/);
    Atomics.store(words, 1, 1);
    await within(process.join(), "join");
    assertMatch(String(process), /^<Process name='p' id=\d+ parent=0 stopped exitcode=0>$/);
    process.close();
    assertEquals(String(process), "<Process name='p' parent=0 closed>");
    assertMatch(
      await show(new Process(tasks.awaitForEver, [words]) as unknown as Process, (p) => p.terminate()),
      /exitcode=-SIGTERM>$/,
    );
    assertMatch(
      await show(new Process(tasks.awaitForEver, [words]) as unknown as Process, (p) => p.kill()),
      /exitcode=-SIGKILL>$/,
    );
    assertMatch(String(new Process(tasks.nothing, [], { daemon: true })), / initial daemon>$/);
    assertEquals(Object.prototype.toString.call(process), "[object Process]");
  });
});

describe("Process: exit codes", () => {
  it("is 0 for a function that returns, and n after process.exit(n)", async () => {
    assertEquals(await run(new Process(tasks.nothing)), 0);
    for (const code of [0, 1, 3, 255]) assertEquals(await run(new Process(tasks.exitWith, [code])), code);
    assertEquals(await run(new Process(tasks.exitPlain)), 0);
  });

  it("is n after process.exit(n) in a timer while the function still awaits", async () => {
    assertEquals(await run(new Process(tasks.exitWhileOthersWait)), 7);
  });

  it("is process.exitCode when the function has set it", async () => {
    assertEquals(await run(new Process(tasks.setExitCode, [5])), 5);
  });

  it("is n after Deno.exit(n)", { skip: onlyOn(["deno"], "only Deno has Deno.exit") }, async () => {
    assertEquals(await run(new Process(tasks.denoExit, [9])), 9);
    assertEquals(await run(new Process(tasks.denoExit, [0])), 0);
  });

  it("is 1 after an error, a rejection, a thrown value, and what is thrown or rejected later", async () => {
    assertEquals(await run(new Process(tasks.throwError, ["expected on stderr"])), 1);
    assertEquals(await run(new Process(tasks.rejectWith, ["expected on stderr"])), 1);
    for (const kind of ["null", "undefined", "text", "number"]) {
      assertEquals(await run(new Process(tasks.throwValue, [kind])), 1);
    }
    assertEquals(await run(new Process(tasks.throwLater)), 1);
    assertEquals(await run(new Process(tasks.rejectLater)), 1);
  });

  it("is −15 after terminate() and −9 after kill()", async () => {
    for (const [end, code] of [["terminate", -15], ["kill", -9]] as const) {
      const words = sharedWords();
      const process = new Process(tasks.awaitForEver, [words]);
      process.start();
      await wordReaches(words, 0, 1);
      process[end]();
      await within(process.join(), "join");
      assertEquals(process.exitCode, code);
    }
  });

  it("is −9 when kill() follows terminate(), and stays what it was when both come after the end", async () => {
    const words = sharedWords();
    const process = new Process(tasks.awaitForEver, [words]);
    process.start();
    await wordReaches(words, 0, 1);
    process.terminate();
    process.kill();
    await within(process.join(), "join");
    assertEquals(process.exitCode, -9);
    process.terminate();
    assertEquals(process.exitCode, -9);
    const ended = new Process(tasks.nothing);
    await run(ended);
    ended.terminate();
    ended.kill();
    assertEquals(ended.exitCode, 0);
  });

  it("a worker that runs out of stack fails alone", async () => {
    assertEquals(await run(new Process(tasks.recurse, [sharedWords()])), 1);
  });
});

describe("Process: terminate() and kill()", () => {
  for (const [name, target] of [["busy loop", tasks.busyLoop], ["blocked Atomics.wait", tasks.blockedWait]] as const) {
    for (const end of ["terminate", "kill"] as const) {
      it(`${end}() ends a ${name} for its parent: join() resolves with the code`, async () => {
        const words = sharedWords();
        const process = new Process(target, [words]);
        process.start();
        await wordReaches(words, 0, 1);
        process[end]();
        await within(process.join(), "join");
        assertEquals(process.exitCode, end === "terminate" ? -15 : -9);
        assertEquals(process.isAlive, false);
        assert(!activeChildren().includes(process as unknown as Process));
        Atomics.store(words, 1, 1);
        Atomics.notify(words, 1);
      });
    }
  }

  it("terminate() right after start() ends it before it is up", async () => {
    for (let i = 0; i < 3; i++) {
      const words = sharedWords();
      const process = new Process(tasks.store, [words, 0, 1]);
      process.start();
      process.terminate();
      await within(process.join(), "join");
      assertEquals(process.exitCode, -15);
    }
  });

  it("kill() right after start() ends it before it is up", async () => {
    const process = new Process(tasks.awaitForEver, [sharedWords()]);
    process.start();
    process.kill();
    await within(process.join(), "join");
    assertEquals(process.exitCode, -9);
  });

  it("terminate() runs no finally block of the function", async () => {
    const words = sharedWords();
    const process = new Process(tasks.finallyAfterTerminate, [words]);
    process.start();
    await wordReaches(words, 0, 1);
    process.terminate();
    await within(process.join(), "join");
    assertEquals(Atomics.load(words, 1), 0);
  });

  it("terminate() and kill() before the start are refused", () => {
    const process = new Process(tasks.nothing, [], { name: "idle" });
    assertThrows(() => process.terminate(), ProcessError, "idle");
    assertThrows(() => process.kill(), ProcessError, "idle");
  });

  it("ends its own children with it, as threads of one program", async () => {
    const words = sharedWords();
    const process = new Process(tasks.leavesChild, [words, false]);
    process.start();
    await wordReaches(words, 0, 1);
    process.kill();
    await within(process.join(), "join");
    assertEquals(process.exitCode, -9);
    Atomics.store(words, 1, 1);
  });
});

describe("Process: join()", () => {
  it("before the start is refused", async () => {
    await assertRejects(() => new Process(tasks.nothing, [], { name: "idle" }).join(), ProcessError, "idle");
  });

  it("can be called again, at the same time and after the end", async () => {
    const process = new Process(tasks.nothing);
    process.start();
    assertEquals(await within(Promise.all([process.join(), process.join(), process.join()]), "joins"), [
      true,
      true,
      true,
    ]);
    assertEquals(await process.join(), true);
    assertEquals(await process.join({ timeout: 0 }), true);
  });

  it("resolves to false when the timeout passes, 0 too, and to true later", async () => {
    const words = sharedWords();
    const process = new Process(tasks.leftBehind, [words]);
    process.start();
    assertEquals(await process.join({ timeout: 0 }), false);
    assertEquals(await process.join({ timeout: 5 }), false);
    assertEquals(process.isAlive, true);
    Atomics.store(words, 1, 1);
    assertEquals(await within(process.join({ timeout: 40_000 }), "join"), true);
  });

  it("rejects with the reason of a signal, aborted before or during the wait, and the process goes on", async () => {
    const words = sharedWords();
    const process = new Process(tasks.leftBehind, [words]);
    process.start();
    const reason = new Error("enough");
    assertEquals(await failureOf(process.join({ signal: AbortSignal.abort(reason) }), Error), reason);
    const controller = new AbortController();
    const joining = process.join({ signal: controller.signal });
    controller.abort(reason);
    assertEquals(await failureOf(joining, Error), reason);
    assertEquals(process.isAlive, true);
    Atomics.store(words, 1, 1);
    assertEquals(await within(process.join(), "join"), true);
  });

  it("refuses a timeout that is negative, NaN or no number, and a signal that is none", async () => {
    const process = new Process(tasks.nothing);
    process.start();
    await assertRejects(() => process.join({ timeout: -1 }), RangeError, "timeout must be 0 ms or more");
    await assertRejects(() => process.join({ timeout: NaN }), RangeError, "timeout must be 0 ms or more");
    await assertRejects(() => process.join({ timeout: "1" as unknown as number }), TypeError, "timeout");
    await assertRejects(() => process.join({ signal: {} as AbortSignal }), TypeError, "AbortSignal");
    await assertRejects(() => process.join(5 as unknown as { timeout: number }), TypeError, "options");
    assertEquals(await within(process.join({ timeout: Infinity }), "join"), true);
  });

  it("waits for timers that the function left running", async () => {
    const words = sharedWords();
    await run(new Process(tasks.timerAfterReturn, [words]));
    assertEquals(Atomics.load(words, 0), 1);
  });

  it("waits for children that the function left running", async () => {
    const words = sharedWords();
    const process = new Process(tasks.leavesChild, [words, false]);
    process.start();
    await wordReaches(words, 0, 1);
    assertEquals(await process.join({ timeout: 20 }), false);
    Atomics.store(words, 1, 1);
    await within(process.join(), "join");
    assertEquals([process.exitCode, Atomics.load(words, 2)], [0, 1]);
  });

  it("does not wait for a daemon that the function left running", async () => {
    const words = sharedWords();
    await run(new Process(tasks.leavesChild, [words, true]) as unknown as Process);
    assertEquals(Atomics.load(words, 2), 0);
    Atomics.store(words, 1, 1);
  });
});

describe("Process: close()", () => {
  it("is refused while it runs, with Python's words", async () => {
    const words = sharedWords();
    const process = new Process(tasks.leftBehind, [words]);
    process.start();
    assertThrows(() => process.close(), ProcessError, "while it is still running");
    Atomics.store(words, 1, 1);
    await within(process.join(), "join");
    process.close();
  });

  it("leaves only the name; everything else says that the object is closed; twice is fine", async () => {
    const process = new Process(tasks.nothing, [], { name: "gone" });
    await run(process);
    process.close();
    process.close();
    assertEquals(process.name, "gone");
    for (
      const use of [
        () => process.isAlive,
        () => process.exitCode,
        () => process.id,
        () => process.start(),
        () => process.terminate(),
        () => process.kill(),
      ]
    ) {
      assertThrows(use, ProcessError, "closed");
    }
    await assertRejects(() => process.join(), ProcessError, "closed");
  });

  it("works before the start, which it then forbids", () => {
    const process = new Process(tasks.nothing);
    process.close();
    assertThrows(() => process.start(), ProcessError, "closed");
  });
});

describe("Process: who is who", () => {
  it("currentProcess() and parentProcess() of the main process", () => {
    const { name, id, daemon } = currentProcess();
    assertEquals({ name, id, daemon }, { name: "MainProcess", id: 0, daemon: false });
    assertEquals(parentProcess(), null);
  });

  it("a child knows itself, its parent, and that it is not main", async () => {
    const box = newBox();
    const process = new Process(tasks.identity, [box], { name: "child" });
    await run(process);
    assertEquals(await readBox(box), {
      current: { name: "child", id: process.id, daemon: false, type: "thread" },
      parent: { name: "MainProcess", id: 0, isAlive: true },
      isMain: false,
      children: 0,
    });
  });

  it("parentProcess().join() with a timeout resolves to false: the parent outlives its children", async () => {
    const box = newBox();
    await run(new Process(tasks.joinParent, [box]));
    assertEquals(await readBox(box), false);
  });

  it("children of children are named Process-1:1 after their parent's numbers", async () => {
    const box = newBox();
    const process = new Process(tasks.nested, [box, 2, false]);
    const number = process.name.replace("Process-", "");
    await run(process);
    assertEquals(await readBox(box), `Process-${number}:1:1`);
    assertEquals(process.exitCode, 0);
  });

  it("a daemon may have no children, with Python's words", async () => {
    const box = newBox();
    await run(new Process(tasks.startsChild, [box], { daemon: true }));
    const error = await readBox<{ name: string; message: string }>(box);
    assertEquals(error.name, "ProcessError");
    assertMatch(error.message, /daemonic processes are not allowed to have children/);
  });

  it("a child that is no daemon may have children and pools", async () => {
    const box = newBox();
    await run(new Process(tasks.startsChild, [box]));
    assertEquals(await readBox(box), { exitCode: 0 });
    const pool = newBox();
    await run(new Process(tasks.makesPool, [pool]));
    assertEquals(await readBox(pool), { squares: [1, 4, 9], names: 2 });
  });

  it("activeChildren() lists those that have started and not ended", async () => {
    const words = sharedWords();
    const process = new Process(tasks.leftBehind, [words]);
    const has = (): boolean => activeChildren().includes(process as unknown as Process);
    assertEquals(has(), false);
    process.start();
    assertEquals(has(), true);
    Atomics.store(words, 1, 1);
    await within(process.join(), "join");
    assertEquals(has(), false);
  });

  it("cpuCount() is a whole number from 1 up", () => {
    assert(Number.isInteger(cpuCount()) && cpuCount() >= 1);
  });
});

describe("Process: arguments and options", () => {
  it("arguments arrive as structured clone sends them", async () => {
    const box = newBox();
    const args = [box, 1n, "é☃", -0, undefined, null, new Map(), new Set(), new Date(0), /x/g, new Float64Array(1)];
    await run(new Process(tasks.describe, args as never) as unknown as Process);
    assertEquals(await readBox<string[]>(box), [
      "[object BigInt] 1",
      "[object String] é☃",
      "[object Number] 0",
      "[object Undefined] undefined",
      "[object Null] null",
      "[object Map] [object Map]",
      "[object Set] [object Set]",
      `[object Date] ${String(new Date(0))}`,
      "[object RegExp] /x/g",
      "[object Float64Array] 0",
    ]);
  });

  it("shared memory is shared, not copied", async () => {
    const words = sharedWords();
    await run(new Process(tasks.store, [words, 3, 42]));
    assertEquals(words[3], 42);
  });

  it("start() refuses an argument that cannot be sent, with its path, and can be tried again", async () => {
    const settings = { handlers: { click: () => {} } as Record<string, unknown> };
    const process = new Process(tasks.ignoreArguments, [1, settings]);
    const error = assertThrows(() => process.start(), EncodingError, "args[1].handlers.click");
    assertEquals(error.path, "args[1].handlers.click");
    assertEquals([process.isAlive, process.exitCode], [false, null]);
    delete settings.handlers["click"];
    assertEquals(await run(process), 0);
  });

  it("start() refuses what only the runtime knows to be unclonable", () => {
    const process = new Process(tasks.ignoreArguments, [{ controller: new AbortController() }, new WeakRef({})]);
    assertThrows(() => process.start(), EncodingError, "args[1]");
    const port = new MessageChannel().port1;
    const other = new Process(tasks.ignoreArguments, [port]);
    assertThrows(() => other.start(), EncodingError, "args");
    port.close();
    assertEquals([other.isAlive, other.exitCode], [false, null]);
  });

  it("env replaces the environment, and without it the child has a copy of ours", async () => {
    const { env } = (await import("node:process")).default;
    env["MANYCORE_TEST_OURS"] = "ours";
    const [inherited, replaced] = [newBox(), newBox()];
    const names = ["MANYCORE_TEST_OURS", "MANYCORE_TEST_GIVEN"];
    await run(new Process(tasks.environment, [inherited, names]));
    assertEquals(await readBox(inherited), { MANYCORE_TEST_OURS: "ours", MANYCORE_TEST_GIVEN: null });
    await run(new Process(tasks.environment, [replaced, names], { env: { MANYCORE_TEST_GIVEN: "given" } }));
    assertEquals(await readBox(replaced), { MANYCORE_TEST_OURS: null, MANYCORE_TEST_GIVEN: "given" });
    delete env["MANYCORE_TEST_OURS"];
  });

  it("resourceLimits end a worker that needs more, alone", {
    skip: skipOn({ bun: "Bun has no memory limits for workers: https://github.com/oven-sh/bun/issues/5709" }),
  }, async () => {
    const process = new Process(tasks.fillMemory, [], { resourceLimits: { maxOldGenerationSizeMb: 32 } });
    process.start();
    const ended = await process.join({ timeout: 20_000 });
    process.kill();
    assert(ended && process.exitCode !== 0, `exit code ${process.exitCode}`);
    assertEquals(await run(new Process(tasks.nothing)), 0);
  });

  it("many processes at once all end", async () => {
    const words = sharedWords(32);
    const processes = Array.from({ length: 16 }, (_, i) => new Process(tasks.store, [words, i, i + 1]));
    for (const process of processes) process.start();
    await within(Promise.all(processes.map((process) => process.join())), "joins");
    assertEquals([...words.subarray(0, 16)], processes.map((_, i) => i + 1));
    await eventually(() => activeChildren().length === 0, "no child is left");
  });
});
