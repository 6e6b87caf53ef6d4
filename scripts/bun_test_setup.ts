// Loaded before every test file by `bun test` (bunfig.toml). Bun ends a test after 5 s, Deno and Node never do; the
// command line has `--timeout`, bunfig has no such key, so that a plain `bun test` needs this file.

interface BunTest {
  setDefaultTimeout(milliseconds: number): void;
}

// The name is not a literal: tsc and Deno know no module "bun:test".
const name: string = "bun:test";
const { setDefaultTimeout } = await import(name) as BunTest;
setDefaultTimeout(60_000);

export {};
