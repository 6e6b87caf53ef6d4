// Deaths and revocations at every step of a lane, in one thread: the worker's side dies at each of its atomic operations in turn, or is
// held there while the host does something whole. After that the host must know exactly what was done, what had begun, and what not.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { load, newWords, setGate } from "../../src/memory/atomics.ts";
import { BY_MESSAGE, CARRIER_BITS } from "../../src/transport/lane_memory.ts";
import { CHUNK, LanePort } from "../../src/transport/lane_port.ts";
import type { MemoryMessage, TicketMessage } from "../../src/transport/protocol.ts";
import { RingLane } from "../../src/transport/ring_lane.ts";
import { doomedAgent } from "../kit/death.ts";

const REFERENCE = { id: 1 };
const OWN = newWords(4);

/** Both sides of a lane, and what each knows. */
function bothSides(values: readonly unknown[], showEach: boolean) {
  const results = new Map<number, unknown>();
  const fromHost: { readonly kind: string }[] = [];
  const fromWorker: MemoryMessage[] = [];
  const lane: RingLane<typeof REFERENCE> = new RingLane<typeof REFERENCE>(
    (message) => fromHost.push(message as { readonly kind: string }),
    {
      onResult(slot, value) {
        assert(!results.has(slot), `slot ${slot} came twice`);
        results.set(slot, value);
      },
      onUnreadable(_slot, error) {
        throw error;
      },
      onRefused(_slot, error) {
        throw error;
      },
    },
  );
  const port = new LanePort(lane.memory, () => {}, (message) => fromWorker.push(message));
  const slots = values.map((value) =>
    lane.send({ reference: REFERENCE, mode: "apply", keepGoing: false }, [value], false, undefined)
  );
  lane.flush();
  for (const message of fromHost) {
    if (message.kind === "ticket") {
      port.addTicket((message as TicketMessage).items, (message as TicketMessage).memories);
    }
    if (message.kind === "memory") port.addMemory(message as MemoryMessage);
  }
  /** What the worker has begun, has a result of in its ring, and has shown. */
  const begun: number[] = [];
  const sent: number[] = [];
  const work = (): void => {
    while (port.look() === CHUNK) {
      const { slot, kind } = port;
      if (!port.claim()) continue;
      begun.push(slot);
      const byMessage = (kind & CARRIER_BITS) === BY_MESSAGE;
      const value = byMessage ? (port.ticket().value as unknown[])[0] : port.value();
      // The call itself: there one can die as well.
      load(OWN, 0);
      port.send(slot, sizeOf(value), "result", false, undefined, 0, 1);
      sent.push(slot);
      if (showEach) port.flush();
    }
    port.flush();
  };
  /** The host hears of the death: three lists that must be all there is. */
  const judge = (): { done: number[]; started: number[]; waiting: number[] } => {
    for (const message of fromWorker) lane.addMemory(message);
    lane.drain();
    const out = slots.filter((slot) => !results.has(slot));
    return {
      done: [...results.keys()],
      started: out.filter((slot) => lane.hasStarted(slot)),
      waiting: out.filter((slot) => !lane.hasStarted(slot)),
    };
  };
  return { lane, port, slots, results, begun, sent, work, judge };
}

function sizeOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { memory } = value as { memory?: SharedArrayBuffer };
  return memory === undefined ? new Uint8Array((value as { length: number }).length).fill(120) : memory.byteLength;
}

const VALUES: Record<string, () => unknown[]> = {
  "numbers": () => [10, 20, 30],
  "texts": () => ["a", "é".repeat(500), "c"],
  "values by message among others":
    () => [1, { memory: new SharedArrayBuffer(16) }, { memory: new SharedArrayBuffer(24) }, 4],
  "values and results beside the ring": () => [1, { length: 400_000 }, new Uint8Array(400_000).fill(121), 4],
};

for (const [what, make] of Object.entries(VALUES)) {
  for (const showEach of [true, false]) {
    const how = showEach ? "shown one by one" : "shown together";
    describe(`a worker that dies at any step of ${what}, ${how}`, () => {
      it("leaves its host knowing what is done, what had begun and what can be sent again", () => {
        const points = new Set<string>();
        let lived = false;
        for (let step = 0; !lived; step++) {
          const sides = bothSides(make(), showEach);
          const { lane, slots, results, begun, sent, work, judge } = sides;
          const values = make();
          lived = !doomedAgent().diesAt(step, work);
          const { done, started, waiting } = judge();
          const where = `step ${step}`;
          assertEquals([...done, ...started].sort(), [...begun].sort(), `begun, ${where}`);
          assertEquals(waiting, slots.filter((slot) => !begun.includes(slot)), `not begun, ${where}`);
          assert(done.every((slot) => sent.includes(slot)), where);
          slots.forEach((slot, i) => {
            if (results.has(slot)) {
              assertEquals(results.get(slot), sizeOf(values[i]), `the result of call ${i}, ${where}`);
            }
          });
          // Where it died, in words.
          if (begun.length === 0) points.add("before the first claim");
          if (begun.length > sent.length) points.add("after a claim, before its result");
          if (sent.length > done.length) points.add("after the commit of a result, before it was shown");
          if (done.length > 0 && !lived && done.length === sent.length) points.add("after a result was shown");
          if (lived) assertEquals(done.length, slots.length);
          // What had not begun can be taken back, and cannot be then.
          for (const slot of waiting) assertEquals([lane.revoke(slot), lane.revoke(slot)], [true, false], where);
          lane.close();
        }
        const wanted = [
          "before the first claim",
          "after a claim, before its result",
          "after the commit of a result, before it was shown",
        ];
        if (showEach) wanted.push("after a result was shown");
        for (const point of wanted) assert(points.has(point), `no death ${point}: ${[...points].join()}`);
      });
    });
  }
}

/** Runs `body`, and `between` whole before the `step`-th atomic operation of it; false when it has fewer. */
function heldAt(step: number, body: () => void, between: () => void): boolean {
  let left = step;
  const tick = (): void => {
    if (left-- !== 0) return;
    setGate(undefined);
    between();
    setGate(gate);
  };
  const gate = {
    step: tick,
    wait: (): never => {
      throw new Error("nobody waits here");
    },
    notify: (words: Int32Array<SharedArrayBuffer>, index: number, count: number): number => {
      tick();
      return Atomics.notify(words, index, count);
    },
  };
  setGate(gate);
  try {
    body();
  } finally {
    setGate(undefined);
  }
  return left < 0;
}

describe("a chunk that its host takes back", () => {
  for (const [what, make] of Object.entries(VALUES)) {
    it(`while its worker is at any step of ${what} runs there, or is had back: never both, never neither`, () => {
      let backs = 0;
      let lates = 0;
      for (let victim = 0; victim < make().length; victim++) {
        for (let step = 0, more = true; more; step++) {
          const { lane, slots, begun, work, judge, results } = bothSides(make(), true);
          const slot = slots[victim] as number;
          let taken: boolean | undefined;
          more = heldAt(step, work, () => taken = lane.revoke(slot));
          if (!more) taken = lane.revoke(slot);
          taken ? backs++ : lates++;
          const where = `call ${victim}, step ${step}`;
          assertEquals(begun.includes(slot), !taken, where);
          const { done } = judge();
          assertEquals(done.length, slots.length - (taken ? 1 : 0), where);
          slots.forEach((other, i) => {
            if (other !== slot || !taken) assertEquals(results.get(other), sizeOf(make()[i]), where);
          });
          lane.close();
        }
      }
      assert(backs > 0 && lates > 0, `${backs} were had back, ${lates} not`);
    });

    it(`is not lost when the worker does all of ${what} at any step of the host's look`, () => {
      for (let victim = 0; victim < make().length; victim++) {
        for (let step = 0, more = true; more; step++) {
          const { lane, slots, begun, work, judge } = bothSides(make(), true);
          const slot = slots[victim] as number;
          let taken: boolean | undefined;
          more = heldAt(step, () => taken = lane.revoke(slot), work);
          if (!more) work();
          const where = `call ${victim}, step ${step}`;
          assertEquals(begun.includes(slot), !taken, where);
          assertEquals(judge().done.length, slots.length - (taken ? 1 : 0), where);
          lane.close();
        }
      }
    });
  }

  it("has its slot used again by another, and the worker's old record does not stand for that", () => {
    for (let step = 0, more = true; more; step++) {
      const { lane, slots, begun, work, judge, results } = bothSides([1, 2, 3], true);
      let again = -1;
      let taken = false;
      more = heldAt(step, work, () => {
        taken = lane.revoke(slots[1] as number);
        if (!taken) return;
        again = lane.send({ reference: REFERENCE, mode: "apply", keepGoing: false }, [77], false, undefined);
        lane.flush();
      });
      if (taken) {
        assertEquals(again, slots[1], `step ${step}`);
        // It may have looked for the last time before that came.
        work();
        judge();
        assertEquals([...results.values()].sort(), [1, 3, 77], `step ${step}`);
      } else {
        judge();
        assertEquals([...results.values()], [1, 2, 3], `step ${step}`);
      }
      assertEquals(begun.length, 3, `step ${step}`);
      lane.close();
    }
  });
});
