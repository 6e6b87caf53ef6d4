// A check that cannot fail is worth nothing: each rule of scripts/check_layers.ts is broken once, in a checkout made for
// the purpose, and must be reported at the right place.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { checkLayers } from "../../scripts/check_layers.ts";

/** A checkout in which every rule is kept, words of a runtime in comments and strings included. */
const CLEAN: Record<string, string> = {
  "mod.ts":
    `// Deno, Atomics\nexport { type Pool, makePool } from "./src/pool/pool.ts";\nexport * from "./src/errors.ts";\n`,
  "src/errors.ts": `export class Oops extends Error {}\n`,
  "src/memory/atomics.ts": `export function load(words: Int32Array): number { return Atomics.load(words, 0); }\n`,
  "src/memory/park.ts": `import { load } from "./atomics.ts";\nexport const park: typeof load = load;\n`,
  "src/runtime/adapter.ts": `import process from "node:process";\nexport const pid: number = process.pid;\n`,
  "src/runtime/deno.ts":
    `import { pid } from "./adapter.ts";\nexport const d: unknown = "Deno" in globalThis ? pid : Deno;\n`,
  "src/runtime/bun.ts": `import { pid } from "./adapter.ts";\nexport const b: number = pid;\n`,
  "src/sync/lock.ts": `import { park } from "../memory/park.ts";\nexport const lock: unknown = park;\n`,
  "src/pool/pool.ts": [
    `import type { Oops } from "../errors.ts";`,
    `import { result } from "./result.ts";`,
    `/* Atomics.wait(), Deno.exit() and using x = y are only mentioned: import "./nowhere.ts" */`,
    `export type Pool = { error: Oops };`,
    `const text = "Deno and Atomics"; const template = \`Bun \${result.replace(/["'\`]/g, "")} Atomics \${{ a: 1 }.a} Bun\`;`,
    `const half = result.length / 2 / 1; const member = { runtime: { Deno: 1 } }.runtime;`,
    `export function makePool(): string { return text + template + half + member["Deno"]; }`,
    ``,
  ].join("\n").replace("{ Deno: 1 }", `{ ["Deno"]: 1 }`),
  "src/pool/result.ts": `export const result: string = "r";\n`,
  "src/worker_main.ts": `import { makePool } from "./pool/pool.ts";\nmakePool();\n`,
  "src/cli/main.ts": `import "node:fs";\nimport { makePool } from "../pool/pool.ts";\nconsole.log(makePool(), Bun);\n`,
  "tests/a_test.ts": `export const using: number = 1;\nconsole.log(Deno, using);\n`,
};

function check(changes: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), "layers-"));
  try {
    for (const [path, text] of Object.entries({ ...CLEAN, ...changes })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return checkLayers(root).map(({ file, line, message }) => `${file}:${line}: ${message}`);
  } finally {
    rmSync(root, { recursive: true });
  }
}

interface Fault {
  readonly rule: string;
  readonly file: string;
  readonly text: string;
  readonly line: number;
  readonly says: string;
}

const FAULTS: readonly Fault[] = [
  {
    rule: "a lower room imports a higher one",
    file: "src/memory/park.ts",
    text: `\nimport { lock } from "../sync/lock.ts";\nexport const park: unknown = lock;\n`,
    line: 2,
    says: "sync (layer 3) lies above memory (layer 1)",
  },
  {
    rule: "a type-only import counts",
    file: "src/errors.ts",
    text: `export type Lock = import("./sync/lock.ts").Lock;\n`,
    line: 1,
    says: "lies above errors",
  },
  {
    rule: "rooms of one layer import each other",
    file: "src/runtime/adapter.ts",
    text: `export { park } from "../memory/park.ts";\nexport const pid = 1;\n`,
    line: 1,
    says: "of one layer",
  },
  {
    rule: "an adapter imports its sibling",
    file: "src/runtime/bun.ts",
    text: `import { d } from "./deno.ts";\nexport const b: unknown = d;\n`,
    line: 1,
    says: "no sibling",
  },
  {
    rule: "a file imports the worker's root",
    file: "src/pool/result.ts",
    text: `export const result: string = "r";\nawait import("../worker_main.ts");\n`,
    line: 2,
    says: "never imported",
  },
  {
    rule: "the worker's root imports the command",
    file: "src/worker_main.ts",
    text: `import "./cli/main.ts";\n`,
    line: 1,
    says: "nothing imports the command",
  },
  {
    rule: "a room has no layer",
    file: "src/misc/helper.ts",
    text: `export const x: number = 1;\n`,
    line: 1,
    says: 'the room "misc" has no layer',
  },
  {
    rule: "a file imports what lies outside src",
    file: "src/sync/lock.ts",
    text: `export * from "../../mod.ts";\n`,
    line: 1,
    says: "outside src/",
  },
  {
    rule: "a file imports what does not exist",
    file: "src/sync/lock.ts",
    text: `export * from "./nowhere.ts";\n`,
    line: 1,
    says: "does not exist",
  },
  {
    rule: "the core imports a package",
    file: "src/sync/lock.ts",
    text: `import { run } from "mitata";\nexport const lock: unknown = run;\n`,
    line: 1,
    says: "no dependencies",
  },
  {
    rule: "node: is imported outside the runtime room",
    file: "src/sync/lock.ts",
    text: `import process from "node:process";\nexport const lock: unknown = process;\n`,
    line: 1,
    says: 'names "node:process"',
  },
  {
    rule: "a built-in module is fetched by name",
    file: "src/sync/lock.ts",
    text: `export const lock: unknown = process.getBuiltinModule("node:fs");\n`,
    line: 1,
    says: 'names "node:fs"',
  },
  {
    rule: "Deno is named outside the runtime room",
    file: "src/sync/lock.ts",
    text: `// Deno\nexport const lock: unknown = globalThis.Deno;\n`,
    line: 2,
    says: "names Deno or Bun",
  },
  {
    rule: "Bun is named inside a template",
    file: "src/sync/lock.ts",
    text: "export const lock: string = `a ${{ a: `b ${Bun.version}` }.a} c`;\n",
    line: 1,
    says: "names Deno or Bun",
  },
  {
    rule: "Atomics is said elsewhere",
    file: "src/memory/park.ts",
    text: `/** x */\nconst quote = /["'\`]/;\nexport const park: unknown = [quote, ...[Atomics]];\n`,
    line: 3,
    says: "says Atomics",
  },
  {
    rule: "a test uses `using`",
    file: "tests/a_test.ts",
    text: `export {};\n{\n  await using pool = make();\n}\n`,
    line: 3,
    says: "cannot parse `using`",
  },
  {
    rule: "mod.ts does something",
    file: "mod.ts",
    text: `export { makePool } from "./src/pool/pool.ts";\nexport const version: string = "1";\n`,
    line: 2,
    says: "re-exports, and does nothing else",
  },
];

describe("check_layers", () => {
  it("finds nothing where every rule is kept", () => {
    assertEquals(check({}), []);
  });

  for (const { rule, file, text, line, says } of FAULTS) {
    it(`reports that ${rule}`, () => {
      const found = check({ [file]: text });
      assert(found.length > 0, "nothing was reported");
      const match = found.find((violation) => violation.startsWith(`${file}:${line}: `) && violation.includes(says));
      assert(match !== undefined, `no "${says}" at ${file}:${line} in:\n${found.join("\n")}`);
    });
  }

  it("reports a cycle of imports, with its files", () => {
    const found = check({
      "src/pool/result.ts": `import type { Pool } from "./chunk.ts";\nexport const result: Pool = "r";\n`,
      "src/pool/chunk.ts": `import { result } from "./result.ts";\nexport type Pool = typeof result;\n`,
    });
    assertEquals(found.length, 1);
    assertStringIncludes(
      found[0]!,
      "closes a cycle of imports: src/pool/result.ts → src/pool/chunk.ts → src/pool/result.ts",
    );
  });

  it("fails where there is nothing to check", () => {
    const root = mkdtempSync(join(tmpdir(), "layers-"));
    try {
      assertEquals(checkLayers(root).length, 1);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
