/** `wait()`: the portable cases of CPython's `TestWait`, queues, and what is special here. */
import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Connection,
  JoinableQueue,
  Pipe,
  Process,
  Queue,
  SimpleQueue,
  wait,
  waitSync,
} from "@manycore/multiprocessing";
import { counters, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { within } from "../kit/wait.ts";
import { doubleSync, nothing, sendLater } from "./pipe_tasks.ts";

const TASKS = besides(import.meta, "pipe_tasks");

describe("wait", () => {
  it("gives the connections that have messages, until all have ended", async () => {
    const processes: Process<never>[] = [];
    const readers: Connection<number>[] = [];
    for (let i = 0; i < 4; i++) {
      const [reader, writer] = Pipe<number>({ duplex: false });
      const p = new Process(sendLater, [writer, Array.from({ length: 10 }, (_, j) => i * 100 + j)]);
      p.start();
      writer.close();
      processes.push(p as unknown as Process<never>);
      readers.push(reader);
    }
    const got: number[] = [];
    const left = new Set(readers);
    while (left.size > 0) {
      const ready = await within(wait(left), "wait()");
      assert(ready.length > 0);
      for (const reader of ready) {
        try {
          got.push(await reader.recv());
        } catch (error) {
          assertEquals((error as Error).name, "EndOfFileError");
          left.delete(reader);
        }
      }
    }
    assertEquals(got.length, 40);
    for (let i = 0; i < 4; i++) {
      assertEquals(got.filter((n) => Math.floor(n / 100) === i), Array.from({ length: 10 }, (_, j) => i * 100 + j));
    }
    for (const p of processes) await p.join();
  });

  it("gives nothing when the time is over", async () => {
    const [a, b] = Pipe<number>();
    const [c] = Pipe<number>();
    assertEquals(await wait([a, c], { timeout: 5 }), []);
    assertEquals(waitSync([a, c], { timeout: 5 }), []);
    assertEquals([await wait([], { timeout: 0 }), waitSync([], { timeout: 0 }), await wait([])], [[], [], []]);
    b.sendSync(1);
    assertEquals([await wait([c, a], { timeout: -1 }), waitSync([c, a], { timeout: -1 })], [[a], [a]]);
  });

  it("gives all that are ready, in their order", async () => {
    const pipes = [0, 1, 2, 3].map(() => Pipe<number>());
    const mine = pipes.map(([first]) => first);
    for (const i of [3, 1]) pipes[i]?.[1].sendSync(i);
    assertEquals(await wait(mine), [mine[1], mine[3]]);
    assertEquals(waitSync(mine), [mine[1], mine[3]]);
  });

  it("gives a connection whose other end is closed, or has died", async () => {
    const [a, b] = Pipe<number>();
    const words = counters();
    const holder = spawn(TASKS, "hold", words, 0, b);
    await until(words, 0, 1);
    b.close();
    const [c, d] = Pipe<number>();
    const waiting = wait([a, c]);
    await holder.terminate();
    assertEquals(await within(waiting, "wait()"), [a]);
    d.close();
    assertEquals(await wait([c]), [c]);
  });

  it("waits for queues, of all kinds, and for their close", async () => {
    const [a] = Pipe<number>();
    for (const queue of [new Queue<number>(), new JoinableQueue<number>(), new SimpleQueue<number>()]) {
      assertEquals(await wait([a, queue], { timeout: 2 }), []);
      const waiting = wait([a, queue]);
      queue.putSync(1);
      assertEquals(await within(waiting, "wait()"), [queue]);
      assertEquals(waitSync([queue, a]), [queue]);
      assertEquals(queue.getSync(), 1);
      assertEquals(waitSync([queue, a], { timeout: 2 }), []);
      const again = wait([a, queue]);
      queue.close();
      assertEquals(await within(again, "wait()"), [queue]);
    }
  });

  it("waits for processes", async () => {
    const [mine, theirs] = Pipe<number>();
    const busy = new Process(doubleSync, [theirs]);
    const short = new Process(nothing);
    busy.start();
    short.start();
    theirs.close();
    assertEquals(await within(wait([busy, short]), "wait()"), [short]);
    assertEquals(await within(wait<Process<never> | typeof mine>([busy as never, mine], { timeout: 5 }), "wait()"), []);
    mine.close();
    assertEquals(await within(wait([busy]), "wait()"), [busy]);
    assertEquals(await wait([busy, short]), [busy, short]);
    assertEquals(waitSync([busy, short]), [busy, short]);
  });

  it("wakes a blocked thread for a message from another one", async () => {
    const [a, b] = Pipe<number>();
    const [c, d] = Pipe<number>();
    const queue = new Queue<number>();
    const agent = spawn<string>(TASKS, "waitForAny", [a, c, queue]);
    d.sendSync(1);
    assertEquals(await within(agent.result, "waitSync()"), "1");
    const second = spawn<string>(TASKS, "waitForAny", [a, queue]);
    queue.putSync(1);
    assertEquals(await within(second.result, "waitSync()"), "1");
    const third = spawn<string>(TASKS, "waitForAny", [a]);
    b.close();
    assertEquals(await within(third.result, "waitSync()"), "0");
  });

  it("serves several waiters of the same things", async () => {
    const [a, b] = Pipe<number>();
    const agents = [1, 2, 3].map(() => spawn<string>(TASKS, "waitForAny", [a]));
    const here = [wait([a]), wait([a])];
    b.sendSync(1);
    for (const agent of agents) assertEquals(await within(agent.result, "waitSync()"), "0");
    for (const waiting of here) assertEquals(await within(waiting, "wait()"), [a]);
  });

  it("is aborted by a signal", async () => {
    const [a] = Pipe<number>();
    const controller = new AbortController();
    const waiting = wait([a], { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assertRejects(() => within(waiting, "wait()"), Error, "enough");
    await assertRejects(() => wait([a], { signal: controller.signal }), Error, "enough");
    assertThrows(() => waitSync([a], { signal: controller.signal }), Error, "enough");
  });

  it("refuses what cannot be waited for", async () => {
    const [a, writer] = Pipe<number>({ duplex: false });
    await assertRejects(() => wait([a, 5 as never]), TypeError, "number 1");
    await assertRejects(() => wait([{} as never]), TypeError, "no connection, queue or process");
    await assertRejects(() => wait(5 as never), TypeError);
    await assertRejects(() => wait([writer]), Error, "write-only");
    await assertRejects(() => wait([new Process(nothing)]), Error, "was not started");
    const p = new Process(doubleSync, [a as never]);
    p.start();
    assertThrows(() => waitSync([p]), TypeError, "await wait()");
    p.kill();
    assertEquals(await within(wait([p]), "wait()"), [p]);
    a.close();
    await assertRejects(() => wait([a]), Error, "closed");
  });
});
