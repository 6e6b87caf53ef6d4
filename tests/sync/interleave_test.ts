/**
 * Every schedule of a few agents, with up to two preemptions: exclusion holds, no wake and no permit is lost. Every
 * scenario is explored whole, which is some dozens to some thousands of schedules; a test that the limit cut short fails. With
 * MANYCORE_SOAK=1 there are up to three preemptions, and 25,000 schedules of a scenario at most: all there are for two agents
 * and for most with three. The second half seeds one bug of each kind, which must be found.
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Barrier } from "../../src/sync/barrier.ts";
import { Condition } from "../../src/sync/condition.ts";
import { Event } from "../../src/sync/event.ts";
import { Lock } from "../../src/sync/lock.ts";
import { RWLock } from "../../src/sync/rwlock.ts";
import { BoundedSemaphore, Semaphore } from "../../src/sync/semaphore.ts";
import { COUNTER, explore, type Scenario } from "../kit/interleave.ts";
import { SOAK } from "../kit/runtime.ts";
import { wordsOf } from "./words.ts";

type Words = Int32Array<SharedArrayBuffer>;

/** Words that agents share, for the seeded bugs and for predicates. */
function words(...values: number[]): Words {
  const made = new Int32Array(new SharedArrayBuffer(64));
  made.set(values);
  return made;
}

const counted = (wanted: number) => (control: Words): string | undefined =>
  control[COUNTER] === wanted ? undefined : `${control[COUNTER]} instead of ${wanted}`;

function lockFree(lock: { readonly locked: boolean }): () => string | undefined {
  return () => lock.locked ? "the lock is held at the end" : undefined;
}

const meeting = new Barrier(3);
/** The places of those that have arrived in the first round. */
const places = (): Words => wordsOf(meeting).subarray(36, 39) as Words;

const lock = new Lock();
const rw = new RWLock();
const one = new Semaphore(1);
const none = new Semaphore(0);
const bounded = new BoundedSemaphore(1);

const SOUND: Record<string, Scenario> = {
  "Lock: two agents": { agents: ["lockTwice", "lock"], objects: { lock }, check: lockFree(lock) },
  "Lock: two agents with claims": {
    agents: ["lockTwice", "lockTwice"],
    objects: { lock },
    fastClock: true,
    check: lockFree(lock),
  },
  "Lock: three agents": {
    agents: ["lock", "lock", "lock"],
    objects: { lock },
    check: lockFree(lock),
  },
  "Lock: three agents with claims": {
    agents: ["lock", "lock", "lock"],
    objects: { lock },
    fastClock: true,
    check: lockFree(lock),
  },
  "Lock: one of three may time out": {
    agents: ["lock", "lockTimed", "lock"],
    objects: { lock },
    mayTimeOut: [1],
    check: lockFree(lock),
  },
  "Lock: a claimer may time out": {
    agents: ["lock", "lockTimed", "lock"],
    objects: { lock },
    mayTimeOut: [1],
    fastClock: true,
    check: lockFree(lock),
  },
  "Lock: the claim of one that goes away is handed while the holder before still looks at it": {
    agents: ["lock", "lock", "lockTimed"],
    objects: { lock },
    mayTimeOut: [2],
    fastClock: true,
    opening: [
      [0, "inside 0", 2], // it holds the lock
      [2, "asleep"],
      [0, "exchange 0"],
      [0, "load 1"], // it has freed the lock, and is about to look at CLAIM once more
      [1, "inside 0", 2], // the next one has it
      [2, "times out"],
      [2, "compareExchange 1", 2], // it has claimed, and is about to take that back
    ],
    check: lockFree(lock),
  },
  "RWLock: two writers": {
    agents: ["lock", "lock"],
    objects: { lock: rw.write },
    check: lockFree(rw.write),
  },
  "RWLock: a reader and a writer": {
    agents: ["lock", "lockOtherTwice"],
    objects: { lock: rw.write, other: rw.read },
    check: () => lockFree(rw.write)() ?? lockFree(rw.read)(),
  },
  "RWLock: two readers see both words of a writer or none": {
    agents: ["readPair", "readPair", "writePair"],
    objects: { lock: rw.write, other: rw.read, words: words(0, 0) },
    check: () => lockFree(rw.write)() ?? lockFree(rw.read)(),
  },
  "Semaphore(1): excludes": {
    agents: ["permitExclusive", "permitExclusive"],
    objects: { semaphore: one },
    check: () => one.value === 1 ? undefined : `${one.value} permits`,
  },
  "Semaphore(1): three agents, one may time out": {
    agents: ["permit", "permitTimed", "permit"],
    objects: { semaphore: one },
    mayTimeOut: [1],
    check: () => one.value === 1 ? undefined : `${one.value} permits`,
  },
  "BoundedSemaphore(1): with claims": {
    agents: ["permit", "permitTimed", "permit"],
    objects: { semaphore: bounded },
    mayTimeOut: [1],
    fastClock: true,
    check: () => bounded.value === 1 ? undefined : `${bounded.value} permits`,
  },
  "Semaphore(0): release(2) reaches two": {
    agents: ["permitTake", "permitTake", "permitGiveTwo"],
    objects: { semaphore: none },
    check: counted(2),
  },
  "Semaphore(0): two releases reach two": {
    agents: ["permitTake", "permitTake", "permitGiveOneTwice"],
    objects: { semaphore: none },
    check: counted(2),
  },
  "Semaphore(0): two releases, two waits, with claims": {
    agents: ["permitTake", "permitGiveOne", "permitGiveOne"],
    objects: { semaphore: none },
    fastClock: true,
    check: (control) => counted(1)(control) ?? (none.value === 1 ? undefined : `${none.value} permits`),
  },
  "Condition: one waits, one gives": {
    agents: ["conditionWait", "conditionGive"],
    objects: { condition: new Condition(new Lock()), words: words(0) },
    check: counted(1),
  },
  "Condition: two wait, one gives to both": {
    agents: ["conditionWait", "conditionWait", "conditionGiveTwo"],
    objects: { condition: new Condition(new Lock()), words: words(0) },
    check: counted(2),
  },
  "Condition: a wait that times out swallows no notify": {
    // Whoever gets the one notify, the second of them goes on: the first, if it was notified, passes it on.
    agents: ["conditionPassTimed", "conditionWait", "conditionGive"],
    objects: { condition: new Condition(), words: words(0) },
    mayTimeOut: [0],
    check: counted(1),
  },
  "Condition: a notify is for who came before it": {
    agents: ["conditionWaitTwice", "conditionGive", "conditionGive"],
    objects: { condition: new Condition(new Lock()), words: words(0) },
    check: counted(2),
  },
  "Event: set() reaches two": {
    agents: ["eventWait", "eventWait", "eventSet"],
    objects: { event: new Event() },
    check: counted(2),
  },
  "Event: pulses": { agents: ["eventWait", "eventPulse"], objects: { event: new Event() }, check: counted(1) },
  "Barrier(2): two rounds": { agents: ["barrierTwice", "barrierTwice"], objects: { barrier: new Barrier(2) } },
  "Barrier(3): a round": {
    agents: ["barrierOnce", "barrierOnce", "barrierOnce"],
    objects: { barrier: new Barrier(3) },
    check: counted(3),
  },
  "Barrier(2): and an abort": {
    agents: ["barrierOnce", "barrierOnce", "barrierAbort"],
    objects: { barrier: new Barrier(2) },
    check: (control) => control[COUNTER] === 1 ? "one passed and one did not" : undefined,
  },
  "Barrier(2): and a reset": {
    agents: ["barrierOnceTimed", "barrierOnceTimed", "barrierReset"],
    objects: { barrier: new Barrier(2) },
    mayTimeOut: [0, 1],
    // One may come before the reset and one after it: then the second waits until its time is over.
    check: (control) => control[COUNTER] === 1 ? "one passed and one did not" : undefined,
  },
  "Barrier(2): a reset that comes too late": {
    agents: ["barrierOnce", "barrierOnce", "barrierReset", "barrierOnceTimed"],
    objects: { barrier: new Barrier(2) },
    mayTimeOut: [3],
    opening: [[0, "asleep"], [2, "compareExchange 0"], [1, "done"]], // reset() has seen a round that is over by then
    check: (control) => (control[COUNTER] as number) % 2 === 1 ? "one passed and one did not" : undefined,
  },
  "Barrier(3): nobody signs over who has arrived": {
    agents: ["barrierOnce", "barrierOnce", "barrierOnce"],
    objects: { barrier: meeting },
    opening: [[1, "load 0"], [1, "compareExchange 36"]], // it has read that nobody is here, and is about to sign the first place
    check: (control) => {
      const signed = new Set(places());
      return counted(3)(control) ?? (signed.size === 3 && !signed.has(0) ? undefined : `signed: ${[...signed]}`);
    },
  },
};

const SEEDED: Record<string, readonly [string, Scenario]> = {
  "a lock that looks before it takes": ["two agents are inside", {
    agents: ["brokenExclusion", "brokenExclusion"],
    objects: { words: words(0) },
  }],
  "a lock whose sleeper announces itself outside of the word": ["lost wake", {
    agents: ["brokenWake", "brokenWake"],
    objects: { words: words(0) },
  }],
  "a semaphore that reads and writes": ["permits", {
    agents: ["brokenPermit", "brokenPermit"],
    objects: { words: words(2) },
  }],
  "a condition that reads its sequence too late": ["lost wake", {
    agents: ["brokenConditionWait", "brokenConditionGive"],
    objects: { lock: new Lock(), words: words(0, 0) },
  }],
  "a barrier that opens too early": ["lost wake", {
    agents: ["brokenBarrier", "brokenBarrier"],
    objects: { words: words(0) },
  }],
};

for (const [name, scenario] of Object.entries(SOUND)) {
  test(`${name}: every schedule is sound`, async () => {
    const { schedules, whole, failure } = await explore({ ...scenario, limit: 25_000, preemptions: SOAK ? 3 : 2 });
    assertEquals(failure, undefined);
    assert(schedules > 20 && (whole || SOAK), `${schedules} schedules${whole ? "" : " and more"}`);
  });
}

for (const [name, [wanted, scenario]] of Object.entries(SEEDED)) {
  test(`the seeded bug is found: ${name}`, async () => {
    const shared = (scenario.objects as { words: Words }).words;
    const check = wanted === "permits"
      ? (): string | undefined => shared[0] === 2 ? undefined : `${shared[0]} permits`
      : undefined;
    const { failure } = await explore({ ...scenario, ...(check && { check }) });
    assert(failure?.includes(wanted), `not found: ${failure}`);
  });
}
