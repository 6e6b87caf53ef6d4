// Loaded before every test file by `bun test` (bunfig.toml). Bun ends a test after 5 s, Deno and Node never do; the
// command line has `--timeout`, bunfig has no such key, so that a plain `bun test` needs this file. MANYCORE_SOAK=1 is for
// tests that take minutes.
import process from "node:process";

interface BunTest {
  setDefaultTimeout(milliseconds: number): void;
}

// The name is not a literal: tsc and Deno know no module "bun:test".
const name: string = "bun:test";
const { setDefaultTimeout } = await import(name) as BunTest;
setDefaultTimeout(process.env["MANYCORE_SOAK"] === "1" ? 30 * 60_000 : 60_000);

export {};
