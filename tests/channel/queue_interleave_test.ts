/**
 * Every schedule of two or three agents on a queue, with up to two preemptions: no item and no wake is lost, none comes
 * twice. The second half seeds one bug of each kind in the protocol, which must be found.
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { JoinableQueue } from "../../src/channel/joinable_queue.ts";
import { Queue } from "../../src/channel/queue.ts";
import { COUNTER, explore, type Scenario } from "../kit/interleave.ts";
import { SOAK } from "../kit/runtime.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** At the end so many items have been got, and so many are left. */
function ends(queue: Queue<number>, got: number, left = 0): (control: Words) => string | undefined {
  return (control) =>
    control[COUNTER] === got && queue.size === left
      ? undefined
      : `${control[COUNTER]} got instead of ${got}, ${queue.size} left instead of ${left}`;
}

/** At the end what was got and what is left make up what was put. */
function adds(queue: Queue<number>, put: number): (control: Words) => string | undefined {
  return (control) =>
    (control[COUNTER] as number) + queue.size === put ? undefined : `${control[COUNTER]} got, ${queue.size} left`;
}

/** The most schedules of a scenario. */
const limit = SOAK ? 6000 : 700;

/** Each is explored on a queue of its own. */
const SOUND: Record<string, (queue: Queue<number>) => Scenario> = {
  "one puts two, one gets two": (queue) => ({
    agents: ["queuePutTwo", "queueGetTwo"],
    objects: { queue },
    check: ends(queue, 2),
  }),
  "order": (queue) => ({ agents: ["queueGetInOrder", "queuePutOneTwo"], objects: { queue }, check: ends(queue, 1) }),
  "two get one each, one puts two": (queue) => ({
    agents: ["queueGetOne", "queueGetOne", "queuePutTwo"],
    objects: { queue },
    check: ends(queue, 2),
    limit,
  }),
  "two put one each, one gets two": (queue) => ({
    agents: ["queueGetTwo", "queuePutOne", "queuePutOne"],
    objects: { queue },
    check: ends(queue, 2),
    limit,
  }),
  "maxSize 1: one puts three, one gets two": (queue) => ({
    agents: ["queuePutThree", "queueGetTwo"],
    objects: { queue },
    check: ends(queue, 2, 1),
    limit,
  }),
  "maxSize 1: two put one each, one gets two": (queue) => ({
    agents: ["queuePutOne", "queuePutOne", "queueGetTwo"],
    objects: { queue },
    check: ends(queue, 2),
    limit,
  }),
  "maxSize 1: one puts two, two get one each": (queue) => ({
    agents: ["queuePutTwo", "queueGetOne", "queueGetOne"],
    objects: { queue },
    check: ends(queue, 2),
    limit,
  }),
  "a get that may time out takes nobody's wake": (queue) => ({
    agents: ["queueGetTimed", "queueGetOne", "queuePutTwo"],
    objects: { queue },
    mayTimeOut: [0],
    check: adds(queue, 2),
    limit,
  }),
  "maxSize 1: a put that may time out takes nobody's wake": (queue) => ({
    agents: ["queuePutTimed", "queuePutTwo", "queueGetTwo"],
    objects: { queue },
    mayTimeOut: [0],
    check: (control) => control[COUNTER] === 2 && queue.size <= 1 ? undefined : `${control[COUNTER]} got`,
    limit,
  }),
  "close reaches who waits for items": (queue) => ({
    agents: ["queueGetOne", "queueGetOne", "queueClose"],
    objects: { queue },
    check: ends(queue, 0),
    limit,
  }),
  "a put beside a close is put or refused, and what is put is got": (queue) => ({
    agents: ["queueDrain", "queuePutOrClosed", "queueClose"],
    objects: { queue },
    check: (control) =>
      (control[COUNTER] === 0 || control[COUNTER] === 101) && queue.size === 0 ? undefined : `${control[COUNTER]}`,
    limit,
  }),
  "join() comes back when both are done": (queue) => ({
    agents: ["queuePutTwoAndJoin", "queueWorkTwo"],
    objects: { queue },
    check: ends(queue, 2),
    limit,
  }),
  "sizes beside puts and gets": (queue) => ({
    agents: ["queuePutTwo", "queueGetOne", "queueSize"],
    objects: { queue },
    check: ends(queue, 1, 1),
    limit,
  }),
};

const SEEDED: Record<string, (queue: Queue<number>) => Scenario> = {
  "who has slept does not hand the wake on": (queue) => ({
    agents: ["queueGetForgetful", "queueGetForgetful", "queuePutTwo"],
    objects: { queue },
    limit: 20_000,
  }),
  "a waker does not change the word that one sleeps on": (queue) => ({
    agents: ["queueGetTwo", "queuePutTwoQuiet"],
    objects: { queue },
  }),
  "a sleeper looks before it announces itself": (queue) => ({
    agents: ["queueGetHasty", "queuePutOne"],
    objects: { queue },
  }),
  "close() wakes nobody": (queue) => ({ agents: ["queueGetOne", "queueCloseQuietly"], objects: { queue } }),
};

for (const [name, scenario] of Object.entries(SOUND)) {
  test(`Queue, ${name}: every schedule is sound`, async () => {
    const queue = name.startsWith("join")
      ? new JoinableQueue<number>()
      : new Queue<number>(name.startsWith("maxSize 1") ? 1 : 0);
    const { schedules, failure } = await explore(scenario(queue));
    assertEquals(failure, undefined);
    assert(schedules > 1);
  });
}

for (const [name, scenario] of Object.entries(SEEDED)) {
  test(`the seeded bug is found: ${name}`, async () => {
    const { failure } = await explore(scenario(new Queue<number>()));
    assert(failure?.includes("lost wake"), `not found: ${failure}`);
  });
}
