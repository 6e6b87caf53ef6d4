/**
 * How long a pool takes to its first result, and to end. All in one process, again and again: modules are loaded and caches warm.
 * @module
 */
import { Worker } from "node:worker_threads";
import { now, timesOf } from "./clock.ts";
import { type Contestant, engine, type Opened, startWebWorker, type WebWorker } from "./contestant.ts";
import { entryOf, everybody, expectSame } from "./field.ts";
import { packaged } from "./packaged.ts";
import type { Times } from "./rows.ts";
import { quick, workers } from "./settings.ts";
import { type Cell, NotHere, Suite } from "./suite.ts";

const TIMES = quick ? 3 : 15;

/** A worker with nothing around it: a module of two lines. */
function bare(web: boolean): Contestant {
  return {
    name: web ? "a bare web Worker" : "a bare worker_threads Worker",
    kind: "raw",
    refusal: () => web && engine === "node" ? "Node has no global Worker" : undefined,
    open() {
      const url = new URL(`./raw/two_lines${web ? "_web" : ""}.mjs`, import.meta.url);
      let resolve: (answer: unknown) => void;
      let worker: Worker | WebWorker;
      if (web) {
        worker = startWebWorker(url);
        worker.onmessage = ({ data }) => resolve(data);
      } else {
        worker = new Worker(url).on("message", (answer) => resolve(answer));
      }
      return Promise.resolve({
        call: () => (argument) =>
          new Promise((done) => {
            resolve = done;
            worker.postMessage(argument);
          }),
        close: () => worker.terminate(),
      });
    },
  };
}

function sorted(samples: number[]): Times {
  return timesOf(samples.sort((a, b) => a - b));
}

/** Closes, and notes how long it took; false when that was longer than the limit. */
async function closeWithin(opened: Opened, limit: number, closing: number[]): Promise<boolean> {
  const start = now();
  const closed = Promise.resolve(opened.close()).then(() => true);
  const ended = await Promise.race([closed, new Promise<false>((late) => setTimeout(late, limit, false))]);
  if (ended) closing.push(now() - start);
  return ended;
}

function cellsOf(contestant: Contestant, workers: number): Cell[] {
  const closing: number[] = [];
  let opened = 0;
  return [
    {
      question: "startup/first",
      async measure() {
        const first: number[] = [];
        let closes = true;
        for (let i = 0; i < TIMES; i++) {
          const start = now();
          const pool = await contestant.open({ workers, inFlight: 1 });
          opened++;
          expectSame(await pool.call("increment")(41), 42);
          first.push(now() - start);
          // A close that does not settle is waited for once.
          if (!(await closeWithin(pool, closes ? 2000 : 0, closing))) closes = false;
        }
        return sorted(first.slice(1)); // the first loads modules
      },
    },
    {
      question: "startup/close",
      measure() {
        if (closing.length === 0) throw new NotHere("its promise was not settled after 2 s");
        const times = sorted(closing);
        if (closing.length === opened) return Promise.resolve(times);
        const problem = `${opened - closing.length} of ${opened} times its promise was not settled`;
        return Promise.resolve({ times, problem });
      },
    },
  ];
}

/** The cells open their contestants themselves. */
const NOBODY: Opened = { call: () => () => Promise.reject(new Error("Not opened.")), close() {} };

const suite = new Suite();
for (const contestant of [bare(false), bare(true), packaged, ...everybody]) {
  if (contestant.name.startsWith("postMessage") || contestant.name === "shared memory") continue;
  if (contestant.package === "synckit") continue; // keeps its one worker for good
  const poolSize = contestant.kind === "raw" ? 1 : workers;
  const settings = { workers: poolSize, inFlight: 1 };
  suite.add({ ...entryOf(contestant, settings, cellsOf(contestant, poolSize)), open: () => NOBODY });
}
await suite.run();
