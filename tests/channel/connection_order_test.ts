/** What calls that nobody awaits do: they keep their order, copy at the call, and end when the connection is closed. */
import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  BufferTooShortError,
  type Connection,
  ConnectionClosedError,
  ConnectionError,
  EndOfFileError,
  Event,
  Pipe,
  Process,
  Queue,
  TimeoutError,
} from "@manycore/multiprocessing";
import { eventually, within } from "../kit/wait.ts";
import { beginAndStay, firstOutOfOrder } from "./pipe_tasks.ts";

/** Holds the thread for longer than the event loop may go without a turn. */
function holdBreath(): void {
  for (const end = performance.now() + 12; performance.now() < end;);
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Longer than the pipe: its sender waits in the middle of it. */
const LONG = 900_000;

describe("Connection: calls that nobody awaits", () => {
  it("send() keeps their order, also when the event loop is to turn", async () => {
    const [a, b] = Pipe<number>();
    holdBreath();
    const sending = numbers(300).map((i) => a.send(i));
    const got = numbers(300).map(() => b.recvSync());
    assertEquals(got, numbers(300));
    await Promise.all(sending);
  });

  it("send() copies at the call", () => {
    const [a, b] = Pipe<{ v: number }>();
    const value = { v: 0 };
    holdBreath();
    for (value.v = 0; value.v < 200; value.v++) void a.send(value);
    assertEquals(numbers(200).map(() => b.recvSync().v), numbers(200));
  });

  it("send(), then close(): what there is room for has been sent", () => {
    for (let round = 0; round < 70; round++) {
      const [a, b] = Pipe<string>();
      if (round === 0) holdBreath();
      void a.send("last words");
      a.close();
      assertEquals(b.recvSync(), "last words");
      assertThrows(() => b.recvSync(), EndOfFileError);
    }
  });

  it("recv() gets them in order, also when the event loop is to turn", async () => {
    const [a, b] = Pipe<number>();
    for (const i of numbers(200)) a.sendSync(i);
    holdBreath();
    assertEquals(await Promise.all(numbers(200).map(() => b.recv())), numbers(200));
    const receiving = numbers(5).map(() => b.recv());
    for (const i of numbers(5)) a.sendSync(i);
    assertEquals(await within(Promise.all(receiving), "the messages"), numbers(5));
  });

  it("Queue.get() gets items in order, also when the event loop is to turn", async () => {
    const queue = new Queue<number>();
    for (const i of numbers(200)) queue.putSync(i);
    holdBreath();
    assertEquals(await Promise.all(numbers(200).map(() => queue.get())), numbers(200));
    for (const i of numbers(200)) queue.putSync(i);
    holdBreath();
    const items = queue[Symbol.asyncIterator]();
    const results = await Promise.all(numbers(200).map(() => items.next()));
    assertEquals(results.map(({ value }) => value), numbers(200));
  });

  for (const size of [20_000, 100_000]) {
    it(`send() of ${size} characters keeps their order while there is no room`, async () => {
      const [a, b] = Pipe<unknown>();
      const count = 300;
      const process = new Process(firstOutOfOrder, [b, count]);
      process.start();
      b.close();
      const fill = "x".repeat(size);
      const sending: Promise<void>[] = [];
      for (let i = 0; i < count;) {
        for (let k = 0; k < 5 && i < count; k++, i++) sending.push(a.send({ i, fill }));
        if (i % 50 === 0) a.sendSync({ i: i++, fill });
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      assertEquals(await within(a.recv(), "the verdict"), -1);
      await Promise.all(sending);
      await process.join();
    });
  }

  it("sendSync() comes after them, and goes on with what they have begun", async () => {
    const [a, b] = Pipe<unknown>();
    const process = new Process(firstOutOfOrder, [b, 4]);
    const fill = new Uint8Array(LONG);
    const sending = [0, 1, 2].map((i) => a.send({ i, fill }));
    process.start();
    b.close();
    a.sendSync({ i: 3 });
    assertEquals(await within(a.recv(), "the verdict"), -1);
    await Promise.all(sending);
    await process.join();
  });

  it("close() rejects what waits, and cuts off what was begun: nothing comes after the end of file", async () => {
    const [a, b] = Pipe<unknown>();
    const sending = [a.send({ big: new Uint8Array(LONG) }), a.sendBytes(new Uint8Array(10)), a.send("small")];
    const settled = Promise.allSettled(sending);
    a.close();
    for (const { status, reason } of await within(settled, "the sends") as PromiseRejectedResult[]) {
      assertEquals([status, (reason as Error)?.name], ["rejected", "ConnectionClosedError"]);
    }
    await assertRejects(() => within(b.recv(), "recv()"), ConnectionError, "cut off");
    for (let i = 0; i < 3; i++) await assertRejects(() => within(b.recv(), "recv()"), EndOfFileError);
  });

  it("close() rejects every recv()", async () => {
    const [, b] = Pipe<unknown>();
    const receiving = [b.recv(), b.recvBytes(), b.recvBytesInto(new Uint8Array(1))];
    b.close();
    for (const one of receiving) await assertRejects(() => within(one, "it"), ConnectionClosedError);
  });

  it("a send that is taken out of the line leaves the others in it", async () => {
    const [a, b] = Pipe<unknown>();
    const controller = new AbortController();
    const first = a.sendBytes(new Uint8Array(LONG));
    const second = a.send("aborted", { signal: controller.signal });
    const third = a.send("third");
    const late = a.send("late", { timeout: 1 });
    controller.abort(new Error("enough"));
    await assertRejects(() => second, Error, "enough");
    await assertRejects(() => within(late, "the late one"), TimeoutError, "nothing of the message");
    assertEquals((await b.recvBytes()).length, LONG);
    assertEquals(await within(b.recv(), "the third"), "third");
    await Promise.all([first, third]);
    assertEquals(b.pollSync(), false);
  });
});

describe("Connection: a long message whose receiver has gone", () => {
  it("is for the next recv() in the line", async () => {
    const [a, b] = Pipe();
    const controller = new AbortController();
    const sending = a.sendBytes(new Uint8Array(LONG).fill(3));
    const first = b.recv({ signal: controller.signal });
    const second = b.recv();
    controller.abort(new Error("enough"));
    await assertRejects(() => first, Error, "enough");
    assertEquals((await within(second, "the second") as Uint8Array).length, LONG);
    await sending;
  });

  it("is for the next recv(), also when all of it has come meanwhile", async () => {
    const [a, b] = Pipe<unknown>();
    const sending = a.send({ big: new Uint8Array(LONG) });
    await assertRejects(() => b.recv({ timeout: 0 }), TimeoutError);
    await within(sending, "send(): the rest is taken, though nobody asks for it");
    assertEquals(b.pollSync(), true);
    await assertRejects(() => b.recvBytes(), ConnectionError, "is a value");
    await assertRejects(() => b.recvBytesInto(new Uint8Array(10)), ConnectionError, "is a value");
    assertEquals((b.recvSync() as { big: Uint8Array }).big.length, LONG);
    assertEquals(b.pollSync(), false);
  });

  it("lets other processes at that end go on", async () => {
    const [a, b] = Pipe<unknown>();
    const begun = new Event();
    const sending = a.send(new Uint8Array(LONG));
    const process = new Process(beginAndStay, [b, begun]);
    process.start();
    // This thread sends nothing until the other one has given up in the middle of the message.
    assertEquals(begun.waitSync({ timeout: 20_000 }), true);
    await within(sending, "the first");
    await a.send("two");
    assertEquals(await within(b.recv(), "the second"), "two");
    process.terminate();
    await process.join();
  });

  it("is checked again: a value is no bytes, and maxLength counts", async () => {
    for (const meanwhile of [false, true]) {
      const [a, b] = Pipe<unknown>();
      const sending = a.sendBytes(new Uint8Array(LONG).fill(3));
      await assertRejects(() => b.recvBytes({ timeout: 0 }), TimeoutError);
      if (meanwhile) await within(sending, "the message");
      await assertRejects(() => b.recvBytes({ maxLength: 10 }), ConnectionError, "bad message length");
      assertThrows(() => b.recvBytesSync({ maxLength: 10 }), ConnectionError, "bad message length");
      const error = await assertRejects(() => within(b.recvBytesInto(new Uint8Array(10)), "it"), BufferTooShortError);
      assertEquals(error.bytes, new Uint8Array(LONG).fill(3));
      await sending;
    }
    const [a, b] = Pipe<unknown>();
    const sending = a.send({ big: new Uint8Array(LONG) });
    await assertRejects(() => b.recv({ timeout: 0 }), TimeoutError);
    assertThrows(() => b.recvBytesSync(), ConnectionError, "is a value");
    assertEquals((await within(b.recv(), "the value") as { big: Uint8Array }).big.length, LONG);
    await sending;
  });

  it("is not in the memory of a call that has ended", async () => {
    const [a, b] = Pipe<unknown>();
    const buffer = new Uint8Array(LONG + 10);
    const sending = a.sendBytes(new Uint8Array(LONG).fill(3));
    await assertRejects(() => b.recvBytesInto(buffer, { timeout: 0 }), TimeoutError);
    buffer.fill(9);
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
    const bytes = await within(b.recvBytes(), "the bytes");
    assert(bytes.buffer !== buffer.buffer);
    assertEquals(bytes, new Uint8Array(LONG).fill(3));
    await sending;
  });

  it("is lost with the memory that it was to go into, and with nothing else", async () => {
    const [a, b] = Pipe<unknown>();
    const buffer = new Uint8Array(LONG);
    const sending = a.sendBytes(new Uint8Array(LONG));
    const receiving = b.recvBytesInto(buffer);
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
    await assertRejects(() => within(receiving, "it"), TypeError, "transferred");
    const next = a.send("next");
    assertEquals(await within(b.recv(), "the next"), "next");
    await Promise.all([sending, next]);
  });

  it("that was cut off meanwhile is an error for the next recv()", async () => {
    const [a, b] = Pipe<unknown>();
    const controller = new AbortController();
    const sending = a.sendBytes(new Uint8Array(3 * LONG), { signal: controller.signal });
    assertThrows(() => b.recvSync({ timeout: 1 }), TimeoutError);
    controller.abort(new Error("enough"));
    await assertRejects(() => sending, Error, "enough");
    await a.send("next");
    await assertRejects(() => within(b.recv(), "recv()"), ConnectionError, "cut off");
    assertEquals(await within(b.recv(), "the next"), "next");
  });

  it("recvSync() leaves it to the recv() that has begun it", async () => {
    const [a, b] = Pipe<unknown>();
    const begun = new Event();
    const [mine, theirs] = Pipe<unknown>();
    const process = new Process(firstOutOfOrder, [theirs, 0, a, begun]);
    process.start();
    theirs.close();
    a.close();
    await begun.wait();
    await eventually(() => b.pollSync(), "the message has begun");
    const first = b.recv();
    const second = b.recvSync();
    assertEquals([second, (await within(first, "the first") as Uint8Array).length], ["second", LONG]);
    mine.close();
    await process.join();
  });

  it("is let go of when the connection is closed, with what is in it", async () => {
    const [c, d] = Pipe<unknown>();
    const [a, b] = Pipe<unknown>();
    const sending = a.send([c, new Uint8Array(LONG)]);
    c.close();
    await assertRejects(() => b.recv({ timeout: 0 }), TimeoutError);
    await within(sending, "the message");
    b.close();
    await assertRejects(() => within(d.recv(), "recv()"), EndOfFileError);
    await assertRejects(() => (a as Connection<unknown>).send(1), ConnectionError);
  });
});
