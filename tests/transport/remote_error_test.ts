// Errors that cross between processes: encodeError() and decodeError(), and the whole way through a pool.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
// From the sources, as decodeError() is: on Node 20 the package is another copy.
import {
  BrokenBarrierError,
  DeadlockError,
  EncodingError,
  NotOwnerError,
  TimeoutError,
  WorkerCrashedError,
} from "../../src/errors.ts";
import { decodeError, describeError, encodeError, remoteStackOf } from "../../src/transport/remote_error.ts";
import * as tasks from "../fixtures/error_tasks.ts";
import { withPool } from "../kit/pools.ts";
import { failure, failureOf } from "../kit/wait.ts";

/** An error as the other side has it. */
function cross(thrown: unknown): unknown {
  return decodeError(structuredClone(encodeError(thrown)), "Worker-1");
}

// deno-lint-ignore no-explicit-any -- fields of errors of the tests' own
type Fields = any;

describe("errors that cross", () => {
  it("keep the classes of the language", () => {
    for (const type of [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]) {
      const error = cross(new type("text")) as Error;
      assertStrictEquals(Object.getPrototypeOf(error), type.prototype);
      assertEquals([error.name, error.message], [type.name, "text"]);
      assertEquals(Object.keys(error), []);
    }
  });

  it("keep the name and the fields of classes of one's own, on the nearest class that both sides know", () => {
    class HttpError extends RangeError {
      override readonly name = "HttpError";
      readonly status = 404;
      readonly details = { list: [1, new Map([["k", 1n]])] };
    }
    const error = cross(new HttpError("not found")) as Fields;
    assertEquals([error instanceof RangeError, error instanceof Error], [true, true]);
    assertEquals([error.name, error.message, error.status], ["HttpError", "not found", 404]);
    assertEquals(error.details, { list: [1, new Map([["k", 1n]])] });
    class Unnamed extends Error {}
    assertEquals((cross(new Unnamed("x")) as Error).message, "x");
  });

  it("keep our own classes, with their fields", () => {
    const crash = cross(new WorkerCrashedError("gone", { exitCode: -9, processName: "P" })) as WorkerCrashedError;
    assert(crash instanceof WorkerCrashedError);
    assertEquals([crash.exitCode, crash.processName, crash.name], [-9, "P", "WorkerCrashedError"]);
    const encoding = cross(new EncodingError("no", "args[0]")) as EncodingError;
    assert(encoding instanceof EncodingError);
    assertEquals(encoding.path, "args[0]");
    const deadlock = cross(new DeadlockError("stuck", ["a", "b"])) as DeadlockError;
    assert(deadlock instanceof DeadlockError);
    assertEquals(deadlock.cycle, ["a", "b"]);
    for (const type of [TimeoutError, NotOwnerError, BrokenBarrierError]) {
      const error = cross(new type("x"));
      assert(error instanceof type);
      assertEquals(error.name, type.prototype.name);
    }
  });

  it("keep chains of causes, also those that are no errors, and cycles of them end", () => {
    const error = cross(new Error("a", { cause: new TypeError("b", { cause: "c" }) })) as Fields;
    assert(error.cause instanceof TypeError);
    assertEquals([error.cause.message, error.cause.cause], ["b", "c"]);
    assertEquals((cross(new Error("a", { cause: undefined })) as Error & { cause: unknown }).cause, undefined);
    assert(!("cause" in (cross(new Error("a")) as object)));
    const circle: Fields = new Error("circle");
    circle.cause = circle;
    assertEquals((cross(circle) as Fields).cause.message, "circle");
  });

  it("keep the errors of an AggregateError, also when it is among them", () => {
    const error = cross(new AggregateError([new TypeError("a"), "b"], "all")) as AggregateError;
    assert(error instanceof AggregateError);
    assertEquals([error.message, error.errors.length, error.errors[1]], ["all", 2, "b"]);
    assert(error.errors[0] instanceof TypeError);
    const knot = new AggregateError([], "knot");
    knot.errors.push(knot, knot, knot, knot, knot, knot);
    const back = cross(knot) as AggregateError;
    assertEquals(back.message, "knot");
  });

  it("keep a DOMException with its name", () => {
    const error = cross(new DOMException("enough", "AbortError")) as DOMException;
    assert(error instanceof DOMException);
    assertEquals([error.name, error.message], ["AbortError", "enough"]);
  });

  it("can be anything that is thrown", () => {
    for (const value of [undefined, null, 0, -0, NaN, "", "text", false, 5n, { code: 1 }, [1]]) {
      assertEquals(cross(value), value);
    }
    assertMatch(String(cross(Symbol("s"))), /^Symbol\(s\) \[not sent: /);
    assertMatch(String(cross(() => 1)), /\[not sent: /);
    assertMatch(String(cross({ f: () => 1 })), /^\[object Object\] \[not sent: .*f/);
    const mute = Object.assign(Object.create(null), { f: () => 1 });
    assertMatch(String(cross(mute)), /^object \[not sent: /);
  });

  it("say of a field that cannot be sent why, and arrive all the same", () => {
    const error = cross(Object.assign(new Error("e"), { request: { socket: () => 1 }, ok: 1 })) as Fields;
    assertEquals([error.message, error.ok], ["e", 1]);
    assertMatch(error.request, /^\[object Object\] \[not sent: .*request\.socket/);
  });

  it("arrive whatever their getters do", () => {
    const hostile = (key: string): Error => {
      const error = new Error("hostile");
      Object.defineProperty(error, key, {
        enumerable: true,
        get() {
          throw new RangeError("from the getter");
        },
      });
      return error;
    };
    for (const key of ["field", "name", "message", "stack", "cause", "errors"]) {
      assert(cross(hostile(key)) instanceof Error, key);
    }
    assertMatch((cross(hostile("field")) as Fields).field, /from the getter/);
  });

  it("arrive whatever their own properties are", () => {
    const odd: [string, unknown][] = [["name", 5], ["message", {}], ["stack", 5], ["errors", null], [
      "cause",
      Symbol(),
    ]];
    for (const [key, value] of odd) {
      assert(cross(Object.assign(new AggregateError([], "odd"), { [key]: value })) instanceof Error, key);
    }
  });

  it("have a stack with their name, message and the frames of the other side", () => {
    const error = cross(new TypeError("a message\nof two lines")) as Error;
    assertMatch(error.stack ?? "", /^TypeError: a message\nof two lines\n/);
    assertMatch(error.stack ?? "", /--- RemoteStack \(Worker-1\) ---/);
    assertMatch(error.stack ?? "", /remote_error_test/);
    const remote = remoteStackOf(error);
    assertEquals(remote?.processName, "Worker-1");
    assertMatch(remote?.stack ?? "", /remote_error_test/);
    assertEquals(remoteStackOf(new Error("of ours")), undefined);
    assertEquals(remoteStackOf("text"), undefined);
  });

  it("keep a message of a megabyte", () => {
    assertEquals((cross(new Error("x".repeat(2 ** 20))) as Error).message.length, 2 ** 20);
  });

  it("cross twice: from a child of a child", () => {
    const twice = cross(cross(Object.assign(new RangeError("far"), { code: 5 }))) as Fields;
    assertEquals(twice instanceof RangeError, true);
    assertEquals([twice.message, twice.code], ["far", 5]);
  });
});

describe("describeError()", () => {
  it("shows name, message, stack and causes, each message once", () => {
    const text = describeError(new TypeError("outer", { cause: new Error("inner") }));
    assertMatch(text, /^TypeError: outer\n/);
    assertMatch(text, /\[cause\] Error: inner/);
    assertEquals(text.match(/TypeError: outer/g)?.length, 1);
  });

  it("shows anything that was thrown, and ends for causes in a circle", () => {
    assertEquals(describeError("text"), 'Uncaught "text"');
    assertEquals(describeError(null), "Uncaught null");
    assertEquals(describeError(Symbol("s")), "Uncaught Symbol(s)");
    const circle = new Error("circle") as Error & { cause: unknown };
    circle.cause = circle;
    assertMatch(describeError(circle), /circle/);
    describeError(Object.create(null));
  });
});

describe("errors through a pool", () => {
  it("of a class of one's own keep name, message, fields and cause", () =>
    withPool(1, {}, async (pool) => {
      const error = await failureOf(pool.apply(tasks.throwCustom), TypeError) as Fields;
      assertEquals([error.name, error.message, error.code, error.tags], ["CustomError", "custom", "E_CUSTOM", [
        "a",
        1n,
      ]]);
      assertEquals(error.cause.message, "the cause");
      assertMatch(error.stack, /error_tasks\.[jt]s/);
      assert(!/pool\/scheduler/.test(error.stack), "the stack is the worker's");
    }));

  it("arrive although they do their best not to", () =>
    withPool(1, {}, async (pool) => {
      for (const kind of ["getter", "cause getter", "bad errors", "proxy", "knot"]) {
        const error = await failure(pool.apply(tasks.throwHostile, [kind]));
        assert(error instanceof Error || typeof error === "string", `${kind}: ${String(error)}`);
        assert(!String(error).startsWith("WorkerCrashedError"), `${kind}: ${String(error)}`);
      }
    }));

  it("of aborted work inside a worker stay DOMExceptions", () =>
    withPool(1, {}, async (pool) => {
      const error = await failure(pool.apply(tasks.throwAbort));
      assert(error instanceof DOMException);
      assertEquals(error.name, "AbortError");
    }));
});
