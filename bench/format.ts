/**
 * Numbers for people.
 * @module
 */

/** Three significant digits, with separators: 1,230 · 12.3 · 0.123. */
export function number(value: number): string {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: Math.min(digits, 3) });
}

/** Nanoseconds as "1.23 µs". */
export function time(ns: number): string {
  if (ns < 999.5) return `${number(ns)} ns`;
  if (ns < 999.5e3) return `${number(ns / 1e3)} µs`;
  if (ns < 999.5e6) return `${number(ns / 1e6)} ms`;
  return `${number(ns / 1e9)} s`;
}

/** A rate as "1.23 M/s". */
export function rate(perSecond: number): string {
  if (perSecond >= 999.5e3) return `${number(perSecond / 1e6)} M/s`;
  if (perSecond >= 999.5) return `${number(perSecond / 1e3)} k/s`;
  return `${number(perSecond)} /s`;
}

/** Bytes as "64 KB", by powers of 1024. */
export function bytes(count: number): string {
  if (Math.abs(count) >= 2 ** 30) return `${number(count / 2 ** 30)} GB`;
  if (Math.abs(count) >= 2 ** 20) return `${number(count / 2 ** 20)} MB`;
  if (Math.abs(count) >= 2 ** 10) return `${number(count / 2 ** 10)} KB`;
  return `${number(count)} B`;
}

/** A plain count with separators. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** The first line of what was thrown. */
export function reason(error: unknown): string {
  const text = error instanceof Error
    ? error.name === "Error" ? error.message : `${error.name}: ${error.message}`
    : String(error);
  return (text.split("\n")[0] as string).slice(0, 200);
}
