/**
 * A bench file in which everything goes wrong that can, for launch_test.ts.
 * @module
 */
import process from "node:process";
import { clock } from "../../bench/clock.ts";
import type { Opened } from "../../bench/contestant.ts";
import { type Cell, type Entry, Suite } from "../../bench/suite.ts";

const nobody: Opened = { call: () => () => Promise.resolve(), close() {} };

function entry(who: string, measure: Cell["measure"], more: Partial<Entry> = {}): Entry {
  return { who, kind: "rival", workers: 1, open: () => nobody, cells: [{ question: "latency/hot", measure }], ...more };
}

const fine: Cell["measure"] = () => clock(() => 1, { budget: 1, least: 3 });

const suite = new Suite();
suite.add(entry("fine", fine));
suite.add(entry("refuses", fine, { refusal: "does not like it here" }));
suite.add(entry("does not open", fine, { open: () => Promise.reject(new TypeError("no such thing")) }));
suite.add(entry("never answers", () => new Promise(() => {})));
suite.add(entry("blocks", () => {
  for (;;);
}));
suite.add(entry("exits", () => process.exit(3)));
suite.add(entry("throws elsewhere", () => {
  setTimeout(() => {
    throw new RangeError("out of the blue");
  });
  return new Promise(() => {});
}));
suite.add(entry("never closes", fine, { open: () => ({ ...nobody, close: () => new Promise(() => {}) }) }));
suite.add(entry("intrudes", fine, { intrusive: true }));
suite.add(entry("fine at the end", fine));
await suite.run();
