/** Connections, one process after the other: the portable cases of CPython's `_TestConnection`, `_TestPoll` and more. */
import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  BrokenPipeError,
  BufferTooShortError,
  Connection,
  ConnectionClosedError,
  ConnectionError,
  DeadlockError,
  EncodingError,
  EndOfFileError,
  Event,
  Lock,
  MultiprocessingError,
  Pipe,
  Process,
  Queue,
  TimeoutError,
} from "@manycore/multiprocessing";
import { within } from "../kit/wait.ts";
import { double, doubleSync, echoBytes, makePipe, sendLater, sendSlowly } from "./pipe_tasks.ts";
import { withPool } from "../kit/pools.ts";

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

describe("Connection: values and bytes", () => {
  it("gives what was sent, in order, by any pair of forms", async () => {
    const [a, b] = Pipe<unknown>();
    const values: unknown[] = [1, 2.25, null, undefined, true, -0, NaN, 10n ** 40n, "text", "\ud800", [1, , 3], {
      x: { y: [] },
    }];
    for (const value of values) a.sendSync(value);
    for (const value of values) assertEquals(b.recvSync(), value);
    for (const value of values) await b.send(value);
    for (const value of values) assertEquals(await a.recv(), value);
    for (const value of values) a.sendSync(value);
    for (const value of values) assertEquals(await b.recv(), value);
  });

  it("keeps what structured clone keeps, and a copy is what is sent", () => {
    const [a, b] = Pipe<Record<string, unknown>>();
    const value: Record<string, unknown> = { map: new Map([[1, new Set(["a"])]]), date: new Date(5), list: [1] };
    value["self"] = value;
    a.sendSync(value);
    (value["list"] as number[]).push(2);
    const got = b.recvSync();
    assertEquals(got["list"], [1]);
    assert(got["self"] === got);
    assertEquals(got["map"], new Map([[1, new Set(["a"])]]));
  });

  it("takes a value that is sent while another one waits to be received", async () => {
    const [a, b] = Pipe<number>();
    const pending = [b.recv(), b.recv(), b.recv()];
    for (const n of [1, 2, 3]) await a.send(n);
    assertEquals((await within(Promise.all(pending), "the messages")).sort(), [1, 2, 3]);
  });

  it("sends parts of buffers, and checks offset and size", () => {
    const [a, b] = Pipe();
    const message = bytesOf("abcdefghijklmnopqrstuvwxyz");
    const send = (offset?: number, size?: number): string => {
      a.sendBytesSync(message, { offset, size });
      return textOf(b.recvBytesSync());
    };
    assertEquals(send(), "abcdefghijklmnopqrstuvwxyz");
    assertEquals(send(5), "fghijklmnopqrstuvwxyz");
    assertEquals(send(7, 8), "hijklmno");
    assertEquals(send(26), "");
    assertEquals(send(26, 0), "");
    for (const [offset, size] of [[27], [22, 5], [26, 1], [-1], [4, -1]]) {
      assertThrows(() => a.sendBytesSync(message, { offset, size }), RangeError);
    }
    assertThrows(() => a.sendBytesSync("text" as never), TypeError);
    assertThrows(() => a.sendBytesSync(message, { offset: "1" as never }), TypeError);
    assertEquals(b.pollSync(), false);
  });

  it("sends any kind of buffer", () => {
    const [a, b] = Pipe();
    const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(7);
    a.sendBytesSync(shared);
    a.sendBytesSync(shared.buffer);
    a.sendBytesSync(new Float64Array([1.5]));
    a.sendBytesSync(new DataView(shared.buffer, 2, 3));
    a.sendBytesSync(new ArrayBuffer(2));
    assertEquals([...b.recvBytesSync()], [7, 7, 7, 7, 7, 7, 7, 7]);
    assertEquals(b.recvBytesSync().length, 8);
    assertEquals(new Float64Array(b.recvBytesSync().buffer)[0], 1.5);
    assertEquals(b.recvBytesSync().length, 3);
    assertEquals([...b.recvBytesSync()], [0, 0]);
  });

  it("receives into memory that is there, from an offset on", async () => {
    const [a, b] = Pipe();
    const numbers = new Int32Array([0, 1, 2, 3]);
    const buffer = new Int32Array(10);
    a.sendBytesSync(numbers);
    assertEquals(b.recvBytesIntoSync(buffer), 16);
    assertEquals([...buffer], [0, 1, 2, 3, 0, 0, 0, 0, 0, 0]);
    buffer.fill(0);
    await a.sendBytes(numbers);
    assertEquals(await b.recvBytesInto(buffer, { offset: 12 }), 16);
    assertEquals([...buffer], [0, 0, 0, 0, 1, 2, 3, 0, 0, 0]);
    assertThrows(() => b.recvBytesIntoSync(buffer, { offset: 41 }), RangeError);
  });

  it("gives a message that does not fit to the error", () => {
    const [a, b] = Pipe();
    for (const length of [60, 100_000]) {
      const message = new Uint8Array(length).fill(9);
      const sent = a.sendBytes(message);
      const error = assertThrows(() => b.recvBytesIntoSync(new Uint8Array(40)), BufferTooShortError);
      assertEquals(error.bytes, message);
      void sent;
    }
    a.sendSync(1);
    assertEquals(b.recvSync(), 1);
  });

  it("leaves a message that is too long, or no bytes, where it is", () => {
    const [a, b] = Pipe();
    a.sendBytesSync(bytesOf("hello"));
    assertThrows(() => b.recvBytesSync({ maxLength: 3 }), ConnectionError, "bad message length");
    assertThrows(() => b.recvBytesSync({ maxLength: -1 }), RangeError, "negative maxLength");
    assertEquals(textOf(b.recvBytesSync({ maxLength: 5 })), "hello");
    a.sendSync({ a: 1 });
    assertThrows(() => b.recvBytesSync(), ConnectionError, "recv()");
    assertEquals(b.recvSync(), { a: 1 });
    a.sendBytesSync(bytesOf("raw"));
    assertEquals(b.recvSync(), bytesOf("raw"));
  });

  it("sends messages that are longer than the pipe", async () => {
    const [a, b] = Pipe<unknown>();
    const bytes = new Uint8Array(5_000_000).map((_, i) => i * 31);
    const sent = a.sendBytes(bytes);
    assertEquals(await within(b.recvBytes(), "the bytes"), bytes);
    await sent;
    const text = { text: "é".repeat(1_500_000) };
    const again = a.send(text);
    assertEquals(await within(b.recv(), "the text"), text);
    await again;
  });

  it("refuses at the call what cannot be sent, and goes on", async () => {
    const [a, b] = Pipe<unknown>();
    const error = assertThrows(() => a.sendSync({ a: [1, () => 1] }), EncodingError);
    assertEquals(error.path, "value.a[1]");
    await assertRejects(() => a.send(Symbol("s")), EncodingError);
    const [closed] = Pipe();
    closed.close();
    assertThrows(() => a.sendSync({ closed }), EncodingError, "closed");
    a.sendSync(1);
    assertEquals(b.recvSync(), 1);
    assertEquals(b.pollSync(), false);
  });

  it("may be used by a getter of what is sent on it", () => {
    const [a, b] = Pipe<unknown>();
    a.sendSync({
      get x() {
        a.sendSync("inner");
        return 1;
      },
    });
    assertEquals([b.recvSync(), b.recvSync()], ["inner", { x: 1 }]);
  });

  it("lets the event loop turn between messages that are there already", async () => {
    const [a, b] = Pipe<number>();
    let turned = false;
    setTimeout(() => turned = true, 0);
    for (let i = 0; !turned; i++) {
      await a.send(i);
      assertEquals(await b.recv(), i);
      assert(i < 10_000_000, "the timer never ran");
    }
  });
});

describe("Connection: poll", () => {
  it("says at once whether there is a message", async () => {
    const [a, b] = Pipe();
    assertEquals([b.pollSync(), await b.poll()], [false, false]);
    assertEquals([b.pollSync({ timeout: -1 }), await b.poll({ timeout: 2 }), b.pollSync({ timeout: 2 })], [
      false,
      false,
      false,
    ]);
    a.sendSync(null);
    assertEquals([b.pollSync(), await b.poll(), b.pollSync({ timeout: 1000 })], [true, true, true]);
    assertEquals(b.recvSync(), null);
    assertEquals(b.pollSync(), false);
  });

  it("counts an empty message", () => {
    const [a, b] = Pipe();
    a.sendBytesSync(new Uint8Array(0));
    assertEquals([b.pollSync(), b.pollSync()], [true, true]);
    assertEquals(b.recvBytesSync().length, 0);
    assertEquals(b.pollSync(), false);
  });

  it("keeps the boundaries of messages", async () => {
    const messages = ["hello", "", "a", "b", "", "bye", "", "lop"];
    const [a, b] = Pipe<string>();
    const p = new Process(sendSlowly, [a, messages]);
    p.start();
    a.close();
    const got: string[] = [];
    for (;;) {
      assert(await within(b.poll({ timeout: Infinity }), "poll()"));
      try {
        got.push(textOf(await b.recvBytes()));
      } catch (error) {
        assertInstanceOf(error, EndOfFileError);
        break;
      }
    }
    assertEquals(got, messages);
    await p.join();
  });

  it("does not merge messages", () => {
    const [a, b] = Pipe();
    for (const message of ["a", "b", "cd"]) a.sendBytesSync(bytesOf(message));
    for (const message of ["a", "b", "cd"]) {
      assertEquals([b.pollSync(), b.pollSync()], [true, true]);
      assertEquals(textOf(b.recvBytesSync()), message);
    }
    assertEquals(b.pollSync(), false);
  });
});

describe("Connection: ends", () => {
  it("of a one-way pipe go one way", async () => {
    const [reader, writer] = Pipe<number>({ duplex: false });
    assertEquals([reader.readable, reader.writable, writer.readable, writer.writable], [true, false, false, true]);
    await writer.send(1);
    assertEquals(reader.recvSync(), 1);
    assertThrows(() => reader.sendSync(2), ConnectionError, "read-only");
    assertThrows(() => reader.sendBytesSync(new Uint8Array(1)), ConnectionError, "read-only");
    assertThrows(() => writer.recvSync(), ConnectionError, "write-only");
    assertThrows(() => writer.recvBytesSync(), ConnectionError, "write-only");
    assertThrows(() => writer.pollSync(), ConnectionError, "write-only");
    await assertRejects(() => reader.send(2), ConnectionError, "read-only");
    await assertRejects(() => writer.recv(), ConnectionError, "write-only");
    await assertRejects(() => writer.poll(), ConnectionError, "write-only");
  });

  it("give what is left, and then the end of file", async () => {
    const [a, b] = Pipe<unknown>();
    a.sendSync(1);
    a.sendSync(2);
    a.close();
    assertEquals([b.pollSync(), b.recvSync(), await b.recv()], [true, 1, 2]);
    assertEquals([b.pollSync(), await b.poll()], [true, true]);
    assertThrows(() => b.recvSync(), EndOfFileError);
    assertThrows(() => b.recvBytesSync(), EndOfFileError);
    await assertRejects(() => b.recv(), EndOfFileError);
    assertThrows(() => b.sendSync(1), BrokenPipeError);
    await assertRejects(() => b.send([1]), BrokenPipeError);
  });

  it("wake who waits for them when they are closed", async () => {
    const [a, b] = Pipe<number>();
    const [receiving, polling] = [b.recv(), b.poll({ timeout: Infinity })];
    await new Promise((resolve) => setTimeout(resolve, 5));
    a.close();
    await assertRejects(() => within(receiving, "recv()"), EndOfFileError);
    assertEquals(await within(polling, "poll()"), true);
  });

  it("wake a sender that waits for room when nobody can receive any more", async () => {
    const [a, b] = Pipe();
    const sending = a.sendBytes(new Uint8Array(3_000_000));
    await new Promise((resolve) => setTimeout(resolve, 5));
    b.close();
    await assertRejects(() => within(sending, "sendBytes()"), BrokenPipeError);
  });

  it("end a wait for them in the process that closes them", async () => {
    const [a, b] = Pipe<number>();
    const receiving = b.recv();
    await new Promise((resolve) => setTimeout(resolve, 5));
    b.close();
    await assertRejects(() => within(receiving, "recv()"), ConnectionClosedError);
    a.close();
  });

  it("cannot be used once closed, and can be closed again", async () => {
    const [a, b] = Pipe<number>();
    assertEquals(a.closed, false);
    a.close();
    a.close();
    assertEquals(a.closed, true);
    for (const use of [() => a.sendSync(1), () => a.recvSync(), () => a.pollSync(), () => a.recvBytesSync()]) {
      assertThrows(use, ConnectionClosedError, "closed");
    }
    await assertRejects(() => a.send(1), ConnectionClosedError);
    await assertRejects(() => a.recv(), ConnectionClosedError);
    assertEquals(b.closed, false);
  });

  it("are closed by using", () => {
    const [a, b] = Pipe<number>();
    a[Symbol.dispose]();
    assertEquals(a.closed, true);
    assertThrows(() => b.recvSync(), EndOfFileError);
  });

  it("stay open while there is another copy of them, here or on its way", () => {
    const [a, b] = Pipe<unknown>();
    const [c, d] = Pipe<unknown>();
    c.sendSync(a);
    a.close();
    assertEquals(b.pollSync(), false);
    const copy = d.recvSync() as Connection<unknown>;
    assertEquals(b.pollSync(), false);
    c.sendSync(copy);
    const second = d.recvSync() as Connection<unknown>;
    copy.close();
    second.sendSync("still here");
    assertEquals(b.recvSync(), "still here");
    second.close();
    assertThrows(() => b.recvSync(), EndOfFileError);
  });

  it("that are in a message which nobody will read are let go of", async () => {
    const [a, b] = Pipe<unknown>();
    const [c, d] = Pipe<unknown>();
    c.sendSync([a, "x".repeat(100_000), new Lock()]);
    a.close();
    assertEquals(b.pollSync(), false);
    d.close();
    assertEquals(await within(b.poll({ timeout: Infinity }), "poll()"), true);
    assertThrows(() => b.recvSync(), EndOfFileError);
    assertThrows(() => c.sendSync(1), BrokenPipeError);
  });

  it("that were not sent are let go of", () => {
    const [a, b] = Pipe<unknown>();
    const [c] = Pipe<unknown>();
    assertThrows(() => c.sendSync([a, () => 1]), EncodingError);
    a.close();
    assertThrows(() => b.recvSync(), EndOfFileError);
  });

  it("say what they are", () => {
    const [reader, writer] = Pipe({ duplex: false });
    assert(/^<Connection #\d+, receives only>$/.test(String(reader)), String(reader));
    writer.close();
    assert(/^<Connection #\d+, sends only, closed>$/.test(String(writer)), String(writer));
    assertEquals(Object.prototype.toString.call(reader), "[object Connection]");
  });
});

describe("Connection: waiting", () => {
  it("ends with a TimeoutError, and loses nothing", async () => {
    const [a, b] = Pipe<number>();
    assertThrows(() => b.recvSync({ timeout: 1 }), TimeoutError);
    await assertRejects(() => b.recv({ timeout: 1 }), TimeoutError);
    assertThrows(() => a.sendBytesSync(new Uint8Array(2_000_000), { timeout: 1 }), TimeoutError, "cut off");
    assertThrows(() => b.recvBytesSync(), ConnectionError, "cut off");
    a.sendSync(5);
    assertEquals(b.recvSync(), 5);
  });

  it("goes on with a message whose receiver ran out of time in the middle of it", async () => {
    const [a, b] = Pipe();
    const bytes = new Uint8Array(2_000_000).fill(3);
    const sending = a.sendBytes(bytes);
    assertThrows(() => b.recvBytesSync({ timeout: 1 }), TimeoutError);
    assertEquals(b.pollSync(), true);
    assertEquals(await within(b.recvBytes(), "the rest"), bytes);
    await sending;
  });

  it("reports a long message that its sender gave up, and takes the next one", async () => {
    const [a, b] = Pipe();
    const controller = new AbortController();
    const sending = a.sendBytes(new Uint8Array(2_000_000), { signal: controller.signal });
    const receiving = b.recv({ timeout: 5000 });
    controller.abort(new Error("enough"));
    await assertRejects(() => within(sending, "sendBytes()"), Error, "enough");
    const next = a.send("next");
    await assertRejects(() => within(receiving, "recv()"), ConnectionError, "cut off");
    await next;
    assertEquals(b.recvSync(), "next");
  });

  it("is aborted by a signal", async () => {
    const [, b] = Pipe();
    const controller = new AbortController();
    const receiving = b.recv({ signal: controller.signal });
    controller.abort(new Error("enough"));
    await assertRejects(() => within(receiving, "recv()"), Error, "enough");
    assertThrows(() => b.recvSync({ signal: controller.signal }), Error, "enough");
    await assertRejects(() => b.poll({ signal: controller.signal }), Error, "enough");
  });

  it("reports a thread that waits for itself", () => {
    const [a, b] = Pipe();
    assertThrows(() => b.recvSync(), DeadlockError, "nobody but this process");
    assertThrows(() => a.sendBytesSync(new Uint8Array(2_000_000)), DeadlockError, "nobody but this process");
  });

  it("reports a blocking call that has to wait for one that does not block, and for itself", async () => {
    const [a, b] = Pipe<unknown>();
    const sending = a.sendBytes(new Uint8Array(2_000_000));
    assertThrows(() => a.sendSync(1), DeadlockError, "nobody but this process");
    assertEquals((await b.recvBytes()).length, 2_000_000);
    await sending;
    a.sendSync(1);
    assertEquals(b.recvSync(), 1);
  });

  it("refuses options that are none", async () => {
    const [a, b] = Pipe<number>();
    assertThrows(() => b.recvSync({ timeout: "1" as never }), TypeError);
    await assertRejects(() => b.recv({ timeout: NaN }), RangeError);
    await assertRejects(() => a.send(1, { timeout: "1" as never }), TypeError);
    assertThrows(() => Pipe(5 as never), TypeError);
    assertThrows(() => Pipe({ duplex: 1 as never }), TypeError);
    assertThrows(() => new Connection({}), TypeError, "Pipe()");
    assertEquals(b.pollSync(), false);
  });
});

describe("Connection: between processes", () => {
  it("echoes values and bytes, also 16 MB", async () => {
    const [mine, theirs] = Pipe();
    const p = new Process(echoBytes, [theirs]);
    p.start();
    theirs.close();
    const big = new Uint8Array(16 * 1024 * 1024).fill(88);
    for (const message of [bytesOf("hello world"), new Uint8Array(0), big]) {
      const sending = mine.sendBytes(message);
      const got = await within(mine.recvBytes(), "the echo");
      await sending;
      assertEquals(got.length, message.length);
      assert(got.every((byte, i) => byte === message[i]));
    }
    await mine.sendBytes(bytesOf("stop"));
    await within(p.join(), "the process");
    await assertRejects(() => within(mine.recv(), "recv()"), EndOfFileError);
  });

  it("works with every pair of forms", async () => {
    for (const target of [double, doubleSync]) {
      const [mine, theirs] = Pipe<number>();
      const p = new Process(target, [theirs]);
      p.start();
      theirs.close();
      mine.sendSync(1);
      assertEquals(mine.recvSync(), 2);
      await mine.send(3);
      assertEquals(await within(mine.recv(), "the answer"), 6);
      mine.close();
      await within(p.join(), "the process");
      assertEquals(p.exitCode, 0);
    }
  });

  it("survives that the parent closes its copy at once", async () => {
    for (let i = 0; i < 5; i++) {
      const [mine, theirs] = Pipe<number>();
      const p = new Process(sendLater, [theirs, [1, 2, 3]]);
      p.start();
      theirs.close();
      const got: number[] = [];
      for await (const n of mine) got.push(n);
      assertEquals(got, [1, 2, 3]);
      await p.join();
    }
  });

  it("comes with shared objects, and they work", async () => {
    const [mine, theirs] = Pipe<unknown>();
    const [event, lock, queue] = [new Event(), new Lock(), new Queue<number>()];
    mine.sendSync({ event, lock, queue });
    const copy = theirs.recvSync() as { event: Event; lock: Lock; queue: Queue<number> };
    copy.event.set();
    copy.queue.putSync(7);
    assertEquals([event.isSet, await queue.get()], [true, 7]);
    const guard = copy.lock.acquireSync();
    assertEquals(lock.locked, true);
    guard.release();
  });

  it("is passed to tasks, and comes back from them", async () => {
    await withPool(1, {}, async (pool) => {
      const made = await pool.apply(makePipe);
      assertEquals(made.recvSync(), "from the worker");
      await assertRejects(() => within(made.recv(), "recv()"), EndOfFileError);
      const [mine, theirs] = Pipe<number>();
      const running = pool.apply(doubleSync, [theirs]);
      theirs.close();
      await mine.send(21);
      assertEquals(await within(mine.recv(), "the answer"), 42);
      mine.close();
      await within(running, "the task");
    });
  });

  it("may be closed here as soon as it was passed to a task, also one that has to wait for its turn", async () => {
    await withPool(1, {}, async (pool) => {
      const pipes = [0, 1, 2, 3].map(() => Pipe<number>());
      const running = pipes.map(([, theirs]) => pool.apply(doubleSync, [theirs]));
      for (const [, theirs] of pipes) theirs.close();
      for (const [i, [mine]] of pipes.entries()) {
        await mine.send(i);
        assertEquals(await within(mine.recv(), "the answer"), 2 * i);
        mine.close();
        await within(running[i] as Promise<void>, "the task");
      }
      const rows = [0, 1, 2].map(() => Pipe<number>());
      const mapped = pool.map(doubleSync, rows.map(([, theirs]) => theirs));
      for (const [, theirs] of rows) theirs.close();
      for (const [mine] of rows) {
        await mine.send(4);
        assertEquals(await within(mine.recv(), "the answer"), 8);
        mine.close();
      }
      await within(mapped, "the tasks");
    });
  });

  it("is let go of when the task that it was passed to will never run", async () => {
    const pipes = [0, 1, 2].map(() => Pipe<number>());
    await withPool(1, {}, async (pool) => {
      const running = pipes.map(([, theirs]) => pool.apply(doubleSync, [theirs]));
      for (const [, theirs] of pipes) theirs.close();
      assertEquals(await within(pipes[0]?.[0].send(1).then(() => pipes[0]?.[0].recv()) as Promise<number>, "it"), 2);
      for (const task of running.slice(1)) task.cancel();
      pool.terminate();
      await Promise.allSettled(running);
    });
    for (const [mine] of pipes) await assertRejects(() => within(mine.recv(), "recv()"), EndOfFileError);
  });

  it("is refused by a process that shares no memory", () => {
    const [a] = Pipe<number>();
    const p = new Process(doubleSync, [a], { type: "process" });
    assertThrows(() => p.start(), EncodingError, "shared");
  });

  it("errors are of the tree", () => {
    for (const type of [EndOfFileError, BrokenPipeError, ConnectionClosedError]) {
      const error = new type("x");
      assertInstanceOf(error, ConnectionError);
      assertInstanceOf(error, MultiprocessingError);
      assertEquals(error.name, type.name);
    }
    assertInstanceOf(new BufferTooShortError("x"), MultiprocessingError);
  });
});
