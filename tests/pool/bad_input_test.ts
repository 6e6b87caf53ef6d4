// What bad input gets: a distinct error that helps, at the call where that is possible. No input hangs.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  EncodingError,
  Pool,
  Process,
  task,
  TaskResolutionError,
  UnsupportedRuntimeError,
} from "@manycore/multiprocessing";
import * as tasks from "../fixtures/pool_tasks.ts";
import { withPool } from "../kit/pools.ts";
import { failureOf } from "../kit/wait.ts";
import { EXTENSION } from "../kit/runtime.ts";

/** For calls that TypeScript would not let pass. */
// deno-lint-ignore no-explicit-any -- wrong arguments on purpose
type Anything = any;

/** The error of a call that must throw at once, before any promise. */
function thrown<T extends Error>(call: () => unknown, type: new (...args: never[]) => T): T {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    assert(error instanceof type, `expected ${type.name}, got ${String(error)}`);
    return error;
  }
  // Nobody may be left with an unhandled rejection because of a failing test.
  if (result instanceof Promise) result.catch(() => {});
  throw new Error(`expected ${type.name} at the call, got a result`);
}

describe("new Pool() refuses", () => {
  it("numbers of workers that are none", () => {
    for (const workers of [0, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 60]) {
      assertThrows(() => new Pool(workers), RangeError, "workers must be a whole number of at least 1");
    }
    for (const workers of ["4", null, {}, [], true, 4n]) {
      assertThrows(() => new Pool(workers as Anything), TypeError, "workers must be a whole number");
    }
  });

  it("options that are out of their range, each by its name", () => {
    const counts = ["maxTasksPerChild", "concurrency"];
    for (const name of counts) {
      for (const value of [0, -1, 1.5, NaN, Infinity]) {
        assertThrows(() => new Pool(1, { [name]: value }), RangeError, `${name} must be a whole number of at least 1`);
      }
    }
    for (const name of ["retries", "minWorkers"]) {
      for (const value of [-1, 0.5, NaN]) {
        assertThrows(() => new Pool(1, { [name]: value }), RangeError, `${name} must be a whole number of at least 0`);
      }
    }
    for (const name of ["taskTimeout", "idleTimeout"]) {
      for (const value of [-1, NaN]) {
        assertThrows(() => new Pool(1, { [name]: value }), RangeError, `${name} must be 0 ms or more`);
      }
    }
    assertThrows(() => new Pool(1, { taskTimeout: 0 }), RangeError, "taskTimeout must be more than 0");
    assertThrows(() => new Pool(1, { minWorkers: 2 }), RangeError, "minWorkers (2) must not be more than workers (1)");
  });

  it("options of a wrong type, each by its name", () => {
    const bad: Record<string, unknown> = {
      maxTasksPerChild: "5",
      concurrency: "many",
      retries: true,
      minWorkers: {},
      taskTimeout: "1s",
      idleTimeout: null,
      name: 5,
      initArgs: "ab",
      type: "fork",
      env: 5,
    };
    for (const [name, value] of Object.entries(bad)) {
      assertThrows(() => new Pool(1, { [name]: value } as Anything), TypeError, name);
    }
    for (const options of [null, 5, "name"]) {
      assertThrows(() => new Pool(1, options as Anything), TypeError, "options must be an object");
    }
  });

  it("initializers that are no functions, and arguments of it that cannot be sent, with their path", () => {
    for (const initializer of [5, "init", {}, null]) {
      assertThrows(() => new Pool(1, { initializer } as Anything), TypeError, "initializer");
    }
    const error = assertThrows(
      () => new Pool(1, { initializer: tasks.initialize, initArgs: [{ log: () => {} }] }),
      EncodingError,
    );
    assertEquals(error.path, "initArgs[0].log");
  });

  it("permissions for threads", () => {
    assertThrows(() => new Pool(1, { permissions: "none" }), UnsupportedRuntimeError, "permissions");
  });
});

describe("a function that cannot be a task is refused at the call, with its name and a mend", () => {
  function* generator(): Generator<number> {
    yield 1;
  }
  async function* asyncGenerator(): AsyncGenerator<number> {
    yield await Promise.resolve(1);
  }
  class Thing {}
  const object = {
    *method(): Generator<number> {
      yield 1;
    },
  };
  const bad: [string, unknown, RegExp][] = [
    ["undefined", undefined, /fn must be a function, got undefined/],
    ["null", null, /fn must be a function, got null/],
    ["a number", 5, /fn must be a function, got 5/],
    ["a string", "square", /fn must be a function, got "square"/],
    ["an array", [tasks.square], /fn must be a function, got an array/],
    ["an object", { fn: tasks.square }, /fn must be a function, got an object/],
    ["a symbol", Symbol("s"), /fn must be a function, got Symbol\(s\)/],
    ["a generator function", generator, /generator is a generator function.*imap\(\)/],
    ["an async generator function", asyncGenerator, /asyncGenerator is a generator function/],
    ["a generator method", object.method, /method is a generator function/],
    ["a class", Thing, /Thing is a class.*new Thing\(\)/],
    ["native code", Math.max, /max is native code.*\(x\) => max\(x\)/],
    ["a native constructor", Map, /Map is native code/],
    ["a bound function", tasks.add.bind(null, 1), /is a bound function.*Wrap it in a function/],
  ];

  for (const [label, fn, message] of bad) {
    it(`${label}`, () =>
      withPool(1, {}, async (pool) => {
        const any = fn as Anything;
        const calls: [string, () => unknown][] = [
          ["Pool.apply", () => pool.apply(any, [])],
          ["Pool.map", () => pool.map(any, [1])],
          ["Pool.starmap", () => pool.starmap(any, [[1]])],
          ["Pool.imap", () => pool.imap(any, [1])],
          ["Pool.imapUnordered", () => pool.imapUnordered(any, [1])],
          ["new Process(target)", () => new Process(any, [])],
          ["task(import.meta, fn)", () => task(import.meta, any)],
        ];
        for (const [what, call] of calls) {
          const error = thrown(call, TypeError);
          assert(error.message.startsWith(what), error.message);
          assertMatch(error.message, message);
        }
        assertEquals(await pool.apply((n: number) => n, [1]), 1);
      }));
  }
});

describe("arguments and inputs that are none are refused at the call", () => {
  it("apply() wants an array of arguments", () =>
    withPool(1, {}, async (pool) => {
      for (const args of ["ab", 5, { length: 1 }, new Set([1]), null]) {
        assertMatch(
          thrown(() => pool.apply(tasks.square, args as Anything), TypeError).message,
          /args must be an array such as \[1, 2\]/,
        );
      }
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("map() and imap() want something to go over", () =>
    withPool(1, {}, async (pool) => {
      for (const items of [undefined, null, 5, {}, new DataView(new ArrayBuffer(1)), new ArrayBuffer(1), true]) {
        for (const method of ["map", "starmap", "imap", "imapUnordered"] as const) {
          const error = thrown(() => (pool as Anything)[method](tasks.same, items), TypeError);
          assert(error.message.startsWith(`Pool.${method}(fn, items): items must be`), error.message);
        }
      }
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("chunkSize, timeout, signal, transfer, onProgress and progress are checked", () =>
    withPool(1, {}, async (pool) => {
      const bad: [Record<string, unknown>, new () => Error, string][] = [
        [{ chunkSize: 0 }, RangeError, "chunkSize must be a whole number of at least 1, got 0"],
        [{ chunkSize: -1 }, RangeError, "chunkSize"],
        [{ chunkSize: 1.5 }, RangeError, "chunkSize"],
        [{ chunkSize: NaN }, RangeError, "chunkSize"],
        [{ chunkSize: Infinity }, RangeError, "chunkSize"],
        [{ chunkSize: "2" }, TypeError, "chunkSize"],
        [{ timeout: -1 }, RangeError, "timeout must be 0 ms or more"],
        [{ timeout: NaN }, RangeError, "timeout"],
        [{ timeout: "1" }, TypeError, "timeout"],
        [{ signal: {} }, TypeError, "signal must be an AbortSignal"],
        [{ transfer: new ArrayBuffer(1) }, TypeError, "transfer must be an array"],
        [{ onProgress: 5 }, TypeError, "onProgress must be a function"],
        [{ progress: 5 }, TypeError, "progress must be true or a text"],
      ];
      for (const [options, type, message] of bad) {
        for (const method of ["map", "imap"] as const) {
          const error = thrown(() => pool[method](tasks.square, [1], options), type);
          assert(error.message.includes(message), error.message);
          assert(error.message.startsWith(`Pool.${method}`), error.message);
        }
      }
      for (const options of [null, 5, "x"]) {
        thrown(() => pool.map(tasks.square, [1], options as Anything), TypeError);
      }
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("an argument that cannot be sent is refused with its path", () =>
    withPool(1, {}, async (pool) => {
      const cyclic: Record<string, unknown> = { list: [] };
      cyclic["self"] = cyclic;
      (cyclic["list"] as unknown[]).push({ callback: () => 1 });
      const bad: [unknown, string, RegExp][] = [
        [() => 1, "args[0]", /a function/],
        [Symbol("s"), "args[0]", /a symbol/],
        [{ a: { "b-c": [1, { f() {} }] } }, 'args[0].a["b-c"][1].f', /a function/],
        [cyclic, "args[0].list[0].callback", /a function/],
        [new Map<unknown, unknown>([["k", () => 1]]), "args[0]<value 0>", /a function/],
        [new Map<unknown, unknown>([[Symbol("k"), 1]]), "args[0]<key 0>", /a symbol/],
        [new Set([1, () => 1]), "args[0]<item 1>", /a function/],
        [Promise.resolve(1), "args[0]", /a Promise: await it/],
        [{ later: Promise.resolve(1) }, "args[0].later", /a Promise/],
        [new WeakMap(), "args[0]", /a WeakMap/],
        [new WeakSet(), "args[0]", /a WeakSet/],
        [new WeakRef({}), "args[0]", /a WeakRef/],
        [[1].values(), "args[0]", /an iterator/],
        [{ keys: new Map().keys() }, "args[0].keys", /an iterator/],
        [(function* () {})(), "args[0]", /a generator/],
        [(async function* () {})(), "args[0]", /an async generator/],
        [pool, "args[0]", /a Pool/],
        [new Process(tasks.square as () => number), "args[0]", /a Process/],
        [new Error("e", { cause: () => 1 }), "args[0].cause", /a function/],
      ];
      for (const [value, path, message] of bad) {
        const error = thrown(() => pool.apply(tasks.same, [value]), EncodingError);
        assertEquals(error.path, path);
        assert(error.message.startsWith(`Cannot send ${path} to another process`), error.message);
        assertMatch(error.message, message);
      }
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("an argument that only the runtime knows to be unclonable rejects the call", () =>
    withPool(1, {}, async (pool) => {
      const { port1, port2 } = new MessageChannel();
      for (const value of [port1, { deep: [port1] }]) {
        const error = await failureOf(pool.apply(tasks.same, [value]), EncodingError);
        assert(error.message.startsWith("Cannot send args"), error.message);
      }
      const error = await failureOf(pool.map(tasks.same, [1, port1, 3], { chunkSize: 1 }), EncodingError);
      assert(error.message.startsWith("Cannot send items"), error.message);
      port1.close();
      port2.close();
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("memory that was transferred before is refused, or arrives empty, but never hangs", () =>
    withPool(1, {}, async (pool) => {
      const buffer = new ArrayBuffer(8);
      await pool.apply(tasks.byteLength, [buffer], { transfer: [buffer] });
      // At the call, or by the promise.
      const again: unknown = await (async () => await pool.apply(tasks.byteLength, [buffer], { transfer: [buffer] }))()
        .catch((error) => error);
      assert(again === 0 || again instanceof EncodingError, String(again));
      const twice = new ArrayBuffer(8);
      const both = await pool.apply(tasks.byteLength, [twice], { transfer: [twice, twice] }).catch((error) => error);
      assert(both === 8 || both instanceof EncodingError, String(both));
      const wrong = await pool.apply(tasks.same, [1], { transfer: [{}] }).catch((error) => error);
      assert(wrong instanceof EncodingError || wrong === 1, String(wrong));
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));

  it("a getter that throws in an argument gives its error at the call", () =>
    withPool(1, {}, async (pool) => {
      const reason = new Error("from the getter");
      const value = {
        get field() {
          throw reason;
        },
      };
      assertEquals(thrown(() => pool.apply(tasks.same, [value]), Error), reason);
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));
});

describe("functions that workers cannot use", () => {
  it("an anonymous function that needs an outer variable: TaskResolutionError names it and the mends", () =>
    withPool(1, {}, async (pool) => {
      // Not a literal: Bun would put it into the function's text.
      const factor = Number("3");
      for (
        const call of [
          () => pool.apply((n: number) => n * factor, [1]),
          () => pool.apply(async (n: number) => await Promise.resolve(n * factor), [1]),
          () => pool.map((n: number) => n * factor, [1]),
        ]
      ) {
        const error = await failureOf(call(), TaskResolutionError);
        assertMatch(error.message, /\bfactor\b/);
        assertMatch(error.message, /sees only its own arguments/);
        assertMatch(error.message, /Export it from the module/);
        assertMatch(error.message, /task\(import\.meta/);
        assert(error.cause instanceof ReferenceError);
      }
    }));

  it("a module that throws when it is imported, and one that is not there", () =>
    withPool(1, {}, async (pool) => {
      const { remote } = await import("@manycore/multiprocessing");
      const broken = remote<{ f(): number }>(new URL(`../fixtures/broken_module${EXTENSION}`, import.meta.url));
      const error = await failureOf(pool.apply(broken.f), TaskResolutionError);
      assertMatch(error.message, /Cannot import .*broken_module.*this module is broken/);
      assertEquals((error.cause as Error).message, "this module is broken");
      const missing = remote<{ f(): number }>(new URL(`../fixtures/not_there${EXTENSION}`, import.meta.url));
      assertMatch((await failureOf(pool.apply(missing.f), TaskResolutionError)).message, /Cannot import .*not_there/);
      assertEquals(await pool.apply(tasks.square, [2]), 4);
    }));
});

describe("an input whose iterator is broken", () => {
  const steps: Record<string, () => unknown> = {
    "gives undefined": () => undefined,
    "gives a number": () => 5,
    "throws in done": () => ({
      get done(): boolean {
        throw new Error("from done");
      },
    }),
    "throws in value": () => ({
      done: false,
      get value(): number {
        throw new Error("from value");
      },
    }),
    "throws in next": () => {
      throw new Error("from next");
    },
  };
  for (const [name, step] of Object.entries(steps)) {
    it(`because it ${name}, rejects its own call, and all pools go on`, () =>
      withPool(1, {}, (pool) =>
        withPool(1, {}, async (other) => {
          for (const kind of [Symbol.iterator, Symbol.asyncIterator]) {
            const input = { [kind]: () => ({ next: step }) } as Anything;
            for (const run of [pool.map(tasks.square, input), pool.imap(tasks.square, input).next()]) {
              const error = await failureOf(run, Error);
              assertMatch(
                error.message,
                name.startsWith("throws") ? /^from (?:done|value|next)$/ : /which is no object/,
              );
            }
            assertEquals([await pool.apply(tasks.square, [3]), await other.apply(tasks.square, [4])], [9, 16]);
          }
        })));
  }
});
