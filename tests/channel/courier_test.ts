/** The courier: memory reaches whoever reads a number for it, whatever the other threads do meanwhile. */
import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { Event } from "../../src/sync/event.ts";
import { courier, fetchMemory, memoryUnderWay } from "../../src/transport/courier.ts";
import { all, counters, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { eventually, within } from "../kit/wait.ts";
import { awaitNumber, give, markOf, memory, publish, read, readSync } from "./courier_agents.ts";

const AGENTS = besides(import.meta, "courier_agents");

/** Everything that was exported has been taken. */
async function settled(): Promise<void> {
  await eventually(() => memoryUnderWay() === 0, `no memory is under way, but ${memoryUnderWay()} are`);
}

describe("the courier", () => {
  it("brings memory from one worker to another while the main thread awaits", async () => {
    const words = counters();
    const taker = spawn<number>(AGENTS, "takeSync", words, 0);
    const giver = spawn(AGENTS, "give", words, 0, 42);
    assertEquals(await within(taker.result, "the memory"), 42);
    await giver.result;
    await settled();
  });

  it("brings it while the main thread is blocked in a wait of this library", async () => {
    const words = counters();
    const done = new Event();
    const taker = spawn<number>(AGENTS, "takeAndSet", words, 0, done);
    const giver = spawn(AGENTS, "give", words, 0, 43);
    assertEquals(done.waitSync({ timeout: 30_000 }), true);
    assertEquals(await taker.result, 43);
    await giver.result;
    await settled();
  });

  it("brings it without blocking the reader", async () => {
    const words = counters();
    const agents = [spawn<number>(AGENTS, "take", words, 0), spawn<number>(AGENTS, "give", words, 0, 44)];
    assertEquals((await within(all(agents), "both"))[0], 44);
    await settled();
  });

  it("brings it to and from workers of workers", async () => {
    const words = counters();
    const agents = [spawn<number>(AGENTS, "nestedTake", words, 0), spawn<number>(AGENTS, "nestedGive", words, 0, 45)];
    assertEquals((await within(all(agents), "both"))[0], 45);
    await settled();
  });

  it("brings it after its sender has been ended by force", async () => {
    for (let round = 0; round < 5; round++) {
      const words = counters();
      const giver = spawn(AGENTS, "giveAndHang", words, 0, 46);
      await until(words, 0, 1);
      await giver.terminate();
      assertEquals(await within(spawn<number>(AGENTS, "takeSync", words, 0).result, "the memory"), 46);
    }
    await settled();
  });

  it("brings it to the main thread, blocked or not", async () => {
    const words = counters();
    const givers = [spawn(AGENTS, "give", words, 0, 47), spawn(AGENTS, "give", words, 1, 48)];
    assertEquals(readSync(awaitNumber(words, 0)), 47);
    await until(words, 1, 1);
    assertEquals(await read(words[1] as number), 48);
    await all(givers);
    await settled();
  });

  it("brings it from the main thread", async () => {
    const words = counters();
    const takers = [spawn<number>(AGENTS, "takeSync", words, 0), spawn<number>(AGENTS, "take", words, 1)];
    give(words, 0, 49);
    give(words, 1, 50);
    assertEquals(await within(all(takers), "both"), [49, 50]);
    await settled();
  });

  it("finds memory in the thread that sent it", async () => {
    const words = counters();
    give(words, 0, 51);
    assertEquals(readSync(words[0] as number), 51);
    await settled();
  });

  it("keeps WebAssembly memory growing for all", async () => {
    const words = counters();
    const made = wasmMemory();
    new Int32Array(made.buffer)[0] = 52;
    const taker = spawn<number>(AGENTS, "takeSync", words, 0);
    publish(words, 0, courier.export(made as never));
    assertEquals(await within(taker.result, "the memory"), 52);
    await settled();
    assertEquals(markOf(made), 52);
  });

  it("keeps nothing of memory that is sent again and again", async () => {
    const words = counters();
    const agents = [
      spawn<number>(AGENTS, "takeMany", words, 0, 3000),
      spawn<number>(AGENTS, "giveMany", words, 0, 3000),
    ];
    let most = 0;
    let ended = false;
    const results = all(agents).then((values) => {
      ended = true;
      return values;
    });
    while (!ended) {
      most = Math.max(most, memoryUnderWay());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals((await within(results, "both"))[0], 21_000);
    assertEquals(most <= 1, true, `${most} entries for one piece of memory`);
    await settled();
  });

  it("keeps nothing of what was never sent", async () => {
    await within(spawn(AGENTS, "exportInVain", 100).exited, "the agent");
    await settled();
  });

  it("says so when the memory is gone", async () => {
    await assertRejects(() => fetchMemory(0x7fffffff), Error, "not there any more");
    const words = counters();
    publish(words, 0, 0x7ffffff0);
    const taker = spawn<number>(AGENTS, "takeSync", words, 0);
    await assertRejects(() => within(taker.result, "the refusal"), Error, "its sender has ended");
  });

  it("gives memory one number", () => {
    const made = memory(1);
    const first = courier.export(made);
    assertEquals(courier.export(made), first);
    readSync(first);
    readSync(first);
    assertEquals(memoryUnderWay(), 0);
  });
});

function wasmMemory(): { readonly buffer: SharedArrayBuffer } {
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: {
      Memory: new (
        options: { initial: number; maximum: number; shared: boolean },
      ) => { readonly buffer: SharedArrayBuffer };
    };
  };
  return new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
}
