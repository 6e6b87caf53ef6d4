// Reads how many tests passed from what each runner prints at its end. The runners count different things:
//
//              describe()            it(), test()   t.test() inside a test
//   Node       not counted           counted        counted, and the test around it
//   Bun        not counted           counted        not counted
//   Deno       a test of its own     a step         a step
//
// Here a test is a leaf: what has others inside it is no test of its own. For Deno the groups come from its JUnit report
// and are taken off; for Bun nothing can be done about `t.test`, which is one reason why the tests here do not use it.

/** The result of one test file on one runtime. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Takes terminal colours off. */
export function stripColours(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b\[[0-9;]*m/g, "");
}

function lastMatch(text: string, pattern: RegExp): RegExpMatchArray | undefined {
  return [...text.matchAll(pattern)].at(-1);
}

/** Node's spec reporter: "ℹ pass 3", one line per number. Null when it printed no summary. */
export function countNode(output: string): Counts | null {
  const number = (name: string): number | undefined => {
    const match = lastMatch(output, new RegExp(`^(?:ℹ|#) ${name} (\\d+)$`, "gm"));
    return match === undefined ? undefined : Number(match[1]);
  };
  const [passed, failed] = [number("pass"), number("fail")];
  if (passed === undefined || failed === undefined) return null;
  return {
    passed,
    failed: failed + (number("cancelled") ?? 0),
    skipped: (number("skipped") ?? 0) + (number("todo") ?? 0),
  };
}

/** Bun: lines such as " 3 pass" above "Ran 4 tests across 1 file." Null when it printed no summary. */
export function countBun(output: string): Counts | null {
  const summary = lastMatch(output, /((?:^ *\d+ [a-z() ]+\n)+)Ran \d+ tests? across/gm)?.[1];
  if (summary === undefined) return null;
  const number = (name: string): number => Number(summary.match(new RegExp(`^ *(\\d+) ${name}$`, "m"))?.[1] ?? 0);
  return { passed: number("pass"), failed: number("fail"), skipped: number("skip") + number("todo") };
}

/** Deno: "ok | 2 passed (2 steps) | 0 failed | 1 ignored (1 step) (6s)". Null when it printed no summary. */
export function countDeno(output: string, junit: string): Counts | null {
  const steps = String.raw`(?: \((\d+) steps?\))?`;
  const match = lastMatch(
    output,
    new RegExp(
      String.raw`^(?:ok|FAILED) \| (\d+) passed${steps} \| (\d+) failed${steps}(?: \| (\d+) ignored${steps})?`,
      "gm",
    ),
  );
  if (match === undefined) return null;
  const [passed, passedSteps, failed, failedSteps, ignored, ignoredSteps] = match.slice(1).map((n) => Number(n ?? 0));
  const groups = countDenoGroups(junit);
  return {
    passed: passed! + passedSteps! - groups.passed,
    failed: failed! + failedSteps! - groups.failed,
    skipped: ignored! + ignoredSteps!,
  };
}

/** How many entries of Deno's report have others inside them, by result; one that failed for a reason of its own (a
 * hook that throws) stays counted. */
function countDenoGroups(junit: string): Counts {
  const cases = [...junit.matchAll(/<testcase name="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g)]
    .map(([, name, body]) => ({ name: name!, body: body! }));
  const groups = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, body } of cases) {
    if (!cases.some((other) => other.name.startsWith(`${name} &gt; `))) continue;
    if (!body.includes("<failure")) groups.passed++;
    else if (/<failure message="\d+ test steps? failed/.test(body)) groups.failed++;
  }
  return groups;
}
