// A rival that gives wrong results must not be timed, and one that does not run somewhere is a row with the reason: each adapter either
// gives right results here, or says beforehand why not. The same holds for the bare workers that the benchmarks compare with.

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Contestant, Settings } from "../../bench/contestant.ts";
import { expectIncremented, numbers, warmCall } from "../../bench/field.ts";
import { ours } from "../../bench/ours.ts";
import { nodeMessages, webMessages } from "../../bench/raw/messages.ts";
import { ring } from "../../bench/raw/ring.ts";
import { RIVALS } from "../../bench/rivals/mod.ts";
import { onlyOn, skipOn } from "../kit/runtime.ts";

const ONE: Settings = { workers: 1, inFlight: 1 };
const TWO: Settings = { workers: 2, inFlight: 2000 };

const VALUE = { name: "λόγος", list: [1, 2.5, null, true], deep: { empty: {} } };

/** Runs with an opened contestant, and closes it: some never say that they have closed, which is not the question here. */
async function withOpened(
  contestant: Contestant,
  settings: Settings,
  fn: (opened: Awaited<ReturnType<Contestant["open"]>>) => Promise<void>,
): Promise<void> {
  const opened = await contestant.open(settings);
  try {
    await fn(opened);
  } finally {
    let patience: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([opened.close(), new Promise((late) => patience = setTimeout(late, 1000))]);
    clearTimeout(patience);
  }
}

// In this order: the last one replaces globals on Node.
for (const contestant of [nodeMessages, webMessages, ring, ours, ...RIVALS]) {
  describe(`${contestant.name} as a contestant`, () => {
    const refusal = contestant.refusal?.(ONE);
    it("gives right results, or says why it cannot", { skip: refusal ?? false }, async () => {
      await withOpened(contestant, ONE, async (opened) => {
        await warmCall(opened, "increment", 41, 42, 1);
        await warmCall(opened, "fibonacci", 15, 610, 1);
        const echo = opened.call("echo");
        for (const value of ["", "ASCII", "äöü 言葉 😀", VALUE]) assertEquals(await echo(value), value);
        const bytes = await echo(new Uint8Array([1, 2, 255]));
        assert(bytes instanceof Uint8Array);
        assertEquals([...bytes], [1, 2, 255]);
        if (opened.move === undefined) return;
        const moved = await opened.move()(new Uint8Array([7, 8]).buffer);
        assert(moved instanceof ArrayBuffer);
        assertEquals([...new Uint8Array(moved)], [7, 8]);
      });
    });

    const many = contestant.refusal?.(TWO);
    it("gives each of 2,000 calls in flight its own result", { skip: many ?? false }, async () => {
      await withOpened(contestant, TWO, async (opened) => {
        const call = await warmCall(opened, "increment", 41, 42, 2);
        const items = numbers(2000);
        expectIncremented(await Promise.all(items.map(call)), items);
        const map = opened.map?.("increment");
        if (map !== undefined) expectIncremented(await map(items), items);
      });
    });
  });
}

describe("the reasons of those who do not take part", () => {
  for (const name of ["coincident", "poolifier-web-worker"]) {
    it(`${name} does not start on Node`, { skip: onlyOn(["node"], "it does start here") }, async () => {
      const rival = RIVALS.find((rival) => rival.name === name) as Contestant;
      assert(rival.refusal?.(ONE) !== undefined);
      // multithreading has put a global Worker there meanwhile, which this one takes for the web's.
      const { Worker } = globalThis as { Worker?: unknown };
      delete (globalThis as { Worker?: unknown }).Worker;
      try {
        await assertRejects(async () => {
          const opened = await rival.open(ONE);
          await opened.close();
        });
      } finally {
        if (Worker !== undefined) (globalThis as { Worker?: unknown }).Worker = Worker;
      }
    });
  }

  it("workerpool is refused on Bun alone", { skip: skipOn({ bun: "its calls hang" }) }, () => {
    const workerpool = RIVALS.find(({ name }) => name === "workerpool") as Contestant;
    assertEquals(workerpool.refusal?.(ONE), undefined);
  });
});
