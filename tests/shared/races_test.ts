/** Race reports. */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { SharedArray } from "../../src/shared/array.ts";
import { detectRaces, type RaceReport } from "../../src/shared/races.ts";
import { Value } from "../../src/shared/value.ts";
import { all, counters, spawn } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";
import { runProgram, show } from "../kit/program.ts";
import { EXTENSION } from "../kit/runtime.ts";

const WORKERS: string = besides(import.meta, "workers");

test("a value that was made before detection is on is not watched", async () => {
  const value = new Value("int32", 0);
  const words = counters();
  const results = await all([0, 1].map(() => spawn<string[]>(WORKERS, "raceOn", value, words, "plain")));
  assertEquals(results, [[], []]);
});

test("an unguarded += by two processes is reported once, with both stacks; guarded ones are not", async () => {
  const here: RaceReport[] = [];
  detectRaces({ onReport: (report) => here.push(report) });
  for (const [way, wanted] of [["plain", 1], ["locked", 0], ["add", 0], ["update", 0], ["set", 0]] as const) {
    const value = new Value("int32", 0);
    value.value += 1; // the main process prepares it: that is in order
    const words = counters();
    const agents = [0, 1].map(() => spawn<string[]>(WORKERS, "raceOn", value, words, way));
    const reports = (await all(agents)).flat();
    assertEquals(reports.length, wanted, `${way}: ${reports}`);
    value.value += 1; // and looks at it in the end
    for (const report of reports) {
      for (const agent of agents) assert(report.includes(agent.name), report);
      assert((report.match(/raceOn/g) ?? []).length >= 2, report);
    }
  }
  assertEquals(here, []);
});

test("elements of an array are told apart", async () => {
  detectRaces({ onReport: () => {} });
  const array = new SharedArray("float64", 8);
  const words = counters();
  const apart = await all([0, 1].map((i) => spawn<string[]>(WORKERS, "raceOnElement", array, words, i)));
  assertEquals(apart.flat(), []);
  const again = counters();
  const same = await all([0, 1].map(() => spawn<string[]>(WORKERS, "raceOnElement", array, again, 5)));
  assertEquals(same.flat().length, 1);
  assert(same.flat()[0]?.includes("element 5"));
});

test("MANYCORE_DETECT_RACES=1 has a whole program watched, and without it nothing is said", async () => {
  const program = new URL(`./race_program${EXTENSION}`, import.meta.url);
  const watched = await runProgram(program, { env: { MANYCORE_DETECT_RACES: "1" } });
  assertEquals(watched.code, 0, show(watched));
  const said = watched.stdout + watched.stderr;
  assert(said.includes("value 10"), show(watched));
  for (const name of ["Process-1", "Process-2"]) assert(said.includes(name), show(watched));
  assert((said.match(/race_program/g) ?? []).length >= 2, show(watched));
  const plain = await runProgram(program);
  assertEquals([plain.code, plain.stdout.trim(), plain.stderr], [0, "value 10", ""], show(plain));
});
