/**
 * Bare workers and `postMessage`, with the least that makes calls of messages: they are answered in order, so the next answer
 * belongs to the oldest call.
 * @module
 */
import { Worker } from "node:worker_threads";
import { type Contestant, engine, type Opened, startWebWorker, type Task, type WebWorker } from "../contestant.ts";

type Resolve = (value: unknown) => void;

/** A worker, and the calls that it owes an answer. */
class Line {
  readonly #worker: Worker | WebWorker;
  #waiting: Resolve[] = [];
  #answered = 0;
  #task: Task | undefined;

  constructor(web: boolean) {
    const url = new URL(web ? "./web_worker.mjs" : "./node_worker.mjs", import.meta.url);
    const onAnswer = (value: unknown): void => {
      const resolve = this.#waiting[this.#answered++] as Resolve;
      if (this.#answered === this.#waiting.length) {
        this.#waiting = [];
        this.#answered = 0;
      }
      resolve(value);
    };
    if (web) {
      const worker = startWebWorker(url);
      worker.onmessage = ({ data }) => onAnswer(data);
      this.#worker = worker;
    } else {
      this.#worker = new Worker(url).on("message", onAnswer);
    }
  }

  use(task: Task): void {
    if (this.#task !== task) this.#worker.postMessage({ use: this.#task = task });
  }

  ask(message: unknown, transfer?: ArrayBuffer[]): Promise<unknown> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (transfer === undefined) this.#worker.postMessage(message);
      else this.#worker.postMessage(message, transfer);
    });
  }

  end(): unknown {
    return this.#worker.terminate();
  }
}

function open(web: boolean, workers: number): Opened {
  const lines = Array.from({ length: workers }, () => new Line(web));
  const [first] = lines as [Line, ...Line[]];
  return {
    call(task) {
      for (const line of lines) line.use(task);
      if (workers === 1) return (argument) => first.ask(argument);
      let turn = 0;
      return (argument) => (lines[turn++ % workers] as Line).ask(argument);
    },
    map(task) {
      for (const line of lines) line.use(task);
      return async (items) => {
        const share = Math.ceil(items.length / workers);
        const parts = lines.map((line, i) => line.ask({ items: items.slice(i * share, (i + 1) * share) }));
        return (await Promise.all(parts) as unknown[][]).flat();
      };
    },
    move: () => (buffer) => first.ask({ moved: buffer }, [buffer]) as Promise<ArrayBuffer>,
    close: () => Promise.all(lines.map((line) => line.end())),
  };
}

const inOrder = ({ overlap }: { overlap?: boolean }): string | undefined => overlap ? "answers in order" : undefined;

/** Over node:worker_threads. */
export const nodeMessages: Contestant = {
  name: "postMessage, worker_threads",
  kind: "raw",
  refusal: inOrder,
  open: ({ workers }) => Promise.resolve(open(false, workers)),
};

/** Over the global Worker. */
export const webMessages: Contestant = {
  name: "postMessage, web Worker",
  kind: "raw",
  refusal: (settings) => engine === "node" ? "Node has no global Worker" : inOrder(settings),
  open: ({ workers }) => Promise.resolve(open(true, workers)),
};
