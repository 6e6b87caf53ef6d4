/** SharedMemory and ShareableList: CPython's `_TestSharedMemory`, and what is ours. */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SharedMemoryError } from "../../src/errors.ts";
import { ShareableList } from "../../src/shared/shareable_list.ts";
import { SharedMemory } from "../../src/shared/shared_memory.ts";
import { pack, unpack } from "../../src/transport/handles.ts";
import { pause, spawn } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { within } from "../kit/wait.ts";

const WORKERS: string = besides(import.meta, "workers");

test("SharedMemory: made, attached by name here, closed and unlinked", async () => {
  const memory = new SharedMemory({ name: "made here", size: 10 });
  assertEquals([memory.size, memory.buf?.length, memory.name], [10, 10, "made here"]);
  const again = new SharedMemory({ name: "made here" });
  const third = await SharedMemory.attach("made here");
  (again.buf as Uint8Array)[9] = 7;
  assertEquals([memory.buf?.[9], third.buf?.[9]], [7, 7]);
  assertThrows(() => new SharedMemory({ name: "made here", size: 10 }), SharedMemoryError, "of that name");
  again.close();
  again.close();
  assertEquals(again.buf, null);
  assertThrows(() => again.buffer, TypeError, "closed");
  memory.unlink();
  assertThrows(() => memory.unlink(), SharedMemoryError, "already");
  assertEquals(memory.buf?.[9], 7);
  const error = await assertRejects(() => SharedMemory.attach("made here"), SharedMemoryError);
  assertEquals((error as SharedMemoryError).code, "ENOENT");
});

test("SharedMemory: mistakes in arguments are refused", async () => {
  assertThrows(() => new SharedMemory({ size: 0 }), RangeError);
  assertThrows(() => new SharedMemory({ size: -1 }), RangeError);
  assertThrows(() => new SharedMemory({}), TypeError, "without a name");
  assertThrows(() => new SharedMemory({ create: true }), TypeError, "size");
  assertThrows(() => new SharedMemory({ name: "nope" }), SharedMemoryError);
  assertThrows(() => new SharedMemory({ name: "", size: 1 }), RangeError);
  await assertRejects(() => SharedMemory.attach("x".repeat(100)), RangeError);
});

test("SharedMemory: a thread attaches what another has made, by name, both ways", async () => {
  const memory = new SharedMemory({ size: 100 });
  const agent = spawn<number>(WORKERS, "markByName", memory.name, 42, 9);
  assertEquals(await agent.result, 100);
  assertEquals(memory.buf?.[42], 9);
  memory.unlink();
  const maker = spawn<number>(WORKERS, "createNamed", "made there");
  let there: SharedMemory | undefined;
  while (there === undefined) {
    there = await SharedMemory.attach("made there").catch(() => undefined);
    await pause();
  }
  assertEquals(there.buf?.[0], 7);
  (there.buf as Uint8Array)[1] = 5;
  assertEquals(await maker.result, 5);
  there.unlink();
});

test("SharedMemory: passes as an object", () => {
  const memory = new SharedMemory({ size: 4 });
  const same = (unpack(pack([memory], "x").value) as [SharedMemory])[0];
  (same.buf as Uint8Array)[0] = 1;
  assertEquals([memory.buf?.[0], same.name], [1, memory.name]);
  same.unlink();
});

test("ShareableList: items of every type, replaced, counted and found", async () => {
  const list = new ShareableList(["howdy", new Uint8Array([1, 0]), -273.154, 100n, null, true, 42n], { name: "list" });
  assertEquals([...list], ["howdy", new Uint8Array([1, 0]), -273.154, 100n, null, true, 42n]);
  assertEquals(list.length, 7);
  assertEquals(list.format, "8s8sdqx?q");
  list.set(4, "hi");
  assertEquals([list.get(4), list.get(-3)], ["hi", "hi"]);
  list.set(0, null);
  assertEquals(list.get(0), null);
  list.set(0, "12345678");
  assertThrows(() => list.set(0, "123456789"), RangeError, "exceeds");
  assertThrows(() => list.set(0, 2n ** 63n), RangeError, "64 bits");
  assertThrows(() => list.set(0, {} as unknown as string), TypeError);
  assertThrows(() => list.get(7), RangeError);
  assertEquals(list.count(42n), 1);
  assertEquals(list.index(42n), 6);
  assertEquals(list.index(new Uint8Array([1, 0])), 1);
  assertThrows(() => list.index("zz"), RangeError);
  const same = await ShareableList.attach("list");
  same.set(3, 101n);
  assertEquals(list.get(3), 101n);
  const agent = spawn<string>(WORKERS, "changeList", list);
  assert((await agent.result).startsWith("hello,"));
  assertEquals([list.get(0), list.get(6)], ["hello", 43n]);
  list.shm.unlink();
});

test("SharedMemory: whose processes have all ended cannot be attached any more, and that is said", async () => {
  const maker = spawn<string>(WORKERS, "makeAndEnd", "lost");
  await maker.result;
  await maker.exited;
  const error = await within(
    assertRejects(() => SharedMemory.attach("lost"), SharedMemoryError, "lost with them"),
    "the attempt",
  );
  assert((error as Error).message.includes('"lost"'));
});

test("ShareableList: an empty one (CPython: test_shared_memory_ShareableList_basics)", () => {
  const list = new ShareableList([]);
  assertEquals([list.length, list.format, [...list]], [0, "", []]);
  assertThrows(() => list.get(0), RangeError);
  assertThrows(() => list.set(0, 1), RangeError);
  const { value } = pack(list, "x");
  assertEquals((unpack(value) as ShareableList).length, 0);
});
