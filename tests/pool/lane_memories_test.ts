// Shared memory that goes through a lane again and again: by message until its worker knows it, by number afterwards, and the
// right one in either way.

import { describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { CancelledError, Lock, SharedArray, Value } from "@manycore/multiprocessing";
import type { Lane } from "../../src/transport/lane.ts";
import { LanePort } from "../../src/transport/lane_port.ts";
import { BY_MESSAGE, CARRIER_BITS, DESCRIBED } from "../../src/transport/lane_memory.ts";
import type { ForgetMessage, TicketMessage } from "../../src/transport/protocol.ts";
import { RingLane } from "../../src/transport/ring_lane.ts";
import * as tasks from "../fixtures/lane_tasks.ts";
import { withPool } from "../kit/pools.ts";
import { randomNumbers, SEED } from "../kit/random.ts";
import { eventually } from "../kit/wait.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Both sides of a lane in this thread. */
function bothSides() {
  const posted: { readonly kind: string }[] = [];
  const results: unknown[] = [];
  const lane: RingLane<{ readonly id: number }> = new RingLane(
    (message) => posted.push(message as { readonly kind: string }),
    {
      onResult(slot, value) {
        lane.settle(slot);
        results.push(value);
      },
      onUnreadable: (_slot, error) => results.push(error),
      onRefused: (_slot, error) => results.push(error),
    },
  );
  const port = new LanePort(lane.memory, () => {}, () => {});
  let read = 0;
  const send = (...args: unknown[]): number => {
    const slot = (lane as Lane<{ readonly id: number }>).send(
      { reference: { id: 1 }, mode: "apply", keepGoing: false },
      args,
      false,
      undefined,
    );
    lane.flush();
    return slot;
  };
  return {
    lane,
    port,
    posted,
    send,
    /** Tells the worker what was posted. */
    deliver(clone = <T>(message: T): T => message): void {
      for (; read < posted.length; read++) {
        const message = clone(posted[read]) as TicketMessage | ForgetMessage;
        if (message.kind === "ticket") port.addTicket(message.items, message.memories);
        else if (message.kind === "forget") port.forget(message.ids);
      }
    },
    /** Takes the next call in the worker: its argument, and whether it came by message. */
    take(): { value: unknown; byMessage: boolean } {
      assert(port.look() !== 0, "nothing has come");
      const { kind, slot } = port;
      assert(port.claim());
      const byMessage = (kind & CARRIER_BITS) === BY_MESSAGE;
      assertEquals(kind & DESCRIBED, 0);
      const value = byMessage ? (port.ticket().value as unknown[])[0] : port.value();
      port.send(slot, true, "result", false, undefined, 0, 1);
      port.flush();
      return { value, byMessage };
    },
  };
}

describe("memory in a lane", () => {
  it("goes by message twice, and by number when the second result is there", () => {
    const { lane, send, deliver, take } = bothSides();
    const memory = new SharedArrayBuffer(8);
    const ways: boolean[] = [];
    for (let i = 0; i < 5; i++) {
      send({ i, view: new Int32Array(memory) });
      deliver();
      const { value, byMessage } = take();
      ways.push(byMessage);
      const { view } = value as { view: Int32Array };
      assertEquals((value as { i: number }).i, i);
      assertStrictEquals(view.buffer as unknown, memory);
      lane.drain();
    }
    assertEquals(ways, [true, true, false, false, false]);
    lane.close();
  });

  it("has no number before its worker is known to have read the message with it", () => {
    const { lane, send, deliver, take } = bothSides();
    const memory = new SharedArrayBuffer(8);
    for (let i = 0; i < 4; i++) send([memory]);
    deliver();
    for (let i = 0; i < 4; i++) assert(take().byMessage, `call ${i}`);
    send([memory]);
    deliver();
    assert(take().byMessage, "no result has been seen yet");
    lane.drain();
    send([memory]);
    assert(!take().byMessage);
    lane.close();
  });

  it("is told anew when the call that told it was taken back", () => {
    const { lane, port, posted, send, deliver, take } = bothSides();
    const memory = new SharedArrayBuffer(8);
    send([memory]);
    deliver();
    take();
    lane.drain();
    assert(lane.revoke(send([memory])));
    send([memory]);
    deliver();
    assertStrictEquals((take().value as unknown[])[0], memory);
    lane.drain();
    assertEquals(posted.filter(({ kind }) => kind === "forget").length, 1);
    const before = posted.length;
    send([memory]);
    assertEquals(posted.length, before);
    assertStrictEquals((take().value as unknown[])[0], memory);
    assertEquals(port.look(), 0);
    lane.close();
  });

  it("has all its numbers soon, where a value has many, and those beyond a bound go by message for ever", () => {
    const { lane, send, deliver, take } = bothSides();
    const few = numbers(20).map(() => new SharedArrayBuffer(8));
    const many = numbers(300).map(() => new SharedArrayBuffer(8));
    for (let i = 0; i < 3; i++) {
      for (const memories of [few, many]) {
        send(memories);
        deliver();
        const { value, byMessage } = take();
        assertEquals((value as unknown[]).findIndex((one, k) => one !== memories[k]), -1);
        assertEquals(byMessage, memories === many || i < 2);
        lane.drain();
      }
    }
    lane.close();
  });

  it("is forgotten when nobody has it any more", async () => {
    const { lane, posted, send, deliver, take } = bothSides();
    const useOne = (): void => {
      const memory = new SharedArrayBuffer(8);
      for (let i = 0; i < 3; i++) {
        send([memory]);
        // The worker holds the same memory, and not the same object.
        deliver(structuredClone);
        assertEquals(take().byMessage, i < 2);
        lane.drain();
      }
    };
    useOne();
    posted.length = 0;
    let garbage: unknown[] = [];
    await eventually(() => {
      garbage = numbers(2000).map((n) => [new ArrayBuffer(4096), { n }]);
      return posted.some(({ kind }) => kind === "forget");
    }, "the worker is told");
    assertEquals(garbage.length, 2000);
    lane.close();
  });
});

describe("calls with shared objects", () => {
  it("start in their order, whichever way their memory goes", () =>
    withPool(1, {}, async (pool) => {
      const memory = new SharedArrayBuffer(8);
      const lock = new Lock();
      for (let round = 0; round < 6; round++) {
        const calls = numbers(600).map((n) => {
          const extra = [undefined, memory, lock, new SharedArrayBuffer(8)][n * 7 % 11];
          return pool.apply(tasks.note, extra === undefined ? [n] : [n, extra]);
        });
        await Promise.all(calls);
        assertEquals(await pool.apply(tasks.noted), numbers(600));
      }
    }));

  it("get their own: 400 arrays, more than a worker is told of, in random order, beside calls that are cancelled", () =>
    withPool(2, {}, async (pool) => {
      const random = randomNumbers(SEED);
      const arrays = numbers(400).map((n) => new SharedArray("int32", [n]));
      const counts = numbers(400).map(() => 0);
      for (let round = 0; round < 12; round++) {
        const picked = numbers(300).map(() => Math.floor(random() * 400));
        const calls = picked.map((n) => pool.apply(tasks.countIn, [{ array: arrays[n] as SharedArray<"int32"> }]));
        const dropped = calls.map((call, i) => i % 5 === round % 5 && call.cancel());
        const settled = await Promise.allSettled(calls);
        for (const [i, one] of settled.entries()) {
          if (one.status === "rejected") assert(dropped[i] && one.reason instanceof CancelledError, String(one.reason));
          else {
            assertEquals(one.value, picked[i]);
            (counts[picked[i] as number] as number)++;
          }
        }
      }
      // Its own number in front, and how often it was counted behind that, in the upper half of the same word.
      assertEquals(arrays.map((array) => (array.get(0) as number) >> 16), counts);
    }));

  it("reach the next worker, when the one that knew their memory has ended", () =>
    withPool(1, { retries: 3 }, async (pool) => {
      const value = new Value("int32", 0);
      for (let life = 0; life < 4; life++) {
        for (let i = 0; i < 5; i++) await pool.apply(tasks.addOneTo, [{ value }]);
        // It ends its worker once, is retried on the next one, and adds then.
        await pool.apply(tasks.exitOnce, [{ value, life }]);
      }
      assertEquals(value.value, 24);
    }));

  it("work in maps too: views of shared memory, and rows with a lock", () =>
    withPool(2, {}, async (pool) => {
      const array = new SharedArray("float64", 60_000);
      for (let i = 0; i < array.length; i++) array.view[i] = i;
      const value = new Value("int32", 0);
      for (let round = 0; round < 4; round++) {
        const doubled = await pool.map(tasks.double, array.view, { chunkSize: 10_000 });
        assertEquals(doubled.findIndex((one, i) => one !== i * 2), -1);
        await pool.starmap(tasks.addTo, numbers(40).map((n): [Value<"int32">, number] => [value, n]), { chunkSize: 1 });
        assertEquals(value.value, (round + 1) * 780);
      }
    }));
});
