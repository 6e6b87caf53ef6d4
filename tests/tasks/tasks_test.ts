// How functions reach workers: by task(), by remote(), as plain exports, and as source text.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { BootstrapError, isMain, Pool, remote, task, TaskResolutionError } from "@manycore/multiprocessing";
import * as named from "../fixtures/named_tasks.ts";
import * as plain from "../fixtures/plain_exports.ts";
import * as remotes from "../fixtures/caller_of_remote.ts";
import * as twins from "../fixtures/twin_callers.ts";
import { loaded } from "../fixtures/slow_and_shared.ts";
import { finish, withPool } from "../kit/pools.ts";
import { sharedWords } from "../kit/signal_box.ts";
import { failureOf, within } from "../kit/wait.ts";
import { EXTENSION } from "../kit/runtime.ts";

describe("task()", () => {
  it("returns the function itself, which can still be called", () => {
    const fn = (n: number): number => n + 1;
    // A meta of its own: what this module names would be looked for in it.
    assertStrictEquals(task({ url: "file:///nowhere.ts" }, fn), fn);
    assertEquals(named.twice(4), 8);
  });

  it("keeps functions of one factory, with the same text, apart", () =>
    withPool(2, {}, async (pool) => {
      assertEquals(await pool.map(named.twice, [1, 2]), [2, 4]);
      assertEquals(await pool.map(named.thrice, [1, 2]), [3, 6]);
      assertEquals(await pool.map(named.fourTimes, [1, 2]), [4, 8]);
      assertEquals(await Promise.all([pool.apply(named.thrice, [1]), pool.apply(named.twice, [1])]), [3, 2]);
    }));

  it("runs in its module: state lives as long as the worker", () =>
    withPool(1, {}, async (pool) => {
      assertEquals([await pool.apply(named.counter), await pool.apply(named.counter)], [1, 2]);
      assertEquals(named.counter(), 1);
    }));

  it("that is called late, inside a function, is not found in workers, and the error says what to do", () =>
    withPool(1, {}, async (pool) => {
      const error = await failureOf(pool.apply(named.lateTask(), [1]), TaskResolutionError);
      assertMatch(error.message, /Cannot find late in .*named_tasks/);
      assertMatch(
        error.message,
        /at the top level of the module, the same way every time, outside the main guard/,
      );
      assertEquals(await pool.apply(named.twice, [1]), 2);
    }));

  it("is not confused by one with the same text that only the host names, above it", () =>
    withPool(1, {}, async (pool) => {
      assertEquals(await pool.apply(named.fiveTimes, [3]), 15);
      const error = await failureOf(pool.apply(named.hostOnly as (n: number) => number, [1]), TaskResolutionError);
      assertMatch(error.message, /Cannot find the task of line \d+ in .*named_tasks.* was not made when/);
    }));

  it("carries text beyond Latin-1", () =>
    withPool(1, {}, async (pool) => {
      assertEquals(await pool.apply(named.latin, ["ü"]), "é☃😀𝄞 ü");
    }));

  it("refuses what is no import.meta and what is no function", () => {
    // deno-lint-ignore no-explicit-any -- wrong arguments on purpose
    const any = task as any;
    for (const meta of [undefined, null, "file:///x.ts", {}, { url: 5 }]) {
      assertThrows(() => any(meta, () => 1), TypeError, "the first argument must be import.meta");
    }
    assertThrows(() => any(() => 1), TypeError, "must be import.meta");
    for (const fn of [undefined, 5, "f", {}]) {
      assertThrows(() => any({ url: "file:///nowhere.ts" }, fn), TypeError, "fn must be a function");
    }
  });

  it("is resolved once, also when it is asked for while its module is still being imported", () =>
    withPool(1, { concurrency: 4 }, async (pool) => {
      const results = await Promise.all([1, 2, 3, 4].map((n) => pool.apply(loaded, [n])));
      assertEquals(results, [[1, 1], [2, 1], [3, 1], [4, 1]]);
    }));
});

describe("a module that makes a Pool when it is imported", () => {
  it("rejects with BootstrapError and Python's words", async () => {
    const module = remote<{ f(): number }>(new URL(`../fixtures/pool_on_import${EXTENSION}`, import.meta.url));
    await withPool(1, {}, async (pool) => {
      const error = await failureOf(pool.apply(module.f), BootstrapError);
      assertMatch(error.message, /before the current process has finished its bootstrapping phase/);
      assertMatch(error.message, /import\.meta\.main/);
      assertEquals(await pool.apply(named.twice, [1]), 2);
    });
  });
});

describe("remote()", () => {
  it("takes a URL, its text, and paths relative to the calling module; the host does not load the module", () =>
    withPool(2, {}, async (pool) => {
      for (const handles of [remotes.here, remotes.above, remotes.byUrl, remotes.byText]) {
        assertEquals(await pool.map(handles.sevenTimes, [1, 2]), [7, 14]);
        assertEquals(await pool.apply(handles.later, [5]), 5);
        assertEquals(await pool.apply(handles.default), "default");
      }
      assertEquals((globalThis as Record<string, unknown>)["remoteModuleLoaded"], undefined);
    }));

  it("gives the same handle each time", () => {
    assertStrictEquals(remotes.here.sevenTimes, remotes.here.sevenTimes);
  });

  it("of a name that is not exported, or is no function: the error names the functions that there are", () =>
    withPool(1, {}, async (pool) => {
      const any = remotes.here as unknown as Record<string, () => unknown>;
      const missing = await failureOf(pool.apply(any["missing"] as () => unknown), TaskResolutionError);
      assertMatch(missing.message, /exports no missing; its functions are: .*sevenTimes/);
      const wrong = await failureOf(pool.apply(any["notAFunction"] as () => unknown), TaskResolutionError);
      assertMatch(wrong.message, /exports notAFunction, but it is no function/);
    }));

  it("called on the host says where it runs", () => {
    assertThrows(() => remotes.here.sevenTimes(1), TypeError, "sevenTimes");
    assertThrows(() => remotes.here.sevenTimes(1), TypeError, "runs in workers only");
  });

  it("refuses a bare name, and what is no text", () => {
    assertThrows(() => remote("lodash"), TypeError, 'remote(import.meta.resolve("lodash"))');
    assertThrows(() => remote("@scope/name"), TypeError, "bare name");
    for (const module of [undefined, null, 5, {}]) {
      assertThrows(() => remote(module as unknown as string), TypeError, "must be a URL or a path");
    }
  });

  it("looks like no promise, and is read-only", async () => {
    const handles = remotes.here;
    assertStrictEquals(await Promise.resolve(handles), handles);
    assertThrows(() => (handles as Record<string, unknown>)["x"] = 1, TypeError, "read-only");
  });
});

describe("a plain exported function", () => {
  it("is found in the module that gave it, with all that the module has", () =>
    withPool(2, {}, async (pool) => {
      for (const name of ["scale", "scaleArrow", "scaleLater", "scaleDefault", "inner"] as const) {
        assertEquals(await plain.mapWith(pool, name, [1, 2]), [3, 6], name);
        assertEquals(await plain.applyWith(pool, name, 5), 15, name);
        assertEquals((await plain.imapWith(pool, name, [4]).next()).value, 12, name);
      }
    }));

  it("is found from inside callbacks and after an await", () =>
    withPool(1, {}, async (pool) => {
      assertEquals(await plain.later(pool, [1, 2]), [3, 6]);
    }));

  it("can be the target of a Process", async () => {
    const words = sharedWords();
    const process = plain.processWith(words, 5);
    process.start();
    await within(process.join(), "join");
    assertEquals([process.exitCode, words[0]], [0, 15]);
  });

  it("keeps exports with the same text apart, or refuses: it never gives the wrong one", () =>
    withPool(2, {}, async (pool) => {
      for (const [name, k] of [["addOne", 1], ["addTwo", 2], ["addThree", 3]] as const) {
        const result = await plain.mapWith(pool, name, [10]).catch((error) => error);
        if (result instanceof TaskResolutionError) continue;
        assertEquals(result, [10 + k], name);
      }
    }));

  it("whose name and text another module has too is refused, with both modules and the mend: it is never the wrong one", () =>
    withPool(1, {}, async (pool) => {
      for (const [name, [fn]] of Object.entries(twins.functions)) {
        const error = await failureOf(twins.applyWith(pool, fn, 10), TaskResolutionError);
        assertMatch(error.message, /twin_a\.\w+ and .*twin_b\.\w+ /, name);
        assertMatch(error.message, /task\(import\.meta, addStep\)/, name);
      }
    }));

  it("that one module hands on from another is the same function, and is found", () =>
    withPool(1, {}, async (pool) => {
      for (const fn of twins.shared) assertEquals(await twins.applyWith(pool, fn, 10), 11);
    }));

  it("and one that looks the same are not mixed up when both are given: the second is refused", () =>
    withPool(1, {}, async (pool) => {
      assertEquals(await twins.applyWith(pool, twins.exportedTwin(), 10), 11);
      const error = await failureOf(twins.applyWith(pool, twins.otherTwin(), 10), TaskResolutionError);
      assertMatch(error.message, /task\(import\.meta, twin\)/);
    }));

  it("of a CommonJS module is found as well", () =>
    withPool(1, {}, async (pool) => {
      const common = await import(new URL("../fixtures/common_module.cjs", import.meta.url).href);
      assertEquals(await common.mapWith(pool, [1, 2]), [5, 10]);
    }));
});

// Functions with a name that no module exports are in program_test.ts: workers look for those in the main module, which
// here is this test.
describe("a function without a name", () => {
  it("can be any kind of function text", () =>
    withPool(1, {}, async (pool) => {
      assertEquals(await pool.apply((n: number) => n + 1, [1]), 2);
      assertEquals(await pool.apply(async (n: number) => await Promise.resolve(n + 1), [1]), 2);
      assertEquals(
        await pool.apply(
          function (n: number): number {
            return n + 1;
          },
          [1],
        ),
        2,
      );
      assertEquals(
        await pool.apply(
          async function (n: number): Promise<number> {
            return await Promise.resolve(n + 1);
          },
          [1],
        ),
        2,
      );
      assertEquals(
        await pool.apply(({ a, b = 2 }: { a: number; b?: number }, ...rest: number[]) => [a, b, rest], [
          { a: 1 },
          3,
          4,
        ]),
        [1, 2, [3, 4]],
      );
      assertEquals(await pool.apply(() => "é☃😀 // not a comment `${1}`"), "é☃😀 // not a comment `${1}`");
      assertEquals(await pool.apply(() => [1, 2].map((n) => n * 2) /* a comment at the end */), [2, 4]);
    }));

  it("with import.meta inside is refused with what the engine says and the mends", () =>
    withPool(1, {}, async (pool) => {
      const error = await failureOf(pool.apply(() => import.meta.url), TaskResolutionError);
      assertMatch(error.message, /Cannot compile the function from its source text/);
      assertMatch(error.message, /task\(import\.meta/);
    }));

  it("a ReferenceError of its own, about what is no variable outside, stays one", () =>
    withPool(1, {}, async (pool) => {
      await failureOf(
        pool.apply(() => {
          throw new ReferenceError("something else");
        }),
        ReferenceError,
      );
      await failureOf(
        pool.apply(() => {
          const read = (): number => late;
          read();
          let late = 1;
          return late++;
        }),
        ReferenceError,
      );
    }));
});

describe("isMain()", () => {
  it("is false for a module that is imported", () => {
    assert(!isMain({ url: new URL("./other.ts", import.meta.url).href, main: false }));
  });

  it("is false everywhere in a worker, also for the main module", () =>
    withPool(1, {}, async (pool) => {
      assertEquals(await pool.apply(named.latin, [""]), "é☃😀𝄞 ");
    }));
});

describe("two pools", () => {
  it("know their own functions", async () => {
    const [a, b] = [new Pool(1), new Pool(1)];
    assertEquals(await a.apply(named.twice, [1]), 2);
    assertEquals(await b.apply(named.thrice, [1]), 3);
    assertEquals(await b.apply(named.twice, [1]), 2);
    await finish(a);
    await finish(b);
  });
});
