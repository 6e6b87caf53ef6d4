/**
 * The charts of RESULTS.md and the README, as SVG by echarts.
 *
 * They stand on a page that is light or dark: the ground is transparent, the series have colours of middle lightness, and text and
 * lines change with the reader's colour scheme, by a style inside of the SVG (an image does not see the page's).
 * @module
 */
import * as echarts from "echarts";
import { bytes, count, rate, time } from "../format.ts";
import { modelOf, pointsOf } from "../fitting.ts";
import { speedUp } from "../model.ts";
import { type Question, questionOf } from "../questions.ts";
import type { Results } from "../rows.ts";
import { moreIsBetter, xText } from "../tables.ts";
import { bestOf, columnsOf, entriesOf, type Entry } from "./compare.ts";

/** A chart: its file, and the questions that it shows. */
export interface Chart {
  readonly file: string;
  readonly title: string;
  /** The first is the one whose table it stands above. */
  readonly questions: readonly string[];
  draw(results: Results): string | undefined;
}

type Option = Record<string, unknown>;

/** Stand-ins for text and lines, replaced by the style. */
const INK = "#5b6470";
const LINE = "#9aa3ad";
const COLOURS: Readonly<Record<string, string>> = {
  deno: "#12a37f",
  bun: "#d9822b",
  node26: "#4c8fd6",
  node24: "#7b79d8",
  node22: "#a86cc9",
  node20: "#c96c9c",
};
const OURS = "#e0504a";
const PALETTE = [OURS, "#4c8fd6", "#12a37f", "#d9822b", "#8f7bd6"];

const STYLE = `<style>
@media (prefers-color-scheme: dark) {
  text[fill="${INK}"], path[fill="${INK}"] { fill: #c9d1d9 }
  path[stroke="${INK}"] { stroke: #c9d1d9 }
  path[stroke="${LINE}"], line[stroke="${LINE}"] { stroke: #4d5661 }
}
</style>`;

const FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";

function render(width: number, height: number, option: Option): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: "transparent",
      textStyle: { fontFamily: FONT, color: INK },
      ...option,
    });
    return chart.renderToSVGString().replace(/(<svg[^>]*>)/, `$1\n${STYLE}`);
  } finally {
    chart.dispose();
  }
}

const text = (size: number): Option => ({ color: INK, fontSize: size, fontFamily: FONT });

function title(words: string, left: number | string = 8, top = 6): Option {
  return { text: words, left, top, textStyle: { ...text(14), fontWeight: 600 } };
}

function axis(more: Option): Option {
  return {
    axisLine: { lineStyle: { color: LINE } },
    axisTick: { lineStyle: { color: LINE } },
    axisLabel: text(11),
    nameTextStyle: text(11),
    splitLine: { lineStyle: { color: LINE, opacity: 0.35 } },
    ...more,
  };
}

const LEGEND: Option = { bottom: 4, textStyle: text(11), itemWidth: 18, itemHeight: 9, itemGap: 26 };

function short(value: number, question: Question): string {
  if (question.show === "rate") return rate(value);
  if (question.show === "time" || question.show === "overhead") return time(value);
  if (question.show === "bytes") return bytes(value);
  return question.show === "percent" ? `${value.toFixed(1)} %` : `${value.toFixed(2)} ×`;
}

/** Bars side by side: everybody on one axis, a colour for each runtime, logarithmic. */
function bars(id: string, x?: number): (results: Results) => string | undefined {
  return (results) => {
    const question = questionOf(id) as Question;
    const columns = columnsOf(results);
    const at = ({ row }: Entry): boolean => x === undefined || row.x === x;
    const lists = columns.map(({ name }) => {
      const list = entriesOf(results, question, name).filter((entry) => at(entry) && (entry.value ?? 0) > 0);
      const most = Math.max(...list.map(({ row }) => row.workers));
      return list.filter(({ row }) => row.kind !== "serial" && (x === undefined || row.workers === most));
    });
    const names = [...new Set(lists.flat().map(({ row }) => row.who))];
    if (names.length === 0) return undefined;
    const typical = (who: string): number => {
      const values = lists.flat().filter(({ row }) => row.who === who).map(({ value }) => value as number);
      return values.reduce((sum, value) => sum + Math.log(value), 0) / values.length;
    };
    // The best comes on top, which is an axis's end.
    names.sort((a, b) => (moreIsBetter(question) ? 1 : -1) * (typical(a) - typical(b)));
    const values = lists.flat().map(({ value }) => value as number);
    return render(780, 96 + names.length * (10 + 11 * columns.length), {
      title: title(
        `${question.title}${x === undefined ? "" : `: ${xText(x, question)}`}${
          moreIsBetter(question) ? "" : " (less is better)"
        }`,
      ),
      legend: LEGEND,
      grid: { left: 208, right: 74, top: 40, bottom: 56 },
      xAxis: axis({
        type: "log",
        min: 10 ** Math.floor(Math.log10(Math.min(...values)) - 0.2),
        axisLabel: { ...text(11), formatter: (value: number) => short(value, question), hideOverlap: true },
      }),
      yAxis: axis({
        type: "category",
        data: names,
        axisTick: { show: false },
        axisLabel: {
          ...text(11),
          formatter: (who: string) => who.startsWith("Pool") ? `{ours|${who}}` : who,
          rich: { ours: { ...text(12), fontWeight: 700 } },
        },
      }),
      series: columns.map(({ name, label }, i) => ({
        name: label,
        type: "bar",
        itemStyle: { color: COLOURS[name] ?? LINE },
        barMaxWidth: 10,
        label: {
          show: true,
          position: "right",
          ...text(9),
          formatter: ({ value }: { value: number | null }) => value === null ? "" : short(value, question),
        },
        data: names.map((who) => lists[i]?.find(({ row }) => row.who === who)?.value ?? null),
      })),
    });
  };
}

type Line = { readonly name: string; readonly points: readonly (readonly [number, number])[] };

/** A panel for each runtime, with lines over the same axis. */
function panels(
  results: Results,
  heading: string,
  linesOf: (runtime: string) => Line[],
  x: Option,
  y: Option,
): string | undefined {
  const columns = columnsOf(results);
  const all = columns.map(({ name }) => linesOf(name));
  const names = [...new Set(all.flat().map(({ name }) => name))];
  if (names.length === 0) return undefined;
  const width = 980;
  const gap = 66;
  const panel = (width - gap * columns.length - 30) / columns.length;
  const ys = all.flat().flatMap(({ points }) => points.map(([, value]) => value));
  // The same scale in every panel.
  const scale = y["type"] === "log"
    ? { min: 10 ** Math.floor(Math.log10(Math.min(...ys))), max: 10 ** Math.ceil(Math.log10(Math.max(...ys))) }
    : { min: 0, max: Math.ceil(Math.max(...ys) * 2.1) / 2 };
  const left = (i: number): number => gap + i * (panel + gap);
  return render(width, 340, {
    title: [
      title(heading),
      ...columns.map(({ label }, i) => ({
        ...title(label, left(i) + panel / 2, 32),
        textAlign: "center",
        textStyle: { ...text(12), fontWeight: 600 },
      })),
    ],
    legend: { ...LEGEND, data: names },
    grid: columns.map((_, i) => ({ left: left(i), width: panel, top: 58, bottom: 72 })),
    xAxis: columns.map((_, i) => axis({ ...x, gridIndex: i })),
    yAxis: columns.map((_, i) => axis({ ...y, ...scale, gridIndex: i })),
    series: all.flatMap((lines, i) =>
      lines.map(({ name, points }) => ({
        name,
        type: "line",
        xAxisIndex: i,
        yAxisIndex: i,
        symbolSize: 4,
        showSymbol: !name.includes("predicted"),
        lineStyle: {
          width: name.startsWith("Pool") ? 2.5 : 1.5,
          type: name.includes("predicted") || name === "ideal" ? "dashed" : "solid",
        },
        itemStyle: { color: colourOf(name, names) },
        data: points,
      }))
    ),
  });
}

/** A prediction has the colour of what it predicts. */
function colourOf(name: string, names: readonly string[]): string {
  if (name === "ideal") return LINE;
  const coloured = names.filter((other) => other !== "ideal" && !other.endsWith(", predicted"));
  return PALETTE[coloured.indexOf(name.replace(", predicted", "")) % PALETTE.length] as string;
}

/** The best of some entries at every point. */
function bestLine(name: string, entries: readonly Entry[], question: Question): Line[] {
  const xs = [...new Set(entries.map(({ row }) => row.x as number))].sort((a, b) => a - b);
  const points = xs.flatMap((x) => {
    const value = bestOf(entries.filter(({ row }) => row.x === x), question)?.value;
    return value === undefined ? [] : [[x, value] as const];
  });
  return points.length === 0 ? [] : [{ name, points }];
}

function payload(id: string): (results: Results) => string | undefined {
  return (results) => {
    const question = questionOf(id) as Question;
    const linesOf = (runtime: string): Line[] => {
      const entries = entriesOf(results, question, runtime);
      const of = (test: (entry: Entry) => boolean): Entry[] => entries.filter(test);
      return [
        ...bestLine("Pool", of(({ row }) => row.kind === "ours"), question),
        ...bestLine("postMessage", of(({ row }) => row.who.startsWith("postMessage")), question),
        ...bestLine("shared memory", of(({ row }) => row.who === "shared memory"), question),
        ...bestLine("the best rival at each size", of(({ row }) => row.kind === "rival"), question),
        ...bestLine("Python", of(({ row }) => row.kind === "python"), question),
      ];
    };
    const label = (format: (value: number) => string): Option => ({
      ...text(10),
      formatter: format,
      hideOverlap: true,
    });
    return panels(
      results,
      `${question.title}: there and back`,
      linesOf,
      { type: "log", logBase: 2, min: 8, max: 2 ** 24, axisLabel: label(bytes) },
      { type: "log", axisLabel: label(time) },
    );
  };
}

function scaling(results: Results): string | undefined {
  const question = questionOf("scaling/workers") as Question;
  const { cores } = results.machine;
  const linesOf = (runtime: string): Line[] => {
    const entries = entriesOf(results, question, runtime).filter(({ row }) => row.kind !== "serial");
    const ours = entries.filter(({ row }) => row.kind === "ours");
    const xs = [...new Set(ours.map(({ row }) => row.x as number))].sort((a, b) => a - b);
    if (xs.length === 0) return [];
    const rows = results.rows.filter((row) => row.runtime === runtime);
    const model = modelOf(rows, "Pool.map", cores);
    const alone = rows.find(({ question, kind }) => question === "scaling/workers" && kind === "serial")?.times?.p50;
    const predicted: Line[] = model === undefined || alone === undefined ? [] : [{
      name: "Pool, predicted",
      points: xs.map((x) => [x, speedUp(model, x, alone / 96, 96)] as const),
    }];
    return [
      ...bestLine("Pool", ours, question),
      ...predicted,
      ...bestLine("bare workers", entries.filter(({ row }) => row.kind === "raw"), question),
      ...bestLine("the best rival", entries.filter(({ row }) => row.kind === "rival"), question),
      { name: "ideal", points: xs.map((x) => [x, Math.min(x, cores)] as const) },
    ];
  };
  return panels(
    results,
    `Speed-up by number of workers, on ${count(cores)} CPUs`,
    linesOf,
    { type: "value", minInterval: 1, min: 1, name: "workers", nameLocation: "middle", nameGap: 22 },
    { type: "value" },
  );
}

/** Speed-up over the size of a task, measured and predicted. */
function sizes(results: Results): string | undefined {
  const { cores } = results.machine;
  const workers = Math.min(2, cores);
  const linesOf = (runtime: string): Line[] => {
    const rows = results.rows.filter((row) => row.runtime === runtime);
    return (["Pool", "Pool.map"] as const).flatMap((way) => {
      const model = modelOf(rows, way, cores);
      const points = pointsOf(rows, way).filter((point) => point.workers === workers && point.size >= 10);
      if (model === undefined || points.length === 0) return [];
      const name = way === "Pool" ? "Pool.apply" : way;
      return [
        { name, points: points.map(({ size, tasks, elapsed }) => [size, tasks * size / elapsed] as const) },
        {
          name: `${name}, predicted`,
          points: points.map(({ size, tasks }) => [size, speedUp(model, workers, size, tasks)] as const),
        },
      ];
    });
  };
  return panels(
    results,
    `Speed-up with ${workers} workers by size of the task`,
    linesOf,
    { type: "log", axisLabel: { ...text(10), formatter: time, hideOverlap: true } },
    { type: "value" },
  );
}

function barChart(file: string, id: string, x?: number): Chart {
  return { file, title: questionOf(id)?.title ?? id, questions: [id], draw: bars(id, x) };
}

/** All charts. */
export const CHARTS: readonly Chart[] = [
  barChart("latency.svg", "latency/hot"),
  barChart("latency_idle.svg", "latency/idle"),
  barChart("latency_beside.svg", "latency/beside"),
  barChart("throughput.svg", "throughput/flight", 10_000),
  barChart("map.svg", "throughput/map"),
  barChart("imap.svg", "throughput/imap"),
  barChart("imap_unordered.svg", "throughput/imapUnordered"),
  ...["ascii", "text", "bytes", "object", "move"].map((kind) => ({
    file: `payload_${kind}.svg`,
    title: questionOf(`payload/${kind}`)?.title ?? kind,
    questions: [`payload/${kind}`],
    draw: payload(`payload/${kind}`),
  })),
  barChart("compute.svg", "compute/fibonacci"),
  barChart("task_overhead.svg", "compute/burn", 5),
  barChart("squares.svg", "compute/squares"),
  barChart("roots.svg", "compute/roots"),
  { file: "scaling.svg", title: "Speed-up by number of workers", questions: ["scaling/workers"], draw: scaling },
  { file: "task_size.svg", title: "Speed-up by size of the task", questions: ["scaling/size"], draw: sizes },
  barChart("startup.svg", "startup/first"),
  barChart("close.svg", "startup/close"),
  barChart("idle_cpu.svg", "idle/cpu"),
  barChart("idle_memory.svg", "idle/memory"),
];

/** All charts for which there are figures: file → SVG. */
export function drawCharts(results: Results): Map<string, string> {
  const charts = new Map<string, string>();
  for (const { file, draw } of CHARTS) {
    const svg = draw(results);
    if (svg !== undefined) charts.set(file, svg);
  }
  return charts;
}
