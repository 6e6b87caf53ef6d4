// The totals of `npm test` are read from what the runners print; these are their real last lines.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { countBun, countDeno, countNode, stripColours } from "../../scripts/test_counts.ts";

const NODE = `✔ doubles (10.4 ms)
ℹ tests 16
ℹ suites 3
ℹ pass 9
ℹ fail 3
ℹ cancelled 1
ℹ skipped 2
ℹ todo 1
ℹ duration_ms 331.4

✖ failing tests:
`;

const BUN = `(pass) suite > a [0.03ms]

 6 pass
 3 skip
 1 todo
 3 fail
 1 error
Ran 13 tests across 4 files. [68.00ms]
`;

const DENO = `suite ... ok (1ms)

FAILED | 4 passed (7 steps) | 3 failed (1 step) | 1 ignored (2 steps) (204ms)

error: Test failed
`;

/** One test, a suite with a good and a bad test, a suite with a good test, and a suite whose hook failed. */
const JUNIT = `
<testcase name="alone" line="1"></testcase>
<testcase name="suite &gt; a" line="1"></testcase>
<testcase name="suite &gt; b" line="1"><failure message="Uncaught Error: x">Error: x</failure></testcase>
<testcase name="suite" line="1"><failure message="1 test step failed">1 test step failed.</failure></testcase>
<testcase name="good &gt; a" line="1"></testcase>
<testcase name="good" line="1"></testcase>
<testcase name="hook &gt; a" line="1"></testcase>
<testcase name="hook" line="1"><failure message="Uncaught Error: in the hook">Error</failure></testcase>
`;

describe("test_counts", () => {
  it("reads Node's summary and counts cancelled tests as failed", () => {
    assertEquals(countNode(NODE), { passed: 9, failed: 4, skipped: 3 });
  });

  it("reads Bun's summary", () => {
    assertEquals(countBun(BUN), { passed: 6, failed: 3, skipped: 4 });
  });

  it("reads Deno's summary and counts steps", () => {
    assertEquals(countDeno(DENO, ""), { passed: 11, failed: 4, skipped: 3 });
    assertEquals(countDeno("ok | 1 passed | 0 failed (2ms)\n", ""), { passed: 1, failed: 0, skipped: 0 });
  });

  it("takes Deno's suites off, but not one that failed by itself", () => {
    assertEquals(countDeno(DENO, JUNIT), { passed: 10, failed: 3, skipped: 3 });
  });

  it("takes the last summary where a test printed another", () => {
    assertEquals(countNode(`ℹ pass 77\nℹ fail 0\n${NODE}`)?.passed, 9);
    assertEquals(countBun(` 77 pass\n 0 fail\nRan 77 tests across 1 file.\n${BUN}`)?.passed, 6);
    assertEquals(countDeno(`ok | 77 passed | 0 failed (1ms)\n${DENO}`, "")?.passed, 11);
  });

  it("says null where there is no summary", () => {
    for (const count of [countNode, countBun, (output: string) => countDeno(output, "")]) {
      assertEquals(count("Segmentation fault\n"), null);
    }
  });

  it("takes colours off", () => {
    assertEquals(stripColours("\x1b[32mok\x1b[0m | 1"), "ok | 1");
  });
});
