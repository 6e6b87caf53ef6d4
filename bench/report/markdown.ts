/**
 * bench/RESULTS.md from bench/results.json: a summary, a table for each question, and who did not take part.
 * @module
 */
import { bytes, count, time } from "../format.ts";
import { modelOf, pointsOf, predictions, WAYS, worthIt } from "../fitting.ts";
import { type Question, questionOf, QUESTIONS } from "../questions.ts";
import type { Results } from "../rows.ts";
import { valueText, xText } from "../tables.ts";
import { CHARTS } from "./charts.ts";
import {
  bestOf,
  columnsOf,
  competes,
  type Contest,
  contestsOf,
  entriesOf,
  type Entry,
  type Measured,
} from "./compare.ts";

const SECTIONS: readonly { readonly title: string; readonly prefix: string; readonly text: string }[] = [
  { title: "One call at a time", prefix: "latency/", text: "" },
  { title: "Many calls", prefix: "throughput/", text: "" },
  { title: "Payloads", prefix: "payload/", text: "" },
  { title: "Work for the CPUs", prefix: "compute/", text: "" },
  { title: "Scaling", prefix: "scaling/workers", text: "" },
  { title: "Starting and ending", prefix: "startup/", text: "" },
  { title: "Doing nothing", prefix: "idle/", text: "" },
];

/** Better by less than this is a tie. */
const TIE = 1.05;

/** Rows of a table, the first of them its header. */
export function table(lines: readonly (readonly string[])[]): string {
  const [header = [], ...rest] = lines;
  const widths = header.map((_, i) => Math.max(3, ...lines.map((line) => [...(line[i] ?? "")].length)));
  const text = (line: readonly string[]): string =>
    `| ${widths.map((width, i) => i === 0 ? pad(line[i] ?? "", width) : pad(line[i] ?? "", -width)).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")} |`;
  return [text(header), rule, ...rest.map(text)].join("\n");
}

function pad(text: string, width: number): string {
  const fill = " ".repeat(Math.max(0, Math.abs(width) - [...text].length));
  return width < 0 ? fill + text : text + fill;
}

function spread({ row }: Entry, question: Question): string {
  if (!question.spread || question.show !== "time" || row.times === undefined) return "";
  return ` (${time(row.times.mean)}, ${time(row.times.p99)})`;
}

function cell(entry: Entry | undefined, question: Question, best: boolean): string {
  if (entry?.value === undefined) return "–";
  const text = valueText(entry.value, question) + spread(entry, question);
  return best ? `**${text}**` : text;
}

function nameOf(row: Measured): string {
  return competes(row) ? row.who : `_${row.who}_`;
}

/** Reasons, each with those whom it concerns. */
function problemsText(rows: readonly Measured[], labels: ReadonlyMap<string, string>): string {
  const byReason = new Map<string, Map<string, Set<string>>>();
  for (const { who, problem, runtime } of rows) {
    if (problem === undefined) continue;
    const names = byReason.get(problem) ?? new Map<string, Set<string>>();
    byReason.set(problem, names.set(who, (names.get(who) ?? new Set()).add(labels.get(runtime) ?? runtime)));
  }
  return [...byReason].map(([problem, names]) =>
    `- ${[...names].map(([who, where]) => `${who} (${[...where].join(", ")})`).join("; ")}: ${problem}.`
  ).join("\n");
}

/** Who does not take part on a runtime at all, for a reason that is the same everywhere. */
function absentOf(results: Results): Measured[] {
  const groups = Map.groupBy(
    results.rows.filter(({ kind }) => kind !== "bench"),
    ({ who, runtime }) => `${who} ${runtime}`,
  );
  return [...groups.values()].filter((rows) =>
    rows.every(({ problem }) => problem !== undefined && problem === rows[0]?.problem)
  ).map((rows) => rows[0] as Measured);
}

/** One table: a line for everyone, a column for each runtime. */
function runtimesTable(results: Results, question: Question): string {
  const columns = columnsOf(results);
  const entries = columns.map(({ name }) => entriesOf(results, question, name));
  const best = entries.map((list) => bestOf(list.filter(({ row }) => competes(row)), question));
  const names = new Map(entries.flat().filter(({ value }) => value !== undefined).map(({ row }) => [row.who, row]));
  const lines = [...names].map(([who, row]) => [
    nameOf(row),
    ...entries.map((list, i) => {
      const entry = list.find((entry) => entry.row.who === who && entry.value !== undefined);
      return cell(entry, question, entry !== undefined && entry === best[i]);
    }),
  ]);
  const note = question.spread && question.show === "time" ? ": p50 (mean, p99)" : "";
  return table([["", ...columns.map(({ label }) => label + note)], ...lines]);
}

/** For each runtime a table: a line for everyone, a column for each point of the axis. */
function axisTables(results: Results, question: Question): string {
  return columnsOf(results).map(({ name, label }) => {
    const entries = entriesOf(results, question, name).filter(({ row, value }) =>
      value !== undefined && row.x !== undefined
    );
    // What has no place on the axis (one thread, in a question about workers) is 1 by definition.
    const xs = [...new Set(entries.map(({ row }) => row.x))].filter((x) => x !== undefined).sort((a, b) => a - b);
    const poolSizes = new Set(entries.map(({ row }) => row.workers).filter((workers) => workers > 0));
    const byWorkers = question.x !== "workers" && poolSizes.size > 1;
    const lineOf = ({ row }: Entry): string =>
      row.who + (byWorkers && row.workers > 0 ? `, ${row.workers} worker${row.workers === 1 ? "" : "s"}` : "");
    const best = xs.map((x) => bestOf(entries.filter(({ row }) => row.x === x && competes(row)), question));
    const lines = [...new Map(entries.map((entry) => [lineOf(entry), entry.row]))].map(([line, row]) => [
      competes(row) ? line : `_${line}_`,
      ...xs.map((x, i) => {
        const entry = entries.find((entry) => entry.row.x === x && lineOf(entry) === line);
        return cell(entry, { ...question, spread: false }, entry !== undefined && entry === best[i]);
      }),
    ]);
    return lines.length === 0 ? "" : table([[label, ...xs.map((x) => xText(x, question))], ...lines]);
  }).filter((text) => text !== "").join("\n\n");
}

/** How even the samples of ours are: the 90th percentile over the median, at each point of the axis. */
function evenness(results: Results, question: Question): string {
  const rows = results.rows.filter((row) => row.question === question.id && row.kind === "ours" && row.x !== undefined);
  const xs = [...new Set(rows.map(({ x }) => x as number))].sort((a, b) => a - b);
  const lines = columnsOf(results).flatMap(({ name, label }) => {
    const mine = Map.groupBy(rows.filter(({ runtime }) => runtime === name), ({ workers }) => workers);
    return [...mine].map(([workers, list]) => [
      `${label}, ${workers} worker${workers === 1 ? "" : "s"}`,
      ...xs.map((x) => {
        const times = list.find((row) => row.x === x)?.times;
        return times === undefined ? "–" : `${(times.p90 / times.p50).toFixed(2)} ×`;
      }),
    ]);
  });
  if (lines.length === 0) return "";
  return `How even that is: the 90th percentile of the batches of Pool over their median.\n\n${
    table([["", ...xs.map((x) => xText(x, question))], ...lines])
  }`;
}

function questionText(results: Results, question: Question, absent: readonly Measured[]): string {
  const rows = results.rows.filter((row) => row.question === question.id);
  if (rows.length === 0) return "";
  const labels = new Map(results.runtimes.map(({ name, label }) => [name, label]));
  const skipped = new Set(absent.map(({ who, runtime }) => `${who} ${runtime}`));
  const problems = problemsText(rows.filter(({ who, runtime }) => !skipped.has(`${who} ${runtime}`)), labels);
  const chart = CHARTS.filter(({ questions }) => questions[0] === question.id)
    .map(({ file, title }) => `![${title}](charts/${file})`);
  const tables = question.x === undefined ? runtimesTable(results, question) : axisTables(results, question);
  const even = question.spread && question.x !== undefined ? evenness(results, question) : "";
  return [`### ${question.title}`, question.text, ...chart, tables, even, problems].filter((text) => text !== "").join(
    "\n\n",
  );
}

/** What the tables say, in one. */
function summaryText(contests: readonly Contest[], results: Results): string {
  const ids = [...new Set(contests.map(({ question }) => question.id))];
  const columns = columnsOf(results);
  const lines = ids.map((id) => {
    const question = questionOf(id) as Question;
    return [
      question.title,
      ...columns.map(({ name }) => {
        const mine = contests.filter((contest) => contest.question.id === id && contest.runtime === name);
        const leads = mine.flatMap(({ lead }) => lead ?? []);
        if (leads.length === 0) return "no rival";
        const worst = Math.min(...leads);
        const best = Math.max(...leads);
        const ratio = (lead: number): string => lead >= 10 ? count(Math.round(lead)) : lead.toFixed(2);
        return leads.length === 1 || ratio(worst) === ratio(best)
          ? `${ratio(worst)} ×`
          : `${ratio(worst)}–${ratio(best)} ×`;
      }),
    ];
  });
  return table([["", ...columns.map(({ label }) => label)], ...lines]);
}

/** A CPU that is used by less than this (percent) is idle, whoever is closer to 0. */
const IDLE = 1;

function isLoss({ question, lead, ours }: Contest): boolean {
  return lead !== undefined && lead < 1 / TIE && !(question.show === "percent" && (ours.value as number) < IDLE);
}

/** Where a rival is better: a line for each question and runtime, with all points of its axis. */
function lossesText(contests: readonly Contest[], results: Results): string {
  const losses = Map.groupBy(contests.filter(isLoss), ({ question, runtime }) => `${question.id} ${runtime}`);
  if (losses.size === 0) return "Nowhere, in this run.";
  return [...losses.values()].map((list) => {
    const [{ question, runtime }] = list as [Contest, ...Contest[]];
    const label = results.runtimes.find(({ name }) => name === runtime)?.label ?? runtime;
    const points = list.map(({ x, workers, ours, rival }) => {
      const sized = question.id === "throughput/flight" ? ` with ${workers} worker${workers === 1 ? "" : "s"}` : "";
      const at = x === undefined ? "" : `${xText(x, question)}${sized}: `;
      return `${at}${rival?.row.who} ${valueText(rival?.value as number, question)}, ${ours.row.who} ${
        valueText(ours.value as number, question)
      }`;
    });
    return `- **${question.title}**, ${label}: ${points.join("; ")}.`;
  }).join("\n");
}

function modelText(results: Results): string {
  const { cores } = results.machine;
  const workers = Math.min(2, cores);
  const costs: string[][] = [[
    "",
    "host, per task",
    "worker, per task",
    "CPUs in use",
    `pays with ${workers} workers from`,
    "0.9 of that from",
    "off by",
  ]];
  const sizes: string[] = [];
  for (const { name, label } of columnsOf(results)) {
    const rows = results.rows.filter(({ runtime }) => runtime === name);
    for (const way of WAYS) {
      const model = modelOf(rows, way, cores);
      if (model === undefined) continue;
      const { even, most } = worthIt(model, workers);
      const title = `${label}, ${way === "Pool" ? "`apply`" : "`map`"}`;
      costs.push([
        title,
        time(model.host),
        time(model.worker),
        model.capacity.toFixed(2),
        even,
        most,
        `${model.error.toFixed(2)} ×`,
      ]);
      const [header = [], ...lines] = predictions(model, pointsOf(rows, way), workers);
      if (lines.length > 0) sizes.push(table([[`${title}: ${header[0]}`, ...header.slice(1)], ...lines]));
    }
  }
  if (costs.length === 1) return "";
  return [
    "### The smallest task that is worth a worker",
    "Amdahl's law with the measured costs of a task, fitted to batches of tasks from nothing up (`bench/model.ts`). A batch cannot be " +
    "faster than the host's part of its tasks, nor than all parts on the CPUs that the machine gives. The prediction stands beside " +
    "what was measured; `npm run bench:scaling` prints the same for your machine.",
    table(costs),
    ...CHARTS.filter(({ questions }) => questions[0] === "scaling/size").map(({ file, title }) =>
      `![${title}](charts/${file})`
    ),
    ...sizes,
  ].join("\n\n");
}

/** The groups of the other bench files, as mitata took them. */
function otherText(results: Results): string {
  const rows = results.rows.filter(({ kind }) => kind === "bench");
  const columns = columnsOf(results);
  return [...Map.groupBy(rows, ({ file }) => file)].map(([file, mine]) => {
    const groups = [...Map.groupBy(mine, ({ question }) => question)].map(([question, group]) => {
      const title = question.slice(question.indexOf("/") + 1);
      const names = [...new Set(group.map(({ who }) => who))];
      const lines = names.map((who) => [
        who,
        ...columns.map(({ name }) => {
          const row = group.find((row) => row.who === who && row.runtime === name);
          if (row?.problem !== undefined) return row.problem;
          if (row?.times !== undefined) return time(row.times.p50);
          return row?.figure === undefined ? "–" : count(Math.round(row.figure));
        }),
      ]);
      return `${title === "" ? "" : `**${title}**\n\n`}${
        table([["", ...columns.map(({ label }) => label)], ...lines])
      }`;
    });
    return `### bench/${file}_bench.ts\n\n${groups.join("\n\n")}`;
  }).join("\n\n");
}

function headText({ machine, date, commit, dirty, quick, runs, runtimes, packages, earlier = [] }: Results): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`).join(", ");
  return [
    "# Results",
    "<!-- Written by `npm run bench:report` from bench/results.json. Do not edit. -->",
    `Taken on ${date.slice(0, 10)} at commit ${commit}${
      dirty ? " with changes" : ""
    }, on ${machine.cores} CPUs (${machine.cpu}, ${bytes(machine.memory)} of memory, ${machine.system}), with ${
      runtimes.map(({ label }) => label).join(", ")
    }. ${
      quick
        ? "A quick run: few samples, one run; take the figures as a rough idea."
        : runs === 1
        ? "One run; medians of its samples."
        : `Medians of ${runs} runs.`
    } Rivals at the best settings that their documentation offers, in the same process and run: ${versions}.`,
    ...earlier.map((time) =>
      `Not measured again since ${time.date.slice(0, 10)}, commit ${time.commit}${
        time.runs === 1 ? "" : `, ${time.runs} runs`
      }: ${time.files.map((file) => `\`bench/${file}_bench.ts\``).join(", ")}.`
    ),
    "In bold the best of those that one would use; in italics what they are compared with: one thread, bare workers, bare shared " +
    "memory. Every result was checked before it was timed. Absolute figures are this machine's; on a virtual machine they drift by a " +
    "factor of up to 2, while the rows of one table were taken side by side.",
  ].join("\n\n");
}

/** The page. */
export function markdownOf(results: Results): string {
  const absent = absentOf(results);
  const labels = new Map(results.runtimes.map(({ name, label }) => [name, label]));
  const contests = contestsOf(results, QUESTIONS.filter(({ id }) => id !== "scaling/size"));
  const parts = [headText(results)];
  if (contests.length > 0) {
    parts.push(
      "## Beside the best rival",
      "How many times better this library is than the best rival (Python included) on the same question: below 1 the rival is better. " +
        "A range is over the points of the question's axis.",
      summaryText(contests, results),
      "### Where a rival wins",
      lossesText(contests, results),
    );
  }
  for (const { title, prefix, text } of SECTIONS) {
    const questions = QUESTIONS.filter(({ id }) => id.startsWith(prefix));
    const texts = questions.map((question) => questionText(results, question, absent)).filter((text) => text !== "");
    if (prefix.startsWith("scaling")) texts.push(modelText(results));
    if (texts.some((text) => text !== "")) parts.push(`## ${title}`, text, ...texts);
  }
  if (absent.length > 0) parts.push("## Who does not run where", problemsText(absent, labels));
  const others = otherText(results);
  if (others !== "") {
    parts.push(
      "## Locks, values, queues, codec",
      "One bench file each, by mitata; the times are those of one call.",
      others,
    );
  }
  return parts.filter((text) => text !== "").join("\n\n") + "\n";
}
