/** Values with shared objects in them, made ready for structured clone and back: of any depth, with keys of any name. */
import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Connection, EncodingError, Lock, Pipe } from "@manycore/multiprocessing";
import { dropPacked, pack, unpack } from "../../src/transport/handles.ts";

interface Chain {
  d: Chain | Lock;
}

test("a lock below 100,000 levels arrives", () => {
  let top: unknown = new Lock();
  for (let i = 0; i < 100_000; i++) top = i % 3 === 0 ? [top] : i % 3 === 1 ? new Map([[1, top]]) : { d: top };
  let bottom = unpack(pack(top, "value").value);
  let depth = 0;
  for (; !(bottom instanceof Lock); depth++) {
    bottom = bottom instanceof Map ? bottom.get(1) : Array.isArray(bottom) ? bottom[0] : (bottom as Chain).d;
  }
  assertEquals(depth, 100_000);
});

test("an own property of the name __proto__ stays one, beside a lock and with one in it", () => {
  for (const inner of [{ polluted: 1 }, new Lock()]) {
    const value = { lock: new Lock(), data: {} as Record<string, unknown> };
    Object.defineProperty(value.data, "__proto__", {
      value: inner,
      writable: true,
      enumerable: true,
      configurable: true,
    });
    const packed = pack(value, "value");
    assert(packed.handles);
    const { lock, data } = unpack(structuredClone(packed.value)) as typeof value;
    assert(lock instanceof Lock);
    assertEquals([Object.keys(data), Object.getPrototypeOf(data) === Object.prototype], [["__proto__"], true]);
    const own = Object.getOwnPropertyDescriptor(data, "__proto__")?.value;
    assert(inner instanceof Lock ? own instanceof Lock : own.polluted === 1);
    assertEquals("polluted" in data, false);
  }
});

test("cycles, shared references, holes and the order of entries are kept", () => {
  const lock = new Lock();
  const list: unknown[] = [1, , lock];
  const value: Record<string, unknown> = {
    list,
    again: list,
    lock,
    map: new Map<unknown, unknown>([[lock, 1], ["b", lock]]),
  };
  value["self"] = value;
  value["set"] = new Set([3, lock, value]);
  const got = unpack(structuredClone(pack(value, "value").value)) as typeof value;
  const copy = got["list"] as unknown[];
  assert(got["self"] === got && got["again"] === copy && copy[2] === got["lock"] && got["lock"] instanceof Lock);
  assertEquals([copy.length, 1 in copy], [3, false]);
  assertEquals([...(got["map"] as Map<unknown, unknown>)], [[got["lock"], 1], ["b", got["lock"]]]);
  assertEquals([...(got["set"] as Set<unknown>)].map((item) => item === got), [false, false, true]);
});

test("what was packed and is dropped is let go of, also in a long array; what cannot be packed is given back", () => {
  const [a, b] = Pipe();
  const packed = pack([...Array(300_000).keys(), a], "value");
  a.close();
  assertEquals(b.pollSync(), false);
  dropPacked(packed);
  assertEquals(b.pollSync(), true);
  const [c, d] = Pipe();
  const [closed] = Pipe();
  closed.close();
  assertThrows(() => pack([c, closed], "value"), EncodingError);
  c.close();
  assertEquals(d.pollSync(), true);
  assert(closed instanceof Connection);
});
