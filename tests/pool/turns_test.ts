// The loop of the host: it turns for timers and sockets however busy the host is, and no client of it can stop the others.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { HostLoop, type LoopClient } from "../../src/transport/host_loop.ts";
import * as tasks from "../fixtures/lane_tasks.ts";
import { withPool } from "../kit/pools.ts";
import { eventually } from "../kit/wait.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Work of the host, in ms. */
function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

/** Counts how often a timer of 1 ms came to its turn while `body` ran. */
async function turnsDuring(body: () => Promise<void>): Promise<number> {
  let turns = 0;
  let timer: ReturnType<typeof setTimeout>;
  const arm = (): void => {
    timer = setTimeout(() => {
      turns++;
      arm();
    }, 1);
  };
  arm();
  try {
    await body();
  } finally {
    clearTimeout(timer!);
  }
  return turns;
}

describe("the event loop of the host turns", () => {
  const LAPS = 60;

  it("while it has work of some ms between calls that follow each other", () =>
    withPool(1, {}, async (pool) => {
      for (let round = 0; round < 4; round++) {
        await Promise.all(numbers(1_000).map((n) => pool.apply(tasks.double, [n])));
      }
      const turns = await turnsDuring(async () => {
        for (let n = 0; n < LAPS; n++) {
          assertEquals(await pool.apply(tasks.double, [n]), n * 2);
          busy(5);
        }
      });
      assert(turns >= LAPS / 4, `${turns} turns in ${LAPS} calls`);
    }));

  it("while it has such work and the next call is always under way", () =>
    withPool(1, {}, async (pool) => {
      for (let round = 0; round < 4; round++) {
        await Promise.all(numbers(1_000).map((n) => pool.apply(tasks.double, [n])));
      }
      const turns = await turnsDuring(async () => {
        let next = pool.apply(tasks.double, [0]);
        for (let n = 1; n <= LAPS; n++) {
          const one = next;
          next = pool.apply(tasks.double, [n]);
          assertEquals(await one, (n - 1) * 2);
          busy(5);
        }
        await next;
      });
      assert(turns >= LAPS / 4, `${turns} turns in ${LAPS} calls`);
    }));

  for (const kind of ["imap", "imapUnordered"] as const) {
    it(`while it has such work for each result of ${kind}, of which more are ready`, () =>
      withPool(1, {}, async (pool) => {
        await pool.map(tasks.double, numbers(1_000));
        const seen: number[] = [];
        const turns = await turnsDuring(async () => {
          for await (const value of pool[kind](tasks.double, numbers(LAPS))) {
            seen.push(value);
            busy(5);
          }
        });
        assertEquals(seen, numbers(LAPS).map((n) => n * 2));
        assert(turns >= LAPS / 4, `${turns} turns in ${LAPS} results`);
      }));
  }

  it("and a next() with a time limit does not wait for that: what is ready comes", () =>
    withPool(1, {}, async (pool) => {
      const results = pool.imap(tasks.double, numbers(20), { chunkSize: 20 });
      assertEquals((await results.next()).value, 0);
      await eventually(() => pool.stats().completed === 20, "the results");
      for (let n = 1; n < 20; n++) {
        busy(5);
        assertEquals((await results.next({ timeout: 0 })).value, n * 2);
      }
      assertEquals((await results.next()).done, true);
    }));
});

/** A client that has something to take as long as its results last; `fault`: what of it throws. */
class Client implements LoopClient {
  looped = false;
  soon = false;
  served = 0;
  #left: number;
  readonly #fault: keyof LoopClient | undefined;

  constructor(results: number, fault?: keyof LoopClient) {
    this.#left = results;
    this.#fault = fault;
  }

  get expects(): boolean {
    return this.#left > 0;
  }

  flush(): void {
    this.#mayThrow("flush");
  }

  drain(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    this.#mayThrow("drain");
    this.served++;
    return true;
  }

  hasNews(): boolean {
    return this.#left > 0;
  }

  beforeSleep(): void {
    this.#mayThrow("beforeSleep");
  }

  #mayThrow(name: keyof LoopClient): void {
    if (this.#fault === name && (name !== "flush" || this.#left > 0)) {
      if (name === "flush") this.#left--;
      throw new Error(name);
    }
  }
}

describe("a client of the host's loop that throws", () => {
  for (const fault of ["flush", "drain", "beforeSleep"] as const) {
    it(`in ${fault}() is reported, and the others are served`, async () => {
      const reported: string[] = [];
      const loop = new HostLoop((error) => void reported.push((error as Error).message));
      const clients = [new Client(3), new Client(3, fault), new Client(3)];
      for (const client of clients) loop.request(client);
      await eventually(() => clients.every((client) => !client.looped), "all that there is was taken");
      assertEquals([clients[0]?.served, clients[2]?.served], [3, 3]);
      assert(reported.length > 0 && reported.every((message) => message === fault), reported.join());
    });
  }
});
