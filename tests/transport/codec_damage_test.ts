// Damaged bytes: decode() never crashes, hangs, allocates more than the bytes can mean, or looks outside of its message. It gives a
// value or throws an EncodingError.

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { EncodingError } from "../../src/errors.ts";
import { decode, Encoder } from "../../src/transport/codec.ts";
import { registerHandle } from "../../src/transport/handles.ts";
import { randomNumbers, SEED } from "../kit/random.ts";
import { SOAK } from "../kit/runtime.ts";
import { difference } from "../kit/same.ts";
import { build, recipes } from "../kit/values.ts";

const CASES = SOAK ? 2_000_000 : 30_000;

class Handle {
  readonly parts: unknown;
  constructor(parts: unknown) {
    this.parts = parts;
  }
}
registerHandle<Handle, { parts: unknown }>("TestDamaged", Handle, {
  detach: ({ parts }) => ({ parts }),
  attach: ({ parts }) => new Handle(parts),
});

const memory = new SharedArrayBuffer(64);
const courier = { export: () => 7, import: (id: number) => (id === 7 ? memory : undefined) };
const encoder = new Encoder(courier);

function encode(value: unknown): Uint8Array {
  const length = encoder.encode(value, "value");
  return encoder.bytes.slice(0, length);
}

// deno-lint-ignore no-explicit-any -- a cyclic value
const cycle: any = { list: [1, 2], map: new Map(), next: { up: null } };
cycle.next.up = cycle;
cycle.map.set(cycle, cycle.next);
let deep: unknown = null;
for (let i = 0; i < 250; i++) deep = i % 2 === 0 ? { deep } : [deep, { i }];

/** A message of every kind. */
const MESSAGES: readonly Uint8Array[] = [
  5,
  -1.5,
  "text",
  "é".repeat(100),
  "\ud800 alone",
  2n ** 100n,
  [1, 2, 3],
  Array.from({ length: 300 }, (_, i) => i * 1000),
  [0.5, 1.5, -0],
  Object.assign(Array.from({ length: 4200 }, (_, i) => i === 4150 ? "x" : i % 100), { name: 1 }),
  ["a", null, undefined, , true],
  Object.assign([1], { name: 1 }),
  Object.assign(new Array(1000), { 999: 1 }),
  { a: 1, b: "x", c: [{ d: 1 }] },
  Array.from({ length: 20 }, (_, i) => ({ id: i, name: `n${i}`, ok: i % 2 === 0, x: i / 3 })),
  new Map<unknown, unknown>([[1, "a"], ["b", { c: 1 }]]),
  new Set([1, "x", [2]]),
  new Date(1e12),
  /a+/gi,
  Object("boxed"),
  new Uint8Array(100),
  new Float64Array([1, 2, 3]),
  [new Uint8Array(new ArrayBuffer(16), 4, 8), new ArrayBuffer(3, { maxByteLength: 10 })],
  new RangeError("e", { cause: { x: 1 } }),
  new AggregateError([new Error("a")], "all"),
  new DOMException("a", "AbortError"),
  cycle,
  deep,
  [new Handle([1, { x: 1 }]), new Handle(new Handle("inner"))],
  [memory, new Int32Array(memory, 8, 2)],
].map(encode);

/** What came of a message: a value, or the words of an EncodingError. Anything else fails the test. */
function outcome(bytes: Uint8Array, start: number, end: number): { value: unknown } | { error: string } {
  try {
    return { value: decode(bytes, start, end, courier) };
  } catch (error) {
    assert(error instanceof EncodingError, `${String(error)} of ${[...bytes.subarray(start, end)]}`);
    return { error: error.message };
  }
}

/** The same message in the midst of other bytes must mean the same: nothing outside of it is looked at. */
function check(message: Uint8Array): boolean {
  const outcomes = [0x00, 0xff].map((around) => {
    const bytes = new Uint8Array(message.length + 64).fill(around);
    bytes.set(message, 32);
    return outcome(bytes, 32, 32 + message.length);
  });
  assertEquals(difference(outcomes[0], outcomes[1]), undefined, `looked outside of ${[...message]}`);
  return "value" in (outcomes[0] as object);
}

describe("decode() of damaged bytes", () => {
  it(`throws or gives a value, for ${CASES} messages with bytes changed, removed, added and swapped`, () => {
    const random = randomNumbers(SEED);
    const below = (n: number): number => Math.floor(random() * n);
    let values = 0;
    for (let i = 0; i < CASES; i++) {
      const message = [...MESSAGES[below(MESSAGES.length)] as Uint8Array];
      for (let changes = 1 + below(3); changes > 0; changes--) {
        const at = below(message.length);
        const kind = below(6);
        if (kind === 0) message[at] = below(256);
        else if (kind === 1) message[at] = (message[at] as number) ^ (1 << below(8));
        else if (kind === 2) message.splice(at, 1 + below(4));
        else if (kind === 3) message.splice(at, 0, ...Array.from({ length: 1 + below(8) }, () => below(256)));
        else if (kind === 4) message.splice(at, 4, 0xff, 0xff, 0xff, 0x7f);
        else message.length = at;
        if (message.length === 0) message.push(below(256));
      }
      if (check(Uint8Array.from(message))) values++;
    }
    assert(values > CASES / 100 && values < CASES * 0.95, `seed ${SEED}: ${values} of ${CASES} gave a value`);
  });

  it("throws or gives a value, for random bytes behind every tag", () => {
    const random = randomNumbers(SEED + 1);
    for (let i = 0; i < CASES; i++) {
      const message = Uint8Array.from({ length: 1 + Math.floor(random() * 40) }, () => Math.floor(random() * 256));
      // Tags are from 0xc0 on; the root of what has parts is one of the last.
      if (message.length > 2) {
        message[0] = 0xf8 + (i & 3);
        message[1] = 0xc0 + (i & 63);
      }
      check(message);
    }
  });

  it("throws for every message that was cut short", () => {
    for (const message of MESSAGES) {
      for (let length = 1; length < message.length; length++) {
        const cut = outcome(message, 0, length);
        assert("error" in cut, `${length} of ${message.length} bytes of ${[...message.subarray(0, 20)]} gave a value`);
      }
    }
  });

  it("throws when something follows the message, and for no message at all", () => {
    for (const message of MESSAGES) {
      const longer = new Uint8Array(message.length + 1);
      longer.set(message);
      assert("error" in outcome(longer, 0, longer.length), `${[...message]} and a byte gave a value`);
    }
    const bytes = new Uint8Array(10);
    for (const [start, end] of [[0, 0], [5, 4], [-1, 3], [0, 11], [10, 10], [NaN, 3], [0, NaN]] as const) {
      assertThrows(() => decode(bytes, start, end), EncodingError);
    }
  });

  it("makes nothing of lengths that the bytes cannot hold", () => {
    // Every tag, with counts and lengths of up to 2^53 in all the places where it may have one.
    const huge = [[0xff, 0xff, 0xff, 0xff, 0x7f], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], [
      0xfe,
      0xff,
      0xff,
      0xff,
      0x0f,
    ]];
    const roots = [[], [0xf8], [0xf9], [0xfa], [0xfb]];
    let errors = 0;
    for (let tag = 0x80; tag < 0x100; tag++) {
      for (const count of huge) {
        for (const root of roots) {
          for (const before of [[], [0], [2], [9], [0, 1], [3, 0]]) {
            const message = [...root, tag, ...before, ...count, ...Array.from({ length: 12 }, () => 1)];
            if ("error" in outcome(Uint8Array.from(message), 0, message.length)) errors++;
          }
        }
      }
    }
    assert(errors > 5000, `${errors}`);
  });

  it("takes no key for a prototype, however it comes", () => {
    for (
      const message of [
        encode({ aaaaaaaaa: { polluted: 1 } }),
        encode([{ aaaaaaaaa: { polluted: 1 } }, { aaaaaaaaa: 2 }]),
      ]
    ) {
      const name = [..."__proto__"].map((c) => c.charCodeAt(0));
      const at = message.findIndex((_, i) => message[i] === 97 && message[i + 8] === 97);
      assert(at > 0);
      message.set(name, at);
      let value = outcome(message, 0, message.length);
      if ("error" in value) continue;
      if (Array.isArray(value.value)) value = { value: value.value[0] };
      assertEquals(Object.getPrototypeOf((value as { value: object }).value), Object.prototype);
    }
    assertEquals(({} as { polluted?: number }).polluted, undefined);
  });

  it("never goes wrong in a way of its own, for random values", () => {
    fc.assert(
      fc.property(recipes, fc.nat(), fc.nat(255), (recipe, where, byte) => {
        const message = encode(build(recipe, true));
        message[where % message.length] = byte;
        check(message);
      }),
      { seed: SEED, numRuns: SOAK ? 20_000 : 1500 },
    );
  });
});
