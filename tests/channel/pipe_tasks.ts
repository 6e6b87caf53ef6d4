/** What the agents and processes of the pipe's tests run. */
import process from "node:process";
import {
  type Connection,
  type Event,
  Pipe,
  type Queue,
  type SimpleQueue,
  task,
  type Waitable,
  waitSync,
} from "@manycore/multiprocessing";
import { fetchAdd, load, notify, type SharedWords, store, wait } from "../../src/memory/atomics.ts";

type Any = Connection<unknown>;

/** Sends every message of bytes back, until one that is "stop". */
export function echoBytes(connection: Any): void {
  for (;;) {
    const bytes = connection.recvBytesSync();
    if (new TextDecoder().decode(bytes) === "stop") break;
    connection.sendBytesSync(bytes);
  }
  connection.close();
}

/** Sends everything back until the end. */
export function echoSync(connection: Any): number {
  let count = 0;
  try {
    for (;; count++) connection.sendSync(connection.recvSync());
  } catch (error) {
    if ((error as Error).name !== "EndOfFileError") throw error;
  }
  return count;
}

export async function echo(connection: Any): Promise<number> {
  let count = 0;
  for await (const value of connection) {
    await connection.send(value);
    count++;
  }
  return count;
}

export function sendAll(connection: Any, messages: readonly (string | number)[]): void {
  for (const message of messages) {
    if (typeof message === "string") connection.sendBytesSync(new TextEncoder().encode(message));
    else connection.sendSync(message);
  }
  connection.close();
}

/** Numbers with the sender's mark, as values of many sizes; every tenth is longer than a record. */
export function produce(connection: Any, mark: number, from: number, to: number): void {
  for (let i = from; i < to; i++) connection.sendSync(payload(mark, i));
  connection.close();
}

export async function produceAsync(connection: Any, mark: number, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await connection.send(payload(mark, i));
  connection.close();
}

/** A message that can be checked: its size depends on its number. */
export function payload(mark: number, i: number): { mark: number; i: number; fill: string } {
  const length = i % 10 === 9 ? 40_000 + (i % 7) * 30_000 : (i * 37) % 400;
  return { mark, i, fill: String.fromCharCode(97 + i % 26).repeat(length) };
}

export function isPayload(message: unknown): boolean {
  const { mark, i } = message as { mark: number; i: number };
  return JSON.stringify(message) === JSON.stringify(payload(mark, i));
}

/** Receives until the end; the numbers that came, by mark. Throws when a message is not whole. */
export function consume(connection: Any): Record<number, number[]> {
  const got: Record<number, number[]> = {};
  for (;;) {
    let message: unknown;
    try {
      message = connection.recvSync();
    } catch (error) {
      if ((error as Error).name === "EndOfFileError") return got;
      throw error;
    }
    if (!isPayload(message)) throw new Error(`a damaged message: ${JSON.stringify(message).slice(0, 100)}`);
    const { mark, i } = message as { mark: number; i: number };
    (got[mark] ??= []).push(i);
  }
}

/** Receives until the end, and counts every message in its sender's row of `rows`, each `count` long: what it had is known when it is gone. */
export function consumeCounting(connection: Any, rows: SharedWords, count: number): void {
  for (;;) {
    let message: unknown;
    try {
      message = connection.recvSync();
    } catch (error) {
      if ((error as Error).name === "EndOfFileError") return;
      throw error;
    }
    const { mark, i } = message as { mark: number; i: number };
    fetchAdd(rows, mark * count + i, 1);
  }
}

export async function consumeAsync(connection: Any): Promise<Record<number, number[]>> {
  const got: Record<number, number[]> = {};
  for await (const message of connection) {
    if (!isPayload(message)) throw new Error("a damaged message");
    const { mark, i } = message as { mark: number; i: number };
    (got[mark] ??= []).push(i);
  }
  return got;
}

/** Takes a connection out of a connection, and says hello on it. */
export function greetThrough(connection: Any): void {
  const other = connection.recvSync() as Connection<string>;
  other.sendSync(`hello from ${String(Object.prototype.toString.call(other))}`);
  other.close();
  connection.close();
}

/** Takes a connection out of a queue. */
export function greetFromQueue(queue: Queue<Connection<string>>): void {
  const connection = queue.getSync();
  connection.sendSync("hello from the queue");
  connection.close();
}

/** Says that it is there, and holds the connection until it is told to end. */
export function hold(words: SharedWords, at: number, _connection: Any): void {
  fetchAdd(words, at, 1);
  for (;;) wait(words, 15, 0, 1000);
}

/** Holds the connection until a word is set, and closes it. */
export function holdUntil(words: SharedWords, at: number, connection: Any): void {
  fetchAdd(words, at, 1);
  while (load(words, at + 1) === 0) wait(words, at + 1, 0, 1000);
  connection.close();
}

/** Passes the connection on through a queue and ends. */
export function passOn(queue: Queue<Any>, connection: Any): void {
  queue.putSync(connection);
}

/** Receives, says so, and stays. */
export function receiveAndHold(words: SharedWords, at: number, connection: Any): unknown {
  fetchAdd(words, at, 1);
  const value = connection.recvSync();
  store(words, at + 1, 1);
  notify(words, at + 1);
  return value;
}

/** What a blocking call threw. */
export function errorOfRecv(connection: Any, words?: SharedWords): string {
  try {
    if (words !== undefined) fetchAdd(words, 0, 1);
    connection.recvSync();
    return "no error";
  } catch (error) {
    return (error as Error).name;
  }
}

export function errorOfSend(connection: Any, size: number, words?: SharedWords): string {
  try {
    if (words !== undefined) fetchAdd(words, 0, 1);
    for (;;) connection.sendBytesSync(new Uint8Array(size));
  } catch (error) {
    return (error as Error).name;
  }
}

/** Sends a message that is longer than the pipe: it stands still in the middle of it. */
export function sendLong(words: SharedWords, connection: Any, size: number): void {
  fetchAdd(words, 0, 1);
  connection.sendBytesSync(new Uint8Array(size).fill(5));
  fetchAdd(words, 1, 1);
}

/** Reads one message of numbers and stops in the middle of the next, long one. */
export function receiveLong(words: SharedWords, connection: Any): number {
  fetchAdd(words, 0, 1);
  return connection.recvBytesSync().length;
}

/** Sends connections, each with a greeting in it, until the pipe is full. */
export function sendConnections(words: SharedWords, connection: Any, other: Any): void {
  for (;;) {
    connection.sendSync([other, "x".repeat(8000)]);
    fetchAdd(words, 0, 1);
  }
}

/** The process does nothing with its connection; it ends as it is told. */
export const endAs = task(import.meta, (_connection: Any, how: "return" | "exit" | "throw"): void => {
  if (how === "exit") process.exit(3);
  if (how === "throw") throw new Error("the fault of this test");
});

/** Answers each number with its double, by `recv` and `send`. */
export const double = task(import.meta, async (connection: Connection<number>): Promise<void> => {
  for await (const n of connection) await connection.send(n * 2);
});

export const doubleSync = task(import.meta, (connection: Connection<number>): void => {
  try {
    for (;;) connection.sendSync(connection.recvSync() * 2);
  } catch {
    connection.close();
  }
});

/** A task that gives back a new connection. */
export const makePipe = task(import.meta, (): Connection<string> => {
  const [mine, theirs] = Pipe<string>();
  mine.sendSync("from the worker");
  mine.close();
  return theirs;
});

/** Waits for the first number on each of some connections, in a thread. */
export const sendLater = task(import.meta, (connection: Connection<number>, numbers: readonly number[]): void => {
  for (const n of numbers) connection.sendSync(n);
  connection.close();
});

/** Sends what it gets with a short pause between, on the event loop. */
export const sendSlowly = task(
  import.meta,
  async (connection: Connection<string>, messages: readonly string[]): Promise<void> => {
    for (const message of messages) {
      await new Promise((resolve) => setTimeout(resolve, 3));
      await connection.sendBytes(new TextEncoder().encode(message));
    }
    connection.close();
  },
);

/** Ends at once. */
export const nothing = task(import.meta, (): void => {});

/** Takes anything, and ends. */
export const ignore = task(import.meta, (..._things: unknown[]): void => {});

/** Blocks until one of the things is ready; the numbers of those that are. */
export function waitForAny(things: readonly Waitable[]): string {
  const ready = waitSync(things);
  return ready.map((thing) => things.indexOf(thing)).join();
}

/**
 * Receives numbered messages, slowly, and sends the first number that comes out of its turn, or −1. With `other`: says that it has begun, and
 * sends a long message on it, and a short one.
 */
export const firstOutOfOrder = task(
  import.meta,
  (connection: Any, count: number, other?: Any, begun?: Event): void => {
    if (other !== undefined) {
      begun?.set();
      other.sendBytesSync(new Uint8Array(900_000));
      other.sendSync("second");
      return;
    }
    let bad = -1;
    for (let i = 0; i < count; i++) {
      const message = connection.recvSync() as { i: number };
      if (message.i !== i && bad < 0) bad = i;
      for (const end = performance.now() + 0.05; performance.now() < end;);
    }
    connection.sendSync(bad);
  },
);

/** Begins to receive a message, gives up in the middle of it, says so, and lives on. */
export const beginAndStay = task(import.meta, async (connection: Any, begun: Event): Promise<void> => {
  await connection.recv({ timeout: 30 }).catch(() => {});
  begun.set();
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});

/**
 * Takes connections out of a queue, greets on each, and puts most of them back, until there are none for a while; the others it closes. Every
 * seventh goes through a pipe of its own first.
 */
export function carry(queue: Queue<Any>, words: SharedWords, seed: number): number {
  const [mine, theirs] = Pipe<unknown>();
  for (let i = seed;; i++) {
    let connection: Any;
    try {
      connection = queue.getSync({ timeout: 300 });
    } catch {
      return i - seed;
    }
    fetchAdd(words, 0, 1);
    if (i % 7 === 0) {
      mine.sendSync({ connection, fill: "x".repeat(i % 14 === 0 ? 60_000 : 60) });
      connection.close();
      connection = (theirs.recvSync() as { connection: Any }).connection;
    }
    connection.sendSync(i);
    if (i % 5 !== 0) queue.putSync(connection);
    connection.close();
  }
}

/** Waits for its turn, puts two items, and says so. */
export const tellEmpty = task(import.meta, (queue: SimpleQueue<boolean>, mine: Event, theirs: Event): void => {
  mine.waitSync();
  queue.putSync(true);
  queue.putSync(false);
  theirs.set();
});
