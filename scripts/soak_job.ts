// What `npm run soak` runs on each runtime: queues and pipes under load for as long as it is told, with every item accounted for and
// the memory of the program watched. Its last line says how it went.
//
//   writers ──▶ Queue(100) ──▶ readers          senders ──▶ Pipe ──▶ receivers          main ◀──Pipe──▶ echo
//      each counts what it has put, or got, in shared words: numbers, their sum, and how many came out of order
//   main ── a Queue of connections, always copies of the same few ──▶ greeter
//
//   soak_job.ts SECONDS

import process from "node:process";
import { type Connection, isMain, Pipe, Process, Queue, task } from "@manycore/multiprocessing";

/** Who sent it, which number it has, and something of a size that follows from both. */
type Item = readonly [sender: number, number: number, ballast: string];

const SENDERS = 2;
/** The words of one side: for each sender how many, the sum of their numbers, and how many were wrong or out of order. */
const STOP = 0;
const SENT = 8;
const GOT = 32;
const WIDTH = 4;
const [COUNT, SUM, BAD] = [0, 1, 2];
type Words = Int32Array<SharedArrayBuffer>;

/** One in a hundred is longer than a segment of a queue, and than one record of a pipe. */
function ballast(sender: number, number: number): string {
  const size = (sender * 31 + number * 17) % 101;
  return String.fromCharCode(97 + size % 26).repeat(size === 100 ? 150_000 : size * 5);
}

function count(words: Words, at: number, number: number): void {
  Atomics.add(words, at + COUNT, 1);
  Atomics.add(words, at + SUM, number);
}

/** Books an item that came; `last` has the last number of each sender. */
function book(words: Words, last: number[], [sender, number, text]: Item): void {
  const at = GOT + sender * WIDTH;
  count(words, at, number);
  if (number <= (last[sender] ?? -1) || text !== ballast(sender, number)) Atomics.add(words, at + BAD, 1);
  last[sender] = number;
}

export const write = task(import.meta, async (queue: Queue<Item>, words: Words, sender: number): Promise<void> => {
  for (let i = 0; Atomics.load(words, STOP) === 0; i++) {
    const item: Item = [sender, i, ballast(sender, i)];
    if (sender % 2 === 0) queue.putSync(item);
    else await queue.put(item);
    count(words, SENT + sender * WIDTH, i);
  }
});

export const read = task(import.meta, async (queue: Queue<Item>, words: Words, blocking: boolean): Promise<void> => {
  const last: number[] = [];
  if (blocking) { for (const item of queue.itemsSync()) book(words, last, item); }
  else for await (const item of queue) book(words, last, item);
});

export const send = task(import.meta, async (end: Connection<Item>, words: Words, sender: number): Promise<void> => {
  let waiting: Promise<void>[] = [];
  for (let i = 0; Atomics.load(words, STOP) === 0; i++) {
    const item: Item = [sender, i, ballast(sender, i)];
    if (sender % 2 === 0) end.sendSync(item);
    else if (waiting.push(end.send(item)) === 8) {
      await Promise.all(waiting);
      waiting = [];
    }
    count(words, SENT + sender * WIDTH, i);
  }
  await Promise.all(waiting);
  end.close();
});

export const receive = task(
  import.meta,
  async (end: Connection<Item>, words: Words, blocking: boolean): Promise<void> => {
    const last: number[] = [];
    if (!blocking) { for await (const item of end) book(words, last, item); }
    else {
      try {
        for (;;) book(words, last, end.recvSync());
      } catch (error) {
        if ((error as Error).name !== "EndOfFileError") throw error;
      }
    }
    end.close();
  },
);

export const echo = task(import.meta, async (end: Connection<unknown>): Promise<void> => {
  for await (const message of end) await end.send(message);
  end.close();
});

export const greet = task(import.meta, (queue: Queue<Connection<string>>): void => {
  for (const connection of queue.itemsSync()) {
    connection.sendSync("hello");
    connection.close();
  }
});

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

function counters(): Words {
  return new Int32Array(new SharedArrayBuffer(256));
}

/** What is wrong with what was counted; undefined: nothing. */
function verdict(what: string, words: Words): string | undefined {
  let total = 0;
  for (let sender = 0; sender < SENDERS; sender++) {
    const [sent, got] = [SENT + sender * WIDTH, GOT + sender * WIDTH];
    total += words[got + COUNT] as number;
    for (const part of [COUNT, SUM]) {
      if (words[sent + part] === words[got + part]) continue;
      return `${what}: sender ${sender} has sent ${words[sent + COUNT]} items, and ${words[got + COUNT]} came`;
    }
    if (words[got + BAD] !== 0) return `${what}: ${words[got + BAD]} of sender ${sender} were damaged or out of order`;
  }
  console.log(`${what}: ${total.toLocaleString("en")} items, all of them accounted for`);
  return total > 0 ? undefined : `${what}: nothing came`;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function soak(seconds: number): Promise<void> {
  const problems: string[] = [];
  const running: Process[] = [];
  const start = (target: (...args: never[]) => unknown, args: unknown[]): void => {
    const p = new Process(target as (...args: unknown[]) => unknown, args);
    p.start();
    running.push(p as Process);
  };
  const [queued, piped] = [counters(), counters()];
  const queue = new Queue<Item>(100);
  const [receiving, sending] = Pipe<Item>({ duplex: false });
  for (let i = 0; i < SENDERS; i++) {
    start(write, [queue, queued, i]);
    start(read, [queue, queued, i % 2 === 0]);
    start(send, [sending, piped, i]);
    start(receive, [receiving, piped, i % 2 === 0]);
  }
  sending.close();
  receiving.close();
  const [mine, theirs] = Pipe<unknown>();
  start(echo, [theirs]);
  theirs.close();
  const connections = new Queue<Connection<string>>();
  start(greet, [connections]);

  // The same ones again and again: a thread on V8 collects shared memory that came to it and is not used any more so seldom that
  // new ones would be what is measured.
  const pipes = Array.from({ length: 8 }, () => Pipe<string>());

  const end = performance.now() + seconds * 1000;
  const rss: number[] = [];
  let rounds = 0;
  let next = 0;
  while (performance.now() < end) {
    const bytes = new Uint8Array((rounds * 7919) % 200_000).fill(rounds);
    const sent = mine.send({ rounds, bytes });
    const back = await mine.recv() as { rounds: number; bytes: Uint8Array };
    await sent;
    if (back.rounds !== rounds++ || back.bytes.length !== bytes.length || back.bytes.at(-1) !== bytes.at(-1)) {
      problems.push(`echo: message ${rounds} came back damaged`);
      break;
    }
    if (performance.now() < next) continue;
    next = performance.now() + 100;
    rss.push(process.memoryUsage().rss / 2 ** 20);
    for (const [here, there] of pipes) {
      await connections.put(there);
      if (await here.recv() !== "hello") problems.push("greet: a wrong greeting");
    }
    await pause(0);
  }
  Atomics.store(queued, STOP, 1);
  Atomics.store(piped, STOP, 1);
  mine.close();
  connections.close();
  // The writers first, since what they put after close() would fail.
  for (const [i, p] of running.entries()) if (i < 4 * SENDERS && i % 4 === 0) await p.join();
  queue.close();
  for (const p of running) {
    await p.join();
    if (p.exitCode !== 0) problems.push(`${p.name} ended with ${p.exitCode}`);
  }
  for (const [what, words] of [["Queue", queued], ["Pipe", piped]] as const) {
    const problem = verdict(what, words);
    if (problem !== undefined) problems.push(problem);
  }
  console.log(`echo: ${rounds.toLocaleString("en")} round trips`);
  const tenth = rss.length / 10;
  const course = Array.from({ length: 10 }, (_, i) => median(rss.slice(i * tenth, (i + 1) * tenth)));
  console.log(`memory, a tenth of the time each: ${course.map((mb) => mb.toFixed(0)).join(" ")} MB`);
  const [early, late] = [median(course.slice(2, 4)), course[9] as number];
  if (late > early * 1.2 + 48) problems.push(`memory grew from ${early.toFixed(0)} to ${late.toFixed(0)} MB`);
  for (const problem of problems) console.error(`FAILED: ${problem}`);
  process.exit(problems.length === 0 ? 0 : 1);
}

if (isMain(import.meta)) await soak(Number(process.argv[2] ?? 60));
