/**
 * Queues between workers, and from a worker to the main thread, beside a raw ring in shared memory, the runtime's own messages,
 * the one rival that has channels, and Python. The numbers of a group are for the messages in its name.
 * @module
 */
import { MessageChannel, Worker } from "node:worker_threads";
import { bench, group, summary } from "mitata";
import { JoinableQueue } from "../src/channel/joinable_queue.ts";
import { Queue } from "../src/channel/queue.ts";
import { selfAgent } from "../src/memory/self.ts";
import { pack } from "../src/transport/handles.ts";
import { linkFor } from "../src/transport/links.ts";
import { expect, runBenches } from "./kit.ts";
import { printPython } from "./peers/python.ts";
import { openChannel } from "./rivals/multithreading_channel.ts";
import { RING_WORDS, type Shared } from "./queue_worker.ts";

const shared: Shared = {
  queue: new Queue<unknown>(),
  bounded: new Queue<unknown>(1000),
  joinable: new JoinableQueue<unknown>(),
  ring: new Int32Array(new SharedArrayBuffer(RING_WORDS * 4)),
};
const { queue } = shared;
const { table } = selfAgent();
const { port1, port2 } = new MessageChannel();

/** Writers first, then as many readers. */
const workers = [port1, undefined, undefined, undefined, port2, undefined, undefined, undefined].map((port) => {
  const slot = table.register();
  const link = linkFor(slot);
  const worker = new Worker(new URL("./queue_worker.ts", import.meta.url), {
    workerData: { table: table.buffer, slot, link, port, shared: pack(shared, "shared") },
    transferList: [link as never, ...(port === undefined ? [] : [port])],
  });
  worker.setMaxListeners(0);
  return worker;
});

function done(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    const take = (message: unknown): void => {
      if (message !== "done") return;
      worker.off("message", take);
      resolve();
    };
    worker.on("message", take);
  });
}

/** Runs a task on so many writers and so many readers. */
async function run(task: string, count: number, writers = 1, readers = 1): Promise<void> {
  const taking = [...workers.slice(0, writers), ...workers.slice(4, 4 + readers)];
  const all = Promise.all(taking.map(done));
  taking.forEach((worker, i) => {
    const side = i < writers ? 0 : 1;
    worker.postMessage({ task, side, count: count / (side === 0 ? writers : readers) });
  });
  await all;
}

/** Has one worker put, and gets here. */
async function toMain(task: string, count: number, get: (count: number) => Promise<void>): Promise<void> {
  const writer = done(workers[0] as Worker);
  workers[0]?.postMessage({ task, side: 0, count });
  await get(count);
  await writer;
}

async function forAwait(count: number): Promise<void> {
  let left = count;
  for await (const _ of queue) if (--left === 0) return;
}

async function awaitGet(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await queue.get();
}

function onMessage(count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count;
    const take = (message: unknown): void => {
      if (typeof message !== "number" || --left > 0) return;
      workers[0]?.off("message", take);
      resolve();
    };
    workers[0]?.on("message", take);
  });
}

for (const task of ["raw", "numbers", "bounded", "joinable", "objects", "strings", "post", "postObjects"]) {
  await run(task, 20_000);
}
await run("numbers", 20_000, 4, 4);
await toMain("numbers", 20_000, forAwait);
expect([queue.size, queue.empty], [0, true], "the queue after a warm-up");

summary(() => {
  group("1,000,000 integers, 1 writer, 1 reader", () => {
    bench("raw ring", () => run("raw", 1_000_000)).baseline(true);
    bench("Queue", () => run("numbers", 1_000_000));
    bench("Queue(1000)", () => run("bounded", 1_000_000));
    bench("JoinableQueue, with taskDone", () => run("joinable", 1_000_000));
  });
});

summary(() => {
  group("200,000 integers, 1 writer, 1 reader", () => {
    bench("MessagePort", () => run("post", 200_000)).baseline(true);
    bench("Queue", () => run("numbers", 200_000));
  });
});

summary(() => {
  group("200,000 small objects, 1 writer, 1 reader", () => {
    bench("MessagePort", () => run("postObjects", 200_000)).baseline(true);
    bench("Queue", () => run("objects", 200_000));
    bench("Queue, strings", () => run("strings", 200_000));
  });
});

summary(() => {
  group("1,000,000 integers, more workers than cores", () => {
    bench("1 writer, 1 reader", () => run("numbers", 1_000_000)).baseline(true);
    bench("2 writers, 2 readers", () => run("numbers", 1_000_000, 2, 2));
    bench("4 writers, 4 readers", () => run("numbers", 1_000_000, 4, 4));
    bench("4 writers, 1 reader", () => run("numbers", 1_000_000, 4, 1));
    bench("1 writer, 4 readers", () => run("numbers", 1_000_000, 1, 4));
  });
});

summary(() => {
  group("200,000 integers, worker to main thread", () => {
    bench("postMessage", () => toMain("postToMain", 200_000, onMessage)).baseline(true);
    bench("for await", () => toMain("numbers", 200_000, forAwait));
    bench("await get()", () => toMain("numbers", 200_000, awaitGet));
  });
});

summary(() => {
  group("1,000 × 64 KB, 1 writer, 1 reader", () => {
    bench("Queue(1000)", () => run("bytes", 1000)).baseline(true);
  });
});

summary(() => {
  group("put and get on one thread", () => {
    const object = { id: 1, name: "item" };
    bench("integer", () => {
      queue.putSync(1);
      queue.getSync();
    }).baseline(true);
    bench("double", () => {
      queue.putSync(0.5);
      queue.getSync();
    });
    bench("small object", () => {
      queue.putSync(object);
      queue.getSync();
    });
  });
});

const rival = await openChannel();
if (rival !== undefined) {
  summary(() => {
    group("10,000 messages, 1 writer, 1 reader", () => {
      bench("Queue, integers", () => run("numbers", 10_000)).baseline(true);
      bench("Queue, objects", () => run("objects", 10_000));
      bench("multithreading's channel, integers", () => rival.integers(10_000));
      const { objects } = rival;
      if (objects !== undefined) bench("multithreading's channel, objects", () => objects(10_000));
    });
  });
}

printPython("queue_peer.py");
await runBenches();
