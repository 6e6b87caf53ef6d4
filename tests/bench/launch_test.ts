// Whatever a contestant does, the others are measured, and it has a row that says what it did.

import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { launch } from "../../bench/launch.ts";
import { selectRuntimes } from "../../scripts/runtimes.ts";
import { RUNTIME } from "../kit/runtime.ts";

const FILE = fileURLToPath(new URL("./hanging_bench.ts", import.meta.url));

describe("launch()", () => {
  it("brings a row for everyone home, whether it hangs, blocks its thread, exits or throws", async () => {
    const [runtime] = selectRuntimes(RUNTIME);
    const seen: string[] = [];
    const { rows, failure } = await launch(runtime!, FILE, {
      quick: true,
      rowLimit: 400,
      onRow: ({ who }) => seen.push(who),
    });
    assertEquals(failure, undefined);
    const problems = Object.fromEntries(rows.map(({ who, problem }) => [who, problem ?? "none"]));
    assertEquals(problems, {
      "fine": "none",
      "refuses": "does not like it here",
      "does not open": "does not start: TypeError: no such thing",
      "never answers": "it was not done after 0.4 s",
      "blocks": "blocked its thread, and the process had to be killed",
      "exits": "ended the process with exit code 3",
      "throws elsewhere": "RangeError: out of the blue",
      "never closes": "none",
      "fine at the end": "none",
      "intrudes": "none",
    });
    assertEquals(rows.length, 10, "each once");
    assertEquals(rows.at(-1)?.who, "intrudes", "who replaces globals comes last");
    for (const { who, times } of rows) assertEquals(times !== undefined, problems[who] === "none", who);
    assertEquals(seen, rows.map(({ who }) => who), "rows are reported as they come");
  });

  it("says that a file which ends without a row has failed", async () => {
    const [runtime] = selectRuntimes(RUNTIME);
    const { rows, failure } = await launch(runtime!, "no_such_bench.ts", { quick: true });
    assertEquals(rows, []);
    assert(failure?.startsWith("ended the process with exit code "), failure);
  });
});
