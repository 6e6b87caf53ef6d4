/**
 * The codec, beside other ways to carry a value: each row encodes a value and decodes it, within one thread. `structuredClone` is the
 * control; JSON and msgpackr lose some of these values, and stand only where they give them back.
 * @module
 */
import { deserialize, serialize } from "node:v8";
import { bench, do_not_optimize, group, summary } from "mitata";
import { pack, unpack } from "msgpackr";
import { decode, Encoder } from "../src/transport/codec.ts";
import { expect, runBenches } from "./kit.ts";

const encoder = new Encoder();
const target = new Uint8Array(new SharedArrayBuffer(16 << 20));

function cross(value: unknown): unknown {
  return decode(target, 0, encoder.encodeInto(value, "value", target, 0, target.length));
}

/** A text of so many characters, not made of pieces that an engine could keep apart. */
function text(length: number, unit: string): string {
  return new TextDecoder().decode(
    new TextEncoder().encode(unit.repeat(Math.ceil(length / unit.length)).slice(0, length)),
  );
}

const ASCII = "The quick brown fox jumps over the lazy dog. ";
const CHINESE = "漢字仮名交じり文";

function customer(id: number): unknown {
  return {
    id,
    guid: "5f2b1c9e-8a44-4f0e-9b3f-6f2d1c0e7a55",
    active: true,
    score: 93.75,
    name: "Jeanne Dupont",
    email: "jeanne.dupont@example.com",
    address: { street: "12 Rue de la Paix", city: "Paris", zip: "75002", geo: { lat: 48.8692, lng: 2.3312 } },
    tags: ["alpha", "beta", "gamma", "delta"],
    counts: [1, 2, 3, 500, 70_000],
    orders: [
      { sku: "A-100", qty: 2, price: 19.99, shipped: true },
      { sku: "B-200", qty: 1, price: 5.5, shipped: false },
      { sku: "C-300", qty: 7, price: 120, shipped: true },
    ],
    notes: "Prefers delivery in the morning; ring twice, then leave the parcel with the concierge.",
    meta: {
      created: "2026-01-02T03:04:05.678Z",
      source: "import",
      version: 3,
      parent: null,
      flags: { a: true, b: false },
    },
    history: [{ at: 1_700_000_000, what: "created" }, { at: 1_700_003_600, what: "updated" }],
  };
}

const rows = Array.from({ length: 800 }, (_, id) => ({
  id,
  name: `user ${id}`,
  score: id * 1.37,
  active: id % 3 === 0,
  group: id % 7,
  city: ["Paris", "Rome", "Oslo"][id % 3],
}));
const cyclic: { children: unknown[] } = { children: [] };
for (let i = 0; i < 10; i++) cyclic.children.push({ i, parent: cyclic, before: cyclic.children[i - 1] });

/** Which of the others give the value back as it was. */
type Others = "all" | "no JSON" | "structured clone";

const VALUES: readonly (readonly [string, unknown, Others])[] = [
  ["a small integer", 42, "all"],
  ["a string of 16", text(16, ASCII), "all"],
  ["a string of 1 K, ASCII", text(1024, ASCII), "all"],
  ["a string of 1 K, Chinese", text(1024, CHINESE), "all"],
  ["a string of 64 K", text(65_536, ASCII), "all"],
  ["a string of 1 M", text(1 << 20, ASCII), "all"],
  ["a small object", { type: "work", id: 7, payload: "abc" }, "all"],
  ["an object of 1 KB", customer(1), "all"],
  ["64 KB of rows", rows, "all"],
  ["64 KB of objects", Array.from({ length: 60 }, (_, i) => customer(i)), "all"],
  ["10,000 integers", Array.from({ length: 10_000 }, (_, i) => i * 3), "all"],
  ["10,000 floats", Array.from({ length: 10_000 }, (_, i) => i / 3), "all"],
  ["64 KB of bytes", new Uint8Array(65_536), "no JSON"],
  ["1 MB of bytes", new Uint8Array(1 << 20), "no JSON"],
  [
    "Map, Set, Date, RegExp, bigint",
    new Map<unknown, unknown>([["a", new Date(1e12)], ["b", new Set([1, 2])], [{ k: 1 }, /x/g], ["n", 5n]]),
    "structured clone",
  ],
  ["a cycle", cyclic, "structured clone"],
];

for (const [name, value, others] of VALUES) {
  if (others === "all") expect(cross(value), value, `the codec's ${name}`);
  summary(() => {
    group(name, () => {
      bench("structuredClone", () => do_not_optimize(structuredClone(value))).baseline(true);
      bench("codec", () => do_not_optimize(cross(value)));
      bench("node:v8", () => do_not_optimize(deserialize(serialize(value))));
      if (others === "all") bench("JSON", () => do_not_optimize(JSON.parse(JSON.stringify(value))));
      if (others !== "structured clone") bench("msgpackr", () => do_not_optimize(unpack(pack(value))));
    });
  });
}

await runBenches();
