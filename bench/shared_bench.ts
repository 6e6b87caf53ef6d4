/**
 * Shared values and arrays, beside plain typed arrays and raw `Atomics`.
 * @module
 */
import { bench, do_not_optimize, group, summary } from "mitata";
import { RawValue, Value } from "../src/shared/value.ts";
import { SharedArray } from "../src/shared/array.ts";
import { expect, runBenches } from "./kit.ts";

const raw = new Int32Array(new SharedArrayBuffer(64));
const bits = new BigInt64Array(new SharedArrayBuffer(64));
const float = new Float64Array(bits.buffer);
const scratch = new Float64Array(1);
const scratchBits = new BigInt64Array(scratch.buffer);

/** Adds to a float by compare-and-exchange on its bits: what one writes by hand. */
function rawAdd(amount: number): void {
  for (;;) {
    const before = Atomics.load(bits, 0);
    scratchBits[0] = before;
    scratch[0] = (scratch[0] as number) + amount;
    if (Atomics.compareExchange(bits, 0, before, scratchBits[0] as bigint) === before) return;
  }
}

const float64 = new Value("float64", 0);
const int32 = new Value("int32", 0);
const int64 = new Value("int64", 0n);
const rawValue = new RawValue("float64", 0);
const array = new SharedArray("float64", 1000);

rawAdd(1.5);
expect(float[0], 1.5, "the raw addition");

summary(() => {
  group("atomic addition", () => {
    bench("raw compareExchange on a float64's bits", () => rawAdd(1)).baseline(true);
    bench("raw Atomics.add on an int32", () => Atomics.add(raw, 0, 1));
    bench("Value float64 add", () => float64.add(1));
    bench("RawValue float64 add", () => rawValue.add(1));
    bench("Value int32 add", () => int32.add(1));
    bench("Value int64 add", () => int64.add(1n));
    bench("SharedArray float64 add", () => array.add(7, 1));
    bench("Value float64 update", () => float64.update((x) => x + 1));
  });
});

summary(() => {
  group("reading and writing", () => {
    bench("plain Float64Array", () => do_not_optimize(float[1] = (float[1] as number) + 1)).baseline(true);
    bench("Value.value += 1", () => do_not_optimize(float64.value += 1));
    bench("SharedArray.view[7] += 1", () => do_not_optimize(array.view[7] = (array.view[7] as number) + 1));
    bench("SharedArray.set(7, get(7) + 1)", () => array.set(7, array.get(7) + 1));
  });
});

await runBenches();
