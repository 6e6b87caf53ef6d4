/**
 * The ring, the bells at its ends, and the claim of a chunk, in every schedule of two agents with up to three preemptions. The second
 * half seeds one bug of each kind, which must be found.
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { COUNTER, explore, type Scenario } from "../kit/interleave.ts";
import { laneWords, READ } from "../kit/interleave_lanes.ts";

const counted = (wanted: number) => (control: Int32Array<SharedArrayBuffer>): string | undefined =>
  control[COUNTER] === wanted ? undefined : `${control[COUNTER]} instead of ${wanted}`;

const words = laneWords();

const SOUND: Record<string, Scenario> = {
  "a ring that is full and empty by turns: no wake is lost and every record is right": {
    agents: ["ringProduce", "ringConsume"],
    objects: { words },
    check: counted(READ),
    preemptions: 3,
  },
  "the same, with the reader first": {
    agents: ["ringConsume", "ringProduce"],
    objects: { words },
    check: counted(READ),
    preemptions: 3,
  },
  "the same with a reader that sleeps on its event loop, by the doorbell of hosts and workers": {
    agents: ["ringConsumeOnLoop", "ringProduce"],
    objects: { words },
    check: counted(READ),
    preemptions: 3,
  },
  "a claim: the worker starts the chunk or the host takes it back, never both": {
    agents: ["claimStart", "claimRevoke"],
    objects: { words },
    check: counted(1),
    preemptions: 3,
  },
};

const SEEDED: Record<string, Scenario> = {
  "a reader that looks before it announces its sleep": {
    agents: ["ringConsumeLooksFirst", "ringProduce"],
    objects: { words },
  },
  "a reader that sleeps on its event loop although it was rung": {
    agents: ["ringConsumeForgets", "ringProduce"],
    objects: { words },
  },
  "a writer that rings before it publishes": { agents: ["ringConsume", "ringProduceRingsFirst"], objects: { words } },
  "a reader that gives the room back before it has read": {
    agents: ["ringProduce", "ringConsumeReleasesFirst"],
    objects: { words },
  },
  "a claim by a look and a write": {
    agents: ["claimStartBroken", "claimRevoke"],
    objects: { words },
    check: counted(1),
  },
};

for (const [name, scenario] of Object.entries(SOUND)) {
  test(name, async () => {
    const { schedules, failure, whole } = await explore(scenario);
    assertEquals(failure, undefined);
    assert(schedules > 2, `${schedules} schedules`);
    assert(whole, `only ${schedules} of the schedules`);
  });
}

for (const [name, scenario] of Object.entries(SEEDED)) {
  test(`found: ${name}`, async () => {
    const { failure } = await explore(scenario);
    assert(failure !== undefined, "the seeded bug was not found");
  });
}
