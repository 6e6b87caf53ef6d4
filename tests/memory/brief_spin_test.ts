// The spin of an agent before it goes to sleep: when it is tried, and when it is long.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { BriefSpin } from "../../src/memory/brief_spin.ts";

const always = (): boolean => true;
const never = (): boolean => false;

/** Something that comes in a millisecond: after every short spin, and before a long one is over. */
function soon(): () => boolean {
  const at = performance.now() + 1;
  return () => performance.now() >= at;
}

describe("BriefSpin", () => {
  it("finds what is there, also where it had given up trying each time", () => {
    const spin = new BriefSpin();
    assert(spin.until(always, always));
    for (let i = 0; i < 100; i++) assertEquals(spin.until(never, always), false);
    let tries = 0;
    while (!spin.until(always, always)) tries++;
    assert(tries < 8, `found at try ${tries}`);
    assert(spin.until(always, always));
  });

  it("does not even look where it may not spin", () => {
    let looks = 0;
    assertEquals(new BriefSpin(true).until(() => ++looks > 0, never), false);
    assertEquals(looks, 0);
  });

  it("after many misses in a row one spin is long enough for what short ones miss", () => {
    const spin = new BriefSpin(true);
    let misses = 0;
    while (!spin.until(soon(), always)) assert(++misses <= 128, `${misses} misses`);
  });
});
