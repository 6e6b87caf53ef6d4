/**
 * Every schedule of a few agents at a pipe, with up to two preemptions: no wake is lost, no message either. The last ones
 * seed bugs in the same protocol, which must be found.
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Connection } from "../../src/channel/connection.ts";
import { PipeEnd } from "../../src/channel/pipe_end.ts";
import { PipeMemory } from "../../src/channel/pipe_memory.ts";
import { COUNTER, explore, type Scenario } from "../kit/interleave.ts";
import { LONG } from "../kit/pipe_scenarios.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** A pipe, and its memory; in the first direction stand so many messages. */
function pipe(messages = 0): Record<string, object> {
  const memory = PipeMemory.create(true);
  const connections = [0, 1].map((side) => {
    const end = PipeEnd.of(memory, side);
    end.add();
    return new Connection<unknown>(end);
  });
  for (let i = 0; i < messages; i++) connections[0]?.sendBytesSync(new Uint8Array(LONG));
  return { connections, buffer: memory.buffer };
}

/** A pipe that nobody holds yet, and words for what a message would carry. */
function unheld(): Record<string, object> {
  return { buffer: PipeMemory.create(false).buffer, words: new Int32Array(new SharedArrayBuffer(16)) };
}

/** So many long ones fit. */
const FULL = 17;

const counted = (wanted: number) => (control: Words): string | undefined =>
  control[COUNTER] === wanted ? undefined : `${control[COUNTER]} instead of ${wanted}`;

const SOUND: Record<string, Scenario> = {
  "one sends, one receives": { agents: ["pipeSendTwo", "pipeReceiveTwo"], objects: pipe(), check: counted(2) },
  "one sends, two receive": {
    agents: ["pipeSendTwo", "pipeReceive", "pipeReceive"],
    objects: pipe(),
    check: counted(2),
    limit: 1200,
  },
  "two send, one receives": {
    agents: ["pipeSend", "pipeSend", "pipeReceive"],
    objects: pipe(),
    check: counted(1),
    limit: 1200,
  },
  "one asks, one answers": {
    agents: ["pipeAsk", "pipeEcho"],
    objects: pipe(),
    check: counted(1),
    limit: 1500,
  },
  "one polls, one receives": {
    agents: ["pipePoll", "pipeSendTwo", "pipeReceive"],
    objects: pipe(),
    check: counted(2),
    limit: 1200,
  },
  "a sender waits for room": {
    agents: ["pipeSendLong", "pipeReceiveLong"],
    objects: pipe(FULL),
    check: counted(1),
    limit: 1500,
  },
  "a sender waits for room, two receive": {
    agents: ["pipeSendLong", "pipeReceiveLong", "pipeReceiveLong"],
    objects: pipe(FULL),
    check: counted(1),
    limit: 600,
  },
  "a receiver waits, and the other end is closed": {
    agents: ["pipeReceiveEnd", "pipeEndFirst"],
    objects: pipe(),
    check: counted(1),
  },
  "a sender waits for room, and the other end is closed": {
    agents: ["pipeSendBroken", "pipeEndSecond"],
    objects: pipe(FULL),
    check: counted(1),
  },
  "a copy arrives while its sender says that it is on its way": {
    agents: ["pipeTicketSend", "pipeTicketTake"],
    objects: unheld(),
    check: counted(2),
    limit: 3000,
  },
  "a copy is passed on, and somebody looks whether there is any": {
    agents: ["pipeTicketPass", "pipeTicketTake", "pipeTicketLook"],
    objects: unheld(),
    check: counted(2),
    limit: 3000,
  },
  "the protocol by itself": {
    agents: ["bellReceive", "bellSend"],
    objects: { words: new Int32Array(new SharedArrayBuffer(16)) },
  },
};

const SEEDED: Record<string, Scenario> = {
  "a receiver that reads the bell after it has looked": {
    agents: ["brokenBellReceive", "bellSend"],
    objects: { words: new Int32Array(new SharedArrayBuffer(16)) },
  },
  "a sender that looks at the flag before it publishes": {
    agents: ["bellReceive", "brokenFlagSend"],
    objects: { words: new Int32Array(new SharedArrayBuffer(16)) },
  },
};

for (const [name, scenario] of Object.entries(SOUND)) {
  test(`Pipe: ${name}: every schedule is sound`, async () => {
    const { schedules, failure } = await explore(scenario);
    assertEquals(failure, undefined);
    assert(schedules > 1);
  });
}

for (const [name, scenario] of Object.entries(SEEDED)) {
  test(`Pipe: the seeded bug is found: ${name}`, async () => {
    const { failure } = await explore(scenario);
    assert(failure?.includes("lost wake"), `not found: ${failure}`);
  });
}
