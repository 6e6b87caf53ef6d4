/**
 * What the suite asks: each question is a table in RESULTS.md, and most are a chart.
 * @module
 */

/** How a row of a question reads. */
export type Show = "time" | "rate" | "speedup" | "percent" | "bytes" | "overhead";

/** One question. */
export interface Question {
  readonly id: string;
  /** The heading of its table. */
  readonly title: string;
  /** What was done, and how it is counted. */
  readonly text: string;
  readonly show: Show;
  /** What `x` is, for the questions that have an axis. */
  readonly x?: "bytes" | "calls" | "workers" | "ms" | "steps";
  /** Shows mean and p99 beside the median. */
  readonly spread?: boolean;
}

const LATENCY: readonly Question[] = [
  {
    id: "latency/hot",
    title: "One call after another",
    text: "`await` of a function that adds 1, each after the one before.",
    show: "time",
    spread: true,
  },
  {
    id: "latency/idle",
    title: "A call after 5 ms of idleness",
    text: "The same, with a timer of 5 ms before each call, which is not counted: the workers are asleep.",
    show: "time",
    spread: true,
  },
  {
    id: "latency/beside",
    title: "1,000 calls beside one that waits",
    text:
      "One worker. A task awaits a timer of 200 ms; meanwhile 1,000 calls that add 1 go to the same worker. The time until " +
      "they are done: 200 ms or more means that they waited for the timer.",
    show: "time",
  },
];

const THROUGHPUT: readonly Question[] = [
  {
    id: "throughput/flight",
    title: "Many calls in flight",
    text: "That many calls that add 1 are made at once and awaited together.",
    show: "rate",
    x: "calls",
    spread: true,
  },
  {
    id: "throughput/map",
    title: "map over 100,000 numbers",
    text: "Each plus 1. A library without a `map` makes 100,000 calls.",
    show: "rate",
  },
  {
    id: "throughput/imap",
    title: "imap over 10,000 numbers, chunk size 1",
    text: "Results one by one, in order, every item a call of its own.",
    show: "rate",
  },
  {
    id: "throughput/imapUnordered",
    title: "imapUnordered over 10,000 numbers, chunk size 1",
    text: "As they are done.",
    show: "rate",
  },
];

const PAYLOAD_TEXT = "A worker sends back what it gets: one round trip, each after the one before, one worker.";

const PAYLOAD: readonly Question[] = ([
  ["ascii", "Strings, ASCII", ""],
  ["text", "Strings beyond ASCII", " Bytes count as UTF-8."],
  ["bytes", "Uint8Array", ""],
  ["object", "Objects as of JSON", " Bytes count as JSON text."],
  ["move", "A transferred ArrayBuffer", " It moves there and back."],
] as const).map(([id, title, more]) => ({
  id: `payload/${id}`,
  title,
  text: PAYLOAD_TEXT + more,
  show: "time",
  x: "bytes",
}));

const COMPUTE: readonly Question[] = [
  {
    id: "compute/fibonacci",
    title: "32 × fibonacci(30)",
    text: "The speed-up over one thread that does it alone; the ideal is the number of workers.",
    show: "speedup",
  },
  {
    id: "compute/burn",
    title: "Tasks of 5, 20 and 50 ms",
    text:
      "Tasks that keep a thread busy by the clock, 160 ms of them for each worker: what a task costs beyond its own time " +
      "(workers × elapsed − work, per task).",
    show: "overhead",
    x: "ms",
  },
  {
    id: "compute/squares",
    title: "Sum of squares of 10 million doubles in shared memory",
    text: "Memory-bound, nothing is copied. The speed-up over one thread.",
    show: "speedup",
  },
  {
    id: "compute/roots",
    title: "Square roots by Newton's method over 10 million doubles in shared memory",
    text: "Compute-bound. The speed-up over one thread.",
    show: "speedup",
  },
];

const SCALING: readonly Question[] = [
  {
    id: "scaling/workers",
    title: "Speed-up by number of workers",
    text:
      "A map of 96 tasks of about 1 ms each of arithmetic. The speed-up over one thread; the ideal is the number of " +
      "workers, and no more than the number of CPUs.",
    show: "speedup",
    x: "workers",
  },
  {
    id: "scaling/size",
    title: "Time per task by size of the task",
    text: "Calls in flight, from tasks that do nothing up: the elapsed time of a batch divided by its tasks.",
    show: "time",
    x: "steps",
  },
];

const LIFE: readonly Question[] = [
  {
    id: "startup/first",
    title: "To the first result",
    text:
      "From making a pool to the first result of a function that adds 1. A bare worker is one with a module of two lines.",
    show: "time",
  },
  {
    id: "startup/close",
    title: "To close it",
    text: "From asking the pool to end until it says that it has.",
    show: "time",
  },
  {
    id: "idle/cpu",
    title: "CPU of an idle pool of 8",
    text: "Percent of one CPU, over two seconds in which nobody asks for anything; a process of its own for each.",
    show: "percent",
  },
  {
    id: "idle/memory",
    title: "Memory of an idle pool of 8",
    text: "Resident memory that the workers added to the process.",
    show: "bytes",
  },
];

/** All questions about pools, in the order of the report. */
export const QUESTIONS: readonly Question[] = [...LATENCY, ...THROUGHPUT, ...PAYLOAD, ...COMPUTE, ...SCALING, ...LIFE];

/** The question of that name. */
export function questionOf(id: string): Question | undefined {
  return QUESTIONS.find((question) => question.id === id);
}
