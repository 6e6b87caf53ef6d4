/** Pipes that several processes use at the same time, and ends that die: nothing is mixed up, nobody waits for ever. */
import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  BrokenPipeError,
  type Connection,
  ConnectionError,
  EndOfFileError,
  Lock,
  Pipe,
  Process,
  Queue,
} from "@manycore/multiprocessing";
import { fetchAdd, load } from "../../src/memory/atomics.ts";
import { memoryUnderWay } from "../../src/transport/courier.ts";
import { type Agent, all, counters, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { randomNumbers, SEED } from "../kit/random.ts";
import { eventually, within } from "../kit/wait.ts";
import { endAs, ignore, isPayload, payload } from "./pipe_tasks.ts";

const TASKS = besides(import.meta, "pipe_tasks");

type Got = Record<number, number[]>;

/** Every number came once, and from each sender in order at each receiver. */
function assertAll(results: readonly Got[], senders: number, count: number): void {
  for (let mark = 0; mark < senders; mark++) {
    const all: number[] = [];
    for (const got of results) {
      const numbers = got[mark] ?? [];
      for (let i = 1; i < numbers.length; i++) {
        assert((numbers[i - 1] as number) < (numbers[i] as number), "out of order");
      }
      all.push(...numbers);
    }
    assertEquals(all.sort((a, b) => a - b), Array.from({ length: count }, (_, i) => i), `sender ${mark}`);
  }
}

describe("Pipe: several processes at one end", () => {
  for (const [senders, receivers] of [[1, 1], [3, 1], [1, 3], [3, 3]] as const) {
    it(`gives each message of ${senders} senders to one of ${receivers} receivers, whole and in order`, async () => {
      const [a, b] = Pipe<unknown>({ duplex: false });
      const count = 300;
      const receiving = Array.from(
        { length: receivers },
        (_, i) => spawn<Got>(TASKS, i % 2 === 0 ? "consume" : "consumeAsync", a),
      );
      const sending = Array.from(
        { length: senders },
        (_, i) => spawn(TASKS, i % 2 === 0 ? "produce" : "produceAsync", b, i, 0, count),
      );
      a.close();
      b.close();
      await within(all(sending), "the senders");
      assertAll(await within(all(receiving), "the receivers"), senders, count);
    });
  }

  it("carries both directions at the same time", async () => {
    const [mine, theirs] = Pipe<unknown>();
    const agent = spawn<number>(TASKS, "echo", theirs);
    const blocking = spawn<number>(TASKS, "echoSync", theirs);
    theirs.close();
    const count = 200;
    const sending = (async () => {
      for (let i = 0; i < count; i++) await mine.send(payload(0, i));
    })();
    const seen: number[] = [];
    for (let i = 0; i < count; i++) {
      const message = await within(mine.recv(), "an echo") as { i: number };
      assert(isPayload(message));
      seen.push(message.i);
    }
    await sending;
    mine.close();
    assertEquals(seen.sort((a, b) => a - b), Array.from({ length: count }, (_, i) => i));
    const counts = await within(all([agent, blocking]), "the echoes");
    assertEquals((counts[0] as number) + (counts[1] as number), count);
  });

  it("blocks a sender until there is room, and a receiver until there is a message", async () => {
    const [a, b] = Pipe<unknown>();
    const words = counters();
    const sender = spawn(TASKS, "sendLong", words, b, 3_000_000);
    await until(words, 0, 1);
    assertEquals(words[1], 0);
    assertEquals((await within(a.recvBytes(), "the bytes")).length, 3_000_000);
    await within(sender.result, "the sender");
    const receiver = spawn<unknown>(TASKS, "receiveAndHold", words, 2, b);
    await until(words, 2, 1);
    a.sendSync("now");
    assertEquals(await within(receiver.result, "the receiver"), "now");
  });
});

describe("Pipe: connections that are sent", () => {
  it("go through a connection", async () => {
    const [a, b] = Pipe<unknown>();
    const [mine, theirs] = Pipe<string>();
    const agent = spawn(TASKS, "greetThrough", b);
    b.close();
    a.sendSync(theirs);
    theirs.close();
    assertEquals(await within(mine.recv(), "the greeting"), "hello from [object Connection]");
    await agent.exited;
    await assertRejects(() => within(mine.recv(), "the end"), EndOfFileError);
  });

  it("go through a queue, and are open on their way", async () => {
    const queue = new Queue<Connection<string>>();
    const [mine, theirs] = Pipe<string>();
    const passing = spawn(TASKS, "passOn", queue, theirs);
    theirs.close();
    await within(passing.exited, "who passes it on");
    assertEquals(mine.pollSync(), false);
    assertEquals(await mine.poll({ timeout: 150 }), false);
    const agent = spawn(TASKS, "greetFromQueue", queue);
    assertEquals(await within(mine.recv(), "the greeting"), "hello from the queue");
    await agent.exited;
    await assertRejects(() => within(mine.recv(), "the end"), EndOfFileError);
  });

  it("leave no memory under way", async () => {
    const before = memoryUnderWay();
    const [a, b] = Pipe<unknown>();
    const echo = spawn(TASKS, "echo", b);
    b.close();
    for (let i = 0; i < 50; i++) {
      const [mine, theirs] = Pipe<unknown>();
      const lock = new Lock();
      a.sendSync([theirs, lock]);
      theirs.close();
      const [back, same] = await within(a.recv(), "the echo") as [Connection<unknown>, Lock];
      const guard = same.acquireSync();
      assertEquals(lock.locked, true);
      guard.release();
      back.sendSync(i);
      assertEquals(mine.recvSync(), i);
      back.close();
      mine.close();
    }
    a.close();
    await within(echo.exited, "the echo");
    await eventually(() => memoryUnderWay() === before, "no memory is under way");
  });
});

describe("Pipe: the death of an end", () => {
  it("is the end of file for who waits without blocking", async () => {
    const [a, b] = Pipe<unknown>();
    const words = counters();
    const agent = spawn(TASKS, "hold", words, 0, b);
    b.close();
    await until(words, 0, 1);
    const receiving = a.recv();
    await agent.terminate();
    await assertRejects(() => within(receiving, "recv()"), EndOfFileError);
    await assertRejects(() => a.send(1), BrokenPipeError);
  });

  it("is the end of file for who is blocked", async () => {
    const [a, b] = Pipe<unknown>();
    const words = counters();
    const holder = spawn(TASKS, "hold", words, 1, b);
    const blocked = spawn<string>(TASKS, "errorOfRecv", a, words);
    a.close();
    b.close();
    await until(words, 0, 1);
    await until(words, 1, 1);
    await holder.terminate();
    assertEquals(await within(blocked.result, "recvSync()"), "EndOfFileError");
  });

  it("is a broken pipe for who waits for room", async () => {
    const [a, b] = Pipe<unknown>();
    const words = counters();
    const holder = spawn(TASKS, "hold", words, 1, b);
    const blocked = spawn<string>(TASKS, "errorOfSend", a, 100_000, words);
    a.close();
    b.close();
    await until(words, 0, 1);
    await until(words, 1, 1);
    await holder.terminate();
    assertEquals(await within(blocked.result, "sendBytesSync()"), "BrokenPipeError");
  });

  it("is noticed by the next send, though there is room", async () => {
    const [a, b] = Pipe<unknown>();
    const words = counters();
    const holder = spawn(TASKS, "hold", words, 0, b);
    b.close();
    await until(words, 0, 1);
    a.sendSync("fits");
    await holder.terminate();
    await assertRejects(() => a.send("fits, too"), BrokenPipeError);
  });

  it("ends nothing while another process holds the end", async () => {
    const [a, b] = Pipe<unknown>();
    const words = counters();
    const dying = spawn(TASKS, "hold", words, 0, b);
    const living = spawn(TASKS, "holdUntil", words, 1, b);
    b.close();
    await until(words, 0, 1);
    await until(words, 1, 1);
    await dying.terminate();
    assertEquals(await a.poll({ timeout: 150 }), false);
    Atomics.store(words, 2, 1);
    Atomics.notify(words, 2);
    await living.result;
    await assertRejects(() => within(a.recv(), "recv()"), EndOfFileError);
  });

  for (const how of ["return", "exit", "throw"] as const) {
    it(`is noticed when its process ends by ${how}`, async () => {
      const [a, b] = Pipe<unknown>();
      const p = new Process(endAs, [b, how]);
      p.start();
      b.close();
      await assertRejects(() => within(a.recv(), "recv()"), EndOfFileError);
      await p.join();
    });
  }

  it("is noticed when its process is ended before it took its arguments", async () => {
    for (let i = 0; i < 5; i++) {
      const [a, b] = Pipe<unknown>();
      const p = new Process(endAs, [b, "return"]);
      p.start();
      p.kill();
      b.close();
      await assertRejects(() => within(a.recv(), "recv()"), EndOfFileError);
      await p.join();
    }
  });

  it("is noticed when its process could not be started", async () => {
    const [a, b] = Pipe<unknown>();
    const { port1, port2 } = new MessageChannel();
    const p = new Process(ignore, [b, port1]);
    // A port has to be transferred; Bun sends it as an empty object.
    try {
      p.start();
    } catch (error) {
      assertEquals((error as Error).name, "EncodingError");
    }
    b.close();
    await assertRejects(() => within(a.recv(), "recv()"), EndOfFileError);
    port1.close();
    port2.close();
  });

  it("in the middle of sending a long message is an error for the receiver, who then goes on", async () => {
    const [a, b] = Pipe<unknown>();
    const words = counters();
    const agent = spawn(TASKS, "sendLong", words, b, 3_000_000);
    await until(words, 0, 1);
    await eventually(() => a.pollSync(), "the first piece is there");
    await agent.terminate();
    await assertRejects(() => within(a.recv(), "recv()"), ConnectionError, "cut off");
    b.sendSync("from another process");
    assertEquals(await within(a.recv(), "recv()"), "from another process");
    b.close();
    await assertRejects(() => within(a.recv(), "recv()"), EndOfFileError);
  });

  it("in the middle of sending is an error also when another process sends next", async () => {
    const [a, b] = Pipe<unknown>();
    const words = counters();
    const agent = spawn(TASKS, "sendLong", words, b, 400_000 + 512 * 1024);
    await until(words, 0, 1);
    await eventually(() => a.pollSync(), "the first piece is there");
    await agent.terminate();
    const sending = b.send("next");
    await assertRejects(() => within(a.recv(), "recv()"), ConnectionError, "cut off");
    assertEquals(await within(a.recv(), "recv()"), "next");
    await sending;
  });

  it("in the middle of receiving a long message loses that message only", async () => {
    for (let round = 0; round < 5; round++) {
      const [a, b] = Pipe<unknown>();
      const words = counters();
      const agent = spawn(TASKS, "receiveLong", words, b);
      await until(words, 0, 1);
      const controller = new AbortController();
      const sending = a.sendBytes(new Uint8Array(200_000_000), { signal: controller.signal }).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, round * 3));
      await agent.terminate();
      await eventually(() => b.pollSync(), "there is a piece of the message");
      controller.abort();
      await sending;
      const next = a.send("next");
      let got: unknown;
      try {
        got = await within(b.recv(), "recv()");
      } catch (error) {
        // It died before it took the first piece: the message is there, and was given up.
        assert(error instanceof ConnectionError && error.message.includes("cut off"), String(error));
        got = await within(b.recv(), "recv()");
      }
      assertEquals(got, "next");
      await next;
    }
  });

  it("while it waits with a connection in its message lets go of that connection", async () => {
    const [a, b] = Pipe<unknown>();
    const [mine, theirs] = Pipe<unknown>();
    const words = counters();
    const agent = spawn(TASKS, "sendConnections", words, b, theirs);
    b.close();
    theirs.close();
    await until(words, 0, 1);
    // It stands still when the pipe is full.
    let sent = -1;
    while (sent !== words[0]) {
      sent = words[0] as number;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    assert(sent > 0);
    await agent.terminate();
    let received = 0;
    for await (const message of a) {
      (message as [Connection<unknown>])[0].close();
      received++;
    }
    assertEquals(received, sent);
    await assertRejects(() => within(mine.recv(), "recv()"), EndOfFileError);
  });
});

describe("Pipe: random deaths", () => {
  it(`lose no message but those that were being taken or sent (MANYCORE_SEED=${SEED})`, async () => {
    const random = randomNumbers(SEED);
    for (let round = 0; round < 4; round++) {
      const [a, b] = Pipe<unknown>({ duplex: false });
      const count = 2500;
      const senders = [0, 1, 2].map((mark) => spawn(TASKS, "produce", b, mark, 0, count));
      // How often each message was received by those who die; with what comes here, all of them must be accounted for.
      const taken = new Int32Array(new SharedArrayBuffer(3 * count * 4));
      const victims: Agent[] = [0, 1].map(() => spawn(TASKS, "consumeCounting", a, taken, count));
      b.close();
      const got: Got = {};
      let cuts = 0;
      const receive = async (): Promise<void> => {
        for await (const message of a) {
          assert(isPayload(message), "a damaged message");
          const { mark, i } = message as { mark: number; i: number };
          (got[mark] ??= []).push(i);
        }
      };
      const receiving = (async () => {
        for (;;) {
          try {
            return await receive();
          } catch (error) {
            // A victim was in the middle of sending this one; the rest comes after it.
            assert(error instanceof ConnectionError && error.message.includes("cut off"), String(error));
            cuts++;
          }
        }
      })();
      await new Promise((resolve) => setTimeout(resolve, 40 + random() * 60));
      const doomed = [victims[0] as Agent, victims[1] as Agent, senders[0] as Agent];
      for (const agent of doomed) {
        await new Promise((resolve) => setTimeout(resolve, random() * 30));
        await agent.terminate();
      }
      await within(receiving, "the end of the messages");
      assert(cuts <= 1, `${cuts} messages were cut off by one death`);
      await within(Promise.all(senders.slice(1).map((agent) => agent.result)), "the senders that live");
      for (const [mark, numbers] of Object.entries(got)) {
        for (let i = 1; i < numbers.length; i++) {
          assert((numbers[i - 1] as number) < (numbers[i] as number), `sender ${mark}: out of order, or twice`);
        }
      }
      let lost = 0;
      for (const mark of [0, 1, 2]) {
        for (const i of got[mark] ?? []) fetchAdd(taken, mark * count + i, 1);
        const times = Array.from({ length: count }, (_, i) => load(taken, mark * count + i));
        assertEquals(times.findIndex((n) => n > 1), -1, `a message of sender ${mark} came twice`);
        // The first sender died: what it had not sent is no loss, and the one that it was sending may be gone.
        const sent = mark > 0 ? count : times.lastIndexOf(1) + 1;
        lost += times.slice(0, sent).filter((n) => n === 0).length;
      }
      // A victim takes its message with it when it dies between taking and counting it.
      assert(lost <= victims.length, `${lost} messages are lost, and only ${victims.length} receivers died`);
      a.close();
    }
  });

  it(`of those who carry connections lose no more of them than died (MANYCORE_SEED=${SEED})`, async () => {
    const random = randomNumbers(SEED + 1);
    for (let round = 0; round < 4; round++) {
      const queue = new Queue<Connection<unknown>>();
      const words = counters();
      const mine = Array.from({ length: 60 }, () => {
        const [here, there] = Pipe<unknown>();
        queue.putSync(there);
        there.close();
        return here;
      });
      const carriers = [0, 1, 2, 3].map((i) => spawn<number>(TASKS, "carry", queue, words, round * 3 + i));
      await until(words, 0, 1);
      for (const agent of carriers.slice(0, 2)) {
        await new Promise((resolve) => setTimeout(resolve, random() * 20));
        await agent.terminate();
      }
      await within(Promise.all(carriers.slice(2).map((agent) => agent.result)), "the carriers that live");
      while (!queue.empty) (await queue.get()).close();
      const ends = mine.map(async (connection) => {
        const isOver = async (): Promise<boolean> => {
          while (await connection.poll({ timeout: 1000 })) {
            try {
              assert(Number.isInteger(await connection.recv()));
            } catch (error) {
              assert(error instanceof EndOfFileError, String(error));
              return true;
            }
          }
          return false;
        };
        const over = await isOver();
        connection.close();
        return over;
      });
      const open = (await within(Promise.all(ends), "the ends")).filter((over) => !over).length;
      assert(open <= 2, `${open} ends stay open, and only 2 of their carriers died`);
    }
  });
});
