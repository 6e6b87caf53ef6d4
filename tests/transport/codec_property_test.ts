// The codec against structured clone, for random values of every kind.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { decode, Encoder, NO_ROOM } from "../../src/transport/codec.ts";
import { SEED } from "../kit/random.ts";
import { SOAK } from "../kit/runtime.ts";
import { difference } from "../kit/same.ts";
import { build, recipes } from "../kit/values.ts";

const RUNS = { seed: SEED, numRuns: SOAK ? 20_000 : 1500 };

const encoder = new Encoder();

function cross(value: unknown): unknown {
  const length = encoder.encode(value, "value");
  assert(length > 0, `encode() gave ${length}`);
  return decode(encoder.bytes, 0, length);
}

describe("the codec and structured clone", () => {
  it("give the same, for random values", () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        const value = build(recipe, false);
        assertEquals(difference(structuredClone(value), cross(value)), undefined);
      }),
      RUNS,
    );
  });

  it("would be told apart if one value in it were another", () => {
    // The comparison itself: a change of one leaf of a decoded value, anywhere, is seen.
    let changed = 0;
    fc.assert(
      fc.property(recipes, fc.nat(), (recipe, which) => {
        const value = build(recipe, false);
        const back = cross(value);
        if (!changeOne(back, which)) return;
        changed++;
        assert(difference(structuredClone(value), back) !== undefined);
      }),
      { ...RUNS, numRuns: 300 },
    );
    assert(changed > 50, `${changed} were changed`);
  });

  it("leave what they are given as it is", () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        const value = build(recipe, true);
        cross(value);
        assertEquals(difference(build(recipe, true), value), undefined);
      }),
      { ...RUNS, numRuns: 300 },
    );
  });
});

/** Changes one property, entry or byte; false if there is none. */
function changeOne(value: unknown, which: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof Map) {
    if (value.size === 0) return false;
    value.set([...value.keys()][which % value.size], "changed");
  } else if (value instanceof Set) value.add("changed");
  else if (ArrayBuffer.isView(value)) {
    if (value.byteLength === 0) return false;
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    bytes[which % bytes.length] = (bytes[which % bytes.length] as number) ^ 1;
  } else if (value instanceof Date) value.setTime(value.getTime() === 1 ? 2 : 1);
  else {
    const keys = Object.keys(value).filter((key) => Object.getOwnPropertyDescriptor(value, key)?.writable === true);
    if (keys.length === 0) return false;
    const key = keys[which % keys.length] as string;
    Object.defineProperty(value, key, { value: "changed", enumerable: true });
  }
  return true;
}

describe("Encoder.encodeInto()", () => {
  it("writes what encode() writes, wherever it is told to, and nothing else, or has no room", () => {
    fc.assert(
      fc.property(recipes, fc.nat(50), fc.boolean(), (recipe, start, shared) => {
        const value = build(recipe, true);
        const length = encoder.encode(value, "value");
        const wanted = decode(encoder.bytes, 0, length);
        // It may ask for more room than it needs, but not for more than that.
        const plenty = 3 * length + 16;
        const size = start + plenty + 20;
        const target = new Uint8Array(shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size));
        for (const room of [plenty, length, length - 1, length - 2, length >> 1, 0]) {
          if (room < 0) continue;
          target.fill(0xee);
          const end = encoder.encodeInto(value, "value", target, start, start + room);
          if (end === NO_ROOM) assert(room !== plenty, `${length} bytes do not fit into ${room}`);
          else {
            assert(end > start && end <= start + room);
            assertEquals(difference(decode(target, start, end), wanted), undefined);
          }
          assert(target.subarray(0, start).every((byte) => byte === 0xee));
          assert(target.subarray(start + room).every((byte) => byte === 0xee));
        }
      }),
      { ...RUNS, numRuns: 500 },
    );
  });
});
