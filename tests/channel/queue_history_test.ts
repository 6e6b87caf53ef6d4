/** Recorded histories of calls by several threads are linearizable: each call seems to happen at one moment. */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Queue } from "../../src/channel/queue.ts";
import { all, counters, spawn } from "../kit/agents.ts";
import { type Call, linearize, overlaps } from "../kit/linearize.ts";
import { besides } from "../kit/modules.ts";
import { SEED } from "../kit/random.ts";
import { SOAK } from "../kit/runtime.ts";
import { within } from "../kit/wait.ts";
import type { Recorded } from "./queue_tasks.ts";

const TASKS: string = besides(import.meta, "queue_tasks");
const ROUNDS = SOAK ? 5000 : 300;

function call(begin: number, end: number, what: Call["what"], value: number | string, outcome?: string): Call {
  return { begin, end, what, value, outcome };
}

test("the checker accepts what a queue can do", () => {
  const histories: Call[][] = [
    [],
    [
      call(0, 1, "put", 1),
      call(2, 3, "put", 2),
      call(4, 5, "get", 1),
      call(6, 7, "get", 2),
      call(8, 9, "get", "empty"),
    ],
    // At the same time, in either order.
    [call(0, 5, "put", 1), call(1, 4, "put", 2), call(6, 7, "get", 2), call(8, 9, "get", 1)],
    // A get that began before the put.
    [call(0, 9, "get", 1), call(1, 8, "put", 1)],
    [call(0, 9, "get", "empty"), call(1, 8, "put", 1), call(10, 11, "size", 1)],
    [call(0, 9, "close", "ok"), call(1, 2, "put", 1), call(3, 4, "put", 2, "closed"), call(5, 6, "get", 1)],
  ];
  for (const history of histories) assertEquals(linearize(history, 0), undefined);
  assertEquals(linearize([call(0, 1, "put", 1), call(2, 3, "put", 2, "full")], 1), undefined);
});

test("the checker refuses what a queue cannot do", () => {
  const histories: Record<string, Call[]> = {
    "out of order": [call(0, 1, "put", 1), call(2, 3, "put", 2), call(4, 5, "get", 2), call(6, 7, "get", 1)],
    "twice": [call(0, 1, "put", 1), call(2, 5, "get", 1), call(3, 4, "get", 1)],
    "from nowhere": [call(0, 1, "get", 1)],
    "before it was put": [call(0, 1, "get", 1), call(2, 3, "put", 1)],
    "falsely empty": [call(0, 1, "put", 1), call(2, 3, "get", "empty"), call(4, 5, "get", 1)],
    "falsely full": [call(0, 1, "put", 1), call(2, 3, "put", 2, "full")],
    "a wrong size": [call(0, 1, "put", 1), call(2, 3, "size", 0)],
    "a size that was never": [call(0, 1, "put", 1), call(2, 7, "put", 2), call(3, 6, "get", 1), call(4, 5, "size", 3)],
    "put when closed": [call(0, 1, "close", "ok"), call(2, 3, "put", 1)],
    "closed, and not drained": [call(0, 1, "put", 1), call(2, 3, "close", "ok"), call(4, 5, "get", "closed")],
    "too many": [call(0, 1, "put", 1), call(2, 3, "put", 2)],
  };
  for (const [name, history] of Object.entries(histories)) {
    assert(linearize(history, name.startsWith("too many") ? 1 : 0) !== undefined, name);
  }
});

for (const [agents, calls, most] of [[2, 12, 0], [3, 9, 2], [4, 7, 0], [3, 9, 1]] as const) {
  test(`${agents} threads, ${calls} calls each on every queue, maxSize ${most}: linearizable`, async () => {
    const queues = Array.from({ length: ROUNDS }, () => new Queue<number>(most));
    const words = counters();
    words[2] = agents;
    const histories = await within(
      all(
        Array.from(
          { length: agents },
          (_, agent) => spawn<Recorded[][]>(TASKS, "record", queues, words, agent, SEED * 10 + agent, calls),
        ),
      ),
      "the agents",
      200_000,
    );
    let concurrent = 0;
    queues.forEach((_, round) => {
      const history = histories.flatMap((one) =>
        (one[round] as Recorded[]).map(([begin, end, what, value, outcome]) =>
          call(begin, end, what as Call["what"], value, outcome)
        )
      );
      concurrent += overlaps(history);
      assertEquals(linearize(history, most), undefined, `seed ${SEED}, queue ${round}`);
    });
    assert(concurrent > ROUNDS, `only ${concurrent} calls overlapped`);
  });
}
