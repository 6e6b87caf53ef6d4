// The report is made from a recorded results file (recorded.json, round numbers, not a measurement): what it says must follow from it.

import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fit, predict, smallestTask, speedUp, usefulWorkers } from "../../bench/model.ts";
import { QUESTIONS } from "../../bench/questions.ts";
import { CHARTS, drawCharts } from "../../bench/report/charts.ts";
import { contestsOf } from "../../bench/report/compare.ts";
import { markdownOf } from "../../bench/report/markdown.ts";
import { mergeParts, replaceIn, resultsText } from "../../bench/report/merge.ts";
import { median, mergeAll, type Part, type Results, type Row, type Times } from "../../bench/rows.ts";

const TEXT = readFileSync(new URL("./recorded.json", import.meta.url), "utf8");
const RECORDED = JSON.parse(TEXT) as Results;
const PAGE = markdownOf(RECORDED);

function times(p50: number): Times {
  return { mean: p50, p50, p90: p50, p99: p50, min: p50 - 1, max: p50 + 1, samples: 10 };
}

function row(more: Partial<Row>): Row {
  return { question: "latency/hot", who: "Pool", kind: "ours", workers: 1, ...more };
}

/** The lines of the page's table that begins with a cell. */
function lineOf(page: string, heading: string, name: string): string {
  const from = page.indexOf(`### ${heading}`);
  assert(from >= 0, `no heading ${heading}`);
  const line = page.slice(from).split("\n").find((line) => line.startsWith(`| ${name} `));
  assert(line !== undefined, `no line ${name} below ${heading}`);
  return line.replace(/ +/g, " ");
}

describe("merging", () => {
  it("takes the medians of the runs, and keeps the extremes", () => {
    const runs = [[row({ times: times(30) })], [row({ times: times(10) })], [row({ times: times(20) })]];
    assertEquals(mergeAll(runs), [row({ times: { ...times(20), min: 9, max: 31, samples: 30 } })]);
    assertEquals(median([4, 1, 3, 2]), 2.5);
  });

  it("keeps rows with different workers or points of the axis apart", () => {
    const rows = [row({ x: 1 }), row({ x: 2 }), row({ x: 1, workers: 2 })].map((row) => ({ ...row, figure: 1 }));
    assertEquals(mergeAll([rows, rows]), rows);
  });

  it("says in how many runs something went wrong, and that it never went right", () => {
    const bad = row({ problem: "it broke" });
    const [some] = mergeAll([[row({ times: times(5) })], [bad], [bad]]);
    assertEquals(some?.problem, "2 of 3 runs: it broke");
    assertEquals(some?.times?.p50, 5);
    assertEquals(mergeAll([[bad], [bad]]), [bad]);
  });

  it("puts the parts of runtimes together, the newest for the head", () => {
    const { rows: _, runtimes: __, packages: ___, version: ____, ...environment } = RECORDED;
    const part: Part = {
      ...environment,
      file: "latency",
      runtime: "bun",
      label: "Bun 8.8.8",
      rows: [row({ figure: 1 })],
    };
    const older = { ...part, date: "2025-01-01T00:00:00.000Z", commit: "older", runtime: "deno", label: "Deno 9.9.9" };
    const merged = mergeParts([part, older], {});
    assertEquals(merged.commit, RECORDED.commit);
    assertEquals(merged.runtimes.map(({ name }) => name), ["deno", "bun"]);
    assertEquals(merged.rows.map(({ runtime }) => runtime), ["deno", "bun"]);
    assertThrows(() => mergeParts([], {}), RangeError, "npm run bench");
  });

  it("keep the files that were not measured again, and say when those were taken", () => {
    const { rows, ...head } = RECORDED;
    const file = rows[0]?.file as string;
    const others = [...new Set(rows.map((row) => row.file))].filter((name) => name !== file && name !== "pool");
    const again = rows.filter((row) => row.file === file && row.runtime !== "python");
    const fresh = { ...head, commit: "fresh", date: "2099-01-01T00:00:00Z", rows: again.slice(0, 1) };
    const merged = replaceIn(RECORDED, fresh);
    const left = rows.filter((row) => row.runtime !== again[0]?.runtime || row.file !== file);
    assertEquals(merged.rows.length, left.length + 1);
    assertEquals(merged.commit, "fresh");
    assert(others.every((name) => merged.earlier?.[0]?.files.includes(name)));
    assertEquals(merged.earlier?.[0]?.commit, RECORDED.commit);
    // Once more: what is older than the last time keeps its own time.
    const third = replaceIn(merged, { ...fresh, commit: "third" });
    assertEquals(third.earlier?.[0]?.commit, RECORDED.commit);
    assert(markdownOf(third).includes(`Not measured again since ${RECORDED.date.slice(0, 10)}`));
  });

  it("writes results that read back as they were", () => {
    assertEquals(resultsText(RECORDED), TEXT);
  });
});

describe("RESULTS.md", () => {
  it("says where and on what it was taken", () => {
    assertStringIncludes(
      PAGE,
      "on 2 CPUs (Example CPU, 8 GB of memory, linux 6.0 x64), with Deno 9.9.9, Bun 8.8.8, Python 7.7.7",
    );
    assertStringIncludes(PAGE, "Medians of 3 runs");
    assertStringIncludes(PAGE, "piscina 1.2.3");
  });

  it("shows median, mean and p99 of latencies, the best in bold, controls in italics", () => {
    const heading = "One call after another";
    assertEquals(lineOf(PAGE, heading, "Pool"), "| Pool | **2 µs (2.5 µs, 8 µs)** | **1 µs (1.25 µs, 4 µs)** |");
    assertEquals(lineOf(PAGE, heading, "piscina"), "| piscina | 24 µs (30 µs, 96 µs) | 12 µs (15 µs, 48 µs) |");
    assertStringIncludes(lineOf(PAGE, heading, "_postMessage, worker_threads_"), "| 16 µs (20 µs, 64 µs) |");
    assertStringIncludes(lineOf(PAGE, heading, "Python multiprocessing"), "40 µs");
  });

  it("sets the rival in bold where it wins, and lists that", () => {
    assertEquals(lineOf(PAGE, "32 × fibonacci(30)", "piscina"), "| piscina | **2.00 ×** | **2.00 ×** |");
    const losses = PAGE.slice(PAGE.indexOf("### Where a rival wins"), PAGE.indexOf("## One call at a time"));
    assertStringIncludes(losses, "- **Uint8Array**, Deno 9.9.9: 16 MB: comlink 4.21 ms, Pool 8.39 ms.");
    assert(!losses.includes("fibonacci"), "2 % is a tie");
    assert(!losses.includes("One call"), "no loss");
  });

  it("counts rates per second, and keeps pools of one and two workers apart", () => {
    assertStringIncludes(lineOf(PAGE, "map over 100,000 numbers", "Pool"), "| **5 M/s** | **10 M/s** |");
    const heading = "Many calls in flight";
    assertEquals(lineOf(PAGE, heading, "Pool, 1 worker"), "| Pool, 1 worker | 500 k/s | 500 k/s |");
    assertEquals(lineOf(PAGE, heading, "Pool, 2 workers"), "| Pool, 2 workers | **1 M/s** | **1 M/s** |");
  });

  it("counts what a task costs beyond its own time", () => {
    assertEquals(lineOf(PAGE, "Tasks of 5, 20 and 50 ms", "Pool"), "| Pool | **50 µs** |");
  });

  it("says who does not run where, and what went wrong", () => {
    assertStringIncludes(PAGE, "- piscina (Deno 9.9.9, Bun 8.8.8): it was not done after 15 s.");
    const absent = PAGE.slice(PAGE.indexOf("## Who does not run where"));
    assertStringIncludes(absent, "- workerpool (Bun 8.8.8): every call hangs on Bun");
    assertEquals(PAGE.indexOf("every call hangs"), PAGE.lastIndexOf("every call hangs"), "once, not below each table");
  });

  it("has the tables of the other bench files", () => {
    assertStringIncludes(PAGE, "### bench/sync_bench.ts");
    assertStringIncludes(PAGE, "**acquire and release, uncontended**");
  });

  it("compares with the best rival at each point", () => {
    const contests = contestsOf(RECORDED, QUESTIONS);
    const hot = contests.filter(({ question, runtime }) => question.id === "latency/hot" && runtime === "deno");
    assertEquals(hot.map(({ lead, rival, raw }) => [lead, rival?.row.who, raw?.row.who]), [
      [12, "piscina", "postMessage, worker_threads"],
    ]);
    const flight = contests.filter(({ question, x, workers, runtime }) =>
      question.id === "throughput/flight" && x === 10_000 && workers === 2 && runtime === "bun"
    );
    assertEquals(flight.map(({ lead }) => lead), [undefined], "a rival that hung is no rival");
  });

  it("names no chart that is not drawn, and draws none that has no figures", () => {
    const drawn = drawCharts(RECORDED);
    const named = [...PAGE.matchAll(/\(charts\/([a-z_]+\.svg)\)/g)].map((match) => match[1] as string);
    assertEquals(named.filter((file) => !drawn.has(file)), []);
    assertEquals([...drawn.keys()].filter((file) => !named.includes(file)), []);
    assert(!drawn.has("payload_object.svg"), "nothing was recorded for it");
  });
});

describe("the charts", () => {
  const drawn = drawCharts(RECORDED);

  it("are SVG without holes in the numbers, and fit for light and dark", () => {
    assert(drawn.size >= 8, `${drawn.size} charts`);
    for (const [file, svg] of drawn) {
      assert(svg.startsWith("<svg") && svg.trimEnd().endsWith("</svg>"), file);
      assert(!/NaN|undefined|Infinity|\[object/.test(svg), `${file} has a hole`);
      assertStringIncludes(svg, "prefers-color-scheme: dark", file);
      assertStringIncludes(svg, ">Deno 9.9.9<", file);
      assert(CHARTS.some((chart) => chart.file === file));
    }
  });

  it("show everyone, and the scaling beside the ideal and the prediction", () => {
    const latency = drawn.get("latency.svg") as string;
    for (const text of ["Pool", "piscina", "1 µs", "24 µs"]) assertStringIncludes(latency, `>${text}<`);
    const scaling = drawn.get("scaling.svg") as string;
    for (const text of ["Pool", "ideal", "workers"]) assertStringIncludes(scaling, `>${text}<`);
    assertStringIncludes(drawn.get("task_size.svg") as string, ">Pool.apply, predicted<");
  });
});

describe("the scaling model", () => {
  const costs = { host: 500, worker: 200, batch: 5000, cores: 4, capacity: 3.5 };
  const points = [1, 2, 4, 8].flatMap((workers) =>
    [20, 1000, 10_000, 1e6].map((size) => ({
      tasks: 1000,
      workers,
      size,
      elapsed: predict(costs, 1000, workers, size),
    }))
  );

  it("is found again from batches that follow it", () => {
    const found = fit(points, 4);
    assertAlmostEquals(found.error, 1, 0.01);
    assertAlmostEquals(found.host / costs.host, 1, 0.05);
    assertAlmostEquals(found.capacity / costs.capacity, 1, 0.02);
    assertThrows(() => fit([], 2), RangeError);
  });

  it("says where a worker pays, and where more stop to pay", () => {
    const even = smallestTask(costs, 2) as number;
    assertAlmostEquals(speedUp(costs, 2, even), 1, 1e-6);
    assert(speedUp(costs, 2, even * 2) > 1 && speedUp(costs, 2, even / 2) < 1);
    assertEquals(smallestTask(costs, 2, 2.5), undefined, "two workers are never 2.5 times faster");
    assertEquals(usefulWorkers(costs, 300), 1, "the host alone takes as long as a worker");
    assertEquals(usefulWorkers(costs, 1e6), 4);
  });
});
