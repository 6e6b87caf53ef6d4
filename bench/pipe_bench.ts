/**
 * Pipes between two workers, beside the same over raw `Atomics`, a copy of the bytes on one thread, and the runtime's own
 * message ports. The numbers of a group are for the rounds in its name.
 * @module
 */
import { MessageChannel, Worker } from "node:worker_threads";
import { bench, group, summary } from "mitata";
import { Pipe } from "../src/channel/pipe.ts";
import { selfAgent } from "../src/memory/self.ts";
import { runtime } from "../src/runtime/current.ts";
import { pack } from "../src/transport/handles.ts";
import { linkFor } from "../src/transport/links.ts";
import { runBenches } from "./kit.ts";
import { printPython } from "./peers/python.ts";
import type { Shared } from "./pipe_worker.ts";

const SIZE = 64 * 1024;

const words = new Int32Array(new SharedArrayBuffer(512));
const shared: Shared = { words, connections: Pipe(), slots: new Uint8Array(new SharedArrayBuffer(4 * SIZE)) };
const { table } = selfAgent();
const [web, node] = [new MessageChannel(), new MessageChannel()];
const workers = ([[web.port1, node.port1], [web.port2, node.port2]] as const).map(([port, nodePort]) => {
  const slot = table.register();
  const link = linkFor(slot);
  const worker = new Worker(new URL("./pipe_worker.ts", import.meta.url), {
    workerData: { table: table.buffer, slot, link, port, nodePort, shared: pack(shared, "shared") },
    transferList: [link as never, port, nodePort],
  });
  worker.setMaxListeners(0);
  return worker;
});

/** Runs a task on both workers. */
async function both(task: string, rounds: number, size = 0, spin = runtime.spinLoads): Promise<void> {
  words.fill(0);
  await Promise.all(workers.map((worker, side) =>
    new Promise((resolve) => {
      worker.once("message", resolve);
      worker.postMessage({ task, side, rounds, size, spin });
    })
  ));
}

for (const task of ["rawSpin", "pingPong", "numbers", "objects"]) await both(task, 10_000);
for (const task of ["memcpy", "rawBytes", "bytesInto", "bytes", "postBytes", "postBytesOn"]) await both(task, 20, SIZE);

summary(() => {
  group("20,000 round trips of a number between 2 workers that spin", () => {
    bench("raw", () => both("rawSpin", 20_000)).baseline(true);
    bench("Pipe", () => both("pingPong", 20_000));
  });
});

summary(() => {
  group("500 round trips of a number between 2 workers that park", () => {
    bench("raw", () => both("rawPark", 500)).baseline(true);
    bench("Pipe", () => both("pingPong", 500, 0, 0));
  });
});

summary(() => {
  group("20,000 messages one way", () => {
    bench("Pipe, numbers", () => both("numbers", 20_000)).baseline(true);
    bench("Pipe, objects of four fields", () => both("objects", 20_000));
    bench("MessagePort, numbers", () => both("postNumbers", 20_000));
  });
});

summary(() => {
  group("1,000 × 64 KB one way", () => {
    bench("memcpy on one thread", () => both("memcpy", 1000, SIZE)).baseline(true);
    bench("raw: one copy in, one copy out", () => both("rawBytes", 1000, SIZE));
    bench("Pipe, sendBytes and recvBytesInto", () => both("bytesInto", 1000, SIZE));
    bench("Pipe, sendBytes and recvBytes", () => both("bytes", 1000, SIZE));
  });
});

summary(() => {
  group("100 × 64 KB one way", () => {
    bench("Pipe, sendBytes and recvBytes", () => both("bytes", 100, SIZE)).baseline(true);
    bench("Pipe, sendBytes and recvBytesInto", () => both("bytesInto", 100, SIZE));
    bench("MessagePort, typed arrays, onmessage", () => both("postBytes", 100, SIZE));
    bench("MessagePort, typed arrays, on()", () => both("postBytesOn", 100, SIZE));
  });
});

printPython("pipe_peer.py");
await runBenches();
