/**
 * Bare workers and shared memory: what the hardware allows. Numbers travel through rings, strings, bytes and objects one at a
 * time through a place of their own. It checks nothing, cannot fail, and is no library; it shows where the limit is.
 *
 * The host looks for answers for some 20 µs and then sleeps on one doorbell of all workers.
 * @module
 */
import { Worker } from "node:worker_threads";
import type { Contestant, Opened, Task } from "../contestant.ts";
import {
  ANSWERS,
  asInteger,
  BELL_WORDS,
  KIND,
  LENGTH,
  LOOKS,
  PARKED,
  REQUESTS,
  RUNG,
  SLOTS,
  TASK,
  TASKS,
  WAITING,
  WORDS,
} from "./layout.mjs";
import { read, write } from "./text.mjs";

type Resolve = (value: unknown) => void;

/** The largest payload: 16 MB of text that takes two bytes a character at most, or three in UTF-8. */
const BOX_BYTES = 50 * 2 ** 20;

/** One worker. */
class Line {
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * WORDS));
  readonly #requests = new Float64Array(new SharedArrayBuffer(8 * SLOTS));
  readonly #answers = new Float64Array(new SharedArrayBuffer(8 * SLOTS));
  readonly #outbox: Uint8Array;
  readonly #inbox: Uint8Array;
  readonly #worker: Worker;
  readonly waiting: Resolve[] = [];
  #put = 0;
  #taken = 0;

  constructor(bell: Int32Array, boxBytes: number) {
    this.#outbox = new Uint8Array(new SharedArrayBuffer(boxBytes));
    this.#inbox = new Uint8Array(new SharedArrayBuffer(boxBytes));
    this.#worker = new Worker(new URL("./ring_worker.mjs", import.meta.url), {
      workerData: {
        words: this.#words.buffer,
        requests: this.#requests.buffer,
        answers: this.#answers.buffer,
        bell: bell.buffer,
        inbox: this.#outbox.buffer, // the worker's inbox is our outbox
        outbox: this.#inbox.buffer,
      },
    });
  }

  use(task: Task): void {
    Atomics.store(this.#words, TASK, TASKS.indexOf(task));
  }

  /** How many requests are out. */
  get pending(): number {
    return this.#put - this.#taken;
  }

  /** Puts requests; more than SLOTS at a time are not answered in time. */
  put(argument: unknown): void {
    if (this.pending === SLOTS) throw new RangeError("The ring is full.");
    if (typeof argument !== "number") {
      [this.#words[KIND], this.#words[LENGTH]] = write(argument, this.#outbox) as [number, number];
    }
    this.#requests[this.#put++ % SLOTS] = typeof argument === "number" ? argument : NaN;
  }

  publish(): void {
    Atomics.store(this.#words, REQUESTS, this.#put);
    if (Atomics.load(this.#words, PARKED) === 1) Atomics.notify(this.#words, REQUESTS);
  }

  /** Takes what was answered since the last time; says how many that were. */
  take(sink: (value: unknown) => void): number {
    const answered = Atomics.load(this.#words, ANSWERS);
    const before = this.#taken;
    while (this.#taken !== answered) {
      const value = this.#answers[this.#taken++ % SLOTS] as number;
      sink(value === value ? asInteger(value) : this.#readPayload());
    }
    return answered - before;
  }

  #readPayload(): unknown {
    return read(this.#words[KIND] as number, this.#words[LENGTH] as number, this.#inbox);
  }

  end(): unknown {
    return this.#worker.terminate();
  }
}

/** The host's end of all lines. */
class Host {
  readonly #bell = new Int32Array(new SharedArrayBuffer(4 * BELL_WORDS));
  readonly lines: readonly Line[];

  constructor(workers: number, boxBytes: number) {
    this.lines = Array.from({ length: workers }, () => new Line(this.#bell, boxBytes));
  }

  /** Resolves when `look` has found something: at once, or after the bell. */
  async look(look: () => boolean): Promise<void> {
    for (;;) {
      for (let i = 0; i < LOOKS; i++) if (look()) return;
      const rung = Atomics.load(this.#bell, RUNG);
      Atomics.store(this.#bell, WAITING, 1);
      const found = look();
      const wait = found ? undefined : Atomics.waitAsync(this.#bell, RUNG, rung);
      if (wait?.async) await wait.value;
      Atomics.store(this.#bell, WAITING, 0);
      if (found) return;
    }
  }
}

function openCalls(host: Host): Opened["call"] {
  const { lines } = host;
  let pumping = false;
  const takeAll = (): boolean => {
    let taken = 0;
    for (const { waiting, take } of takers) {
      let next = 0;
      taken += take((value) => (waiting[next++] as Resolve)(value));
      waiting.splice(0, next);
    }
    return taken > 0;
  };
  const takers = lines.map((line) => ({ waiting: line.waiting, take: line.take.bind(line) }));
  const pump = async (): Promise<void> => {
    for (const line of lines) line.publish();
    while (lines.some(({ waiting }) => waiting.length > 0)) {
      await host.look(takeAll);
      await undefined; // those who wait go on, and put their next requests
      for (const line of lines) line.publish();
    }
    pumping = false;
  };
  return (task) => {
    for (const line of lines) line.use(task);
    let turn = 0;
    return (argument) =>
      new Promise((resolve) => {
        const line = lines[turn++ % lines.length] as Line;
        line.put(argument);
        line.waiting.push(resolve);
        if (pumping) return;
        pumping = true;
        queueMicrotask(pump);
      });
  };
}

function openMap(host: Host): NonNullable<Opened["map"]> {
  const { lines } = host;
  return (task) => {
    for (const line of lines) line.use(task);
    return async (items) => {
      const results: unknown[] = new Array(items.length);
      const share = Math.ceil(items.length / lines.length);
      const parts = lines.map((line, i) => ({ line, next: i * share, to: Math.min((i + 1) * share, items.length) }));
      for (const { line, next, to } of parts) {
        for (let i = next; i < to; i++) {
          line.put(items[i]);
          if (i % 1024 === 0) line.publish();
        }
        line.publish();
      }
      let missing = items.length;
      const takeAll = (): boolean => {
        let taken = 0;
        for (const part of parts) taken += part.line.take((value) => results[part.next++] = value);
        missing -= taken;
        return taken > 0;
      };
      while (missing > 0) await host.look(takeAll);
      return results;
    };
  };
}

/** Shared memory. */
export const ring: Contestant = {
  name: "shared memory",
  kind: "raw",
  refusal: ({ overlap }) => overlap ? "answers in order" : undefined,
  open({ workers, inFlight }) {
    const host = new Host(workers, inFlight > 1 ? 64 : BOX_BYTES);
    return Promise.resolve({
      call: openCalls(host),
      map: openMap(host),
      close: () => Promise.all(host.lines.map((line) => line.end())),
    });
  },
};
