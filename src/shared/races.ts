/**
 * Race reports, on demand: a read of a shared value and then a write to it, without the lock, by two processes, is how
 * increments get lost. While detection is on, each `Value` and `SharedArray` that is made has a place where unguarded
 * changes are written down, with the stack of each; the second process that does one reports both stacks.
 *
 * ```
 *  Process-1: value += 1 without the lock ──▶ place: Process-1, its stack
 *  Process-2: value += 1 without the lock ──▶ finds Process-1 there ──▶ report: both stacks, once for each place
 * ```
 *
 * What counts: a read by `.value` or `get()` without the lock, followed by a write by `.value` or `set()` of the same
 * element, by the same process. `view` is a plain typed array, and is not seen. A change by a process that has ended is
 * forgotten: what comes after its end is ordered. The main process prepares values before its children start and reads
 * them after; it is reported only when its changes and a child's alternate. What is ordered by other means (a
 * semaphore, one task awaited before the next) is reported nevertheless: it is the lock that is checked.
 *
 * WORD      place: LOCK (i32) · entries of: INDEX + 1 · TOKEN · BEFORE (the token before) · REPORTED · length · text in UTF-16
 * OWNERSHIP of an entry: the holder of LOCK
 * SOURCE    Eraser (Savage et al. 1997), cut down to read-modify-write and one lock for each value
 * @module
 */
import { DETECT_RACES, slotOf } from "../memory/agents.ts";
import { load, type SharedWords, store } from "../memory/atomics.ts";
import { runtime } from "../runtime/current.ts";
import { selfAgent } from "../memory/self.ts";
import { LockCore } from "../sync/lock_core.ts";
import { CORE_WORDS } from "../sync/lock_words.ts";
import { enter, leave } from "./cell_lock.ts";

const ENTRIES = 4;
const TEXT_CHARS = 1000;
const ENTRY_WORDS: number = 5 + TEXT_CHARS / 2;
const INDEX = 0;
const TOKEN = 1;
const BEFORE = 2;
const REPORTED = 3;
const LENGTH = 4;
const TEXT = 5;

/** One of the two processes of a race. */
export interface RaceParty {
  /** The process. */
  readonly process: string;
  /** Where it changed the value. */
  readonly stack: string;
}

/** Two processes that change one value without its lock. */
export interface RaceReport {
  /** What they change, for example `Value`, or `element 3 of a SharedArray`. */
  readonly what: string;
  /** Who was there first, and who found it. */
  readonly parties: readonly [RaceParty, RaceParty];
  /** The whole report, as it is printed. */
  readonly message: string;
}

/** Options of {@linkcode detectRaces}. */
export interface RaceOptions {
  /** Called in the process that finds a race; without it, the report goes to `console.warn`. */
  readonly onReport?: ((report: RaceReport) => void) | undefined;
}

/** Where the unguarded changes of one value are written down. */
export interface RacePlace {
  readonly buffer: SharedArrayBuffer;
  readonly words: SharedWords;
  readonly core: LockCore;
  /** The elements that this agent has read unguarded, and not written since. */
  readonly reads: Set<number>;
}

/** What `Value` and `SharedArray` tell of their accesses. */
export interface RaceDetector {
  /** An element is about to be read. */
  read(place: RacePlace | undefined, core: LockCore, index: number): void;
  /** An element is about to be written. */
  write(place: RacePlace | undefined, core: LockCore, index: number): void;
}

/** The detector of this agent; undefined, and so at no cost, until races are to be detected. */
export let detector: RaceDetector | undefined;

let onReport: ((report: RaceReport) => void) | undefined;

/**
 * Reports, from now on, increments and the like that two processes do on one `Value` or `SharedArray` without its lock.
 * Call it before the values are made: those made before are not watched. Processes that receive a watched value watch it as
 * well. Python has no such thing. Never blocks; watching makes `.value` some microseconds slower.
 *
 * @param options where the reports go
 *
 * @example
 * ```ts
 * import { detectRaces, Value } from "@manycore/multiprocessing";
 *
 * detectRaces({ onReport: ({ message }) => console.error(message) });
 * const counter = new Value("int32", 0); // two processes that do counter.value += 1 are reported, once
 * ```
 */
export function detectRaces(options: RaceOptions = {}): void {
  store(selfAgent().table.words, DETECT_RACES, 1);
  onReport = options.onReport;
  detector = { read, write };
}

/** Makes the place of a new value, or opens that of a value which was received. */
export function makePlace(buffer?: SharedArrayBuffer): RacePlace | undefined {
  if (buffer === undefined) {
    if (detector === undefined && load(selfAgent().table.words, DETECT_RACES) === 0) return undefined;
    buffer = new SharedArrayBuffer((CORE_WORDS + ENTRIES * ENTRY_WORDS) * 4);
  }
  detector ??= { read, write };
  const words = new Int32Array(buffer);
  return { buffer, words, core: new LockCore(words, "the race detector's lock", ""), reads: new Set() };
}

function stackHere(): string {
  const lines = (new Error().stack ?? "").split("\n").filter((line) => /:\d+/.test(line));
  // The first lines are this file's and the accessor's.
  const own = lines.findIndex((line) => !/\/shared\/(races|value|array)\.[jt]s/.test(line));
  return lines.slice(Math.max(own, 0), own + 6).map((line) => `    ${line.trim()}`).join("\n");
}

function read(place: RacePlace | undefined, core: LockCore, index: number): void {
  if (place === undefined) return;
  if (core.mine) place.reads.delete(index);
  else place.reads.add(index);
}

function write(place: RacePlace | undefined, core: LockCore, index: number): void {
  if (place === undefined || !place.reads.delete(index)) return;
  const report = note(place, core, index);
  if (report === undefined) return;
  if (onReport !== undefined) onReport(report);
  else console.warn(report.message);
}

/** Writes a change down; the report, if another process was there before. */
function note(place: RacePlace, value: LockCore, index: number): RaceReport | undefined {
  const { words, core } = place;
  const { token, table } = core;
  const entry = CORE_WORDS + (index % ENTRIES) * ENTRY_WORDS;
  const nested = enter(core);
  try {
    const same = words[entry + INDEX] === index + 1;
    const last = words[entry + TOKEN] as number;
    // A stack costs microseconds, on Deno hundreds of them: it is only taken where it is written down.
    if (same && (last === token || words[entry + REPORTED] === 1)) return undefined;
    const others = same && last !== 0 && table.isTokenAlive(last);
    const before = words[entry + BEFORE];
    const main = slotOf(token) === 0 || slotOf(last) === 0;
    if (others && words[entry + REPORTED] === 0 && (!main || before === token)) {
      words[entry + REPORTED] = 1;
      const first = { process: table.nameOf(last), stack: textAt(words, entry) };
      return report(value, index, first, { process: selfAgent().name, stack: stackHere() });
    }
    if (!same) words[entry + REPORTED] = 0;
    words[entry + INDEX] = index + 1;
    words[entry + BEFORE] = same ? last : 0;
    words[entry + TOKEN] = token;
    writeText(words, entry, stackHere());
    return undefined;
  } finally {
    leave(core, nested);
  }
}

function report(value: LockCore, index: number, first: RaceParty, second: RaceParty): RaceReport {
  const what = value.kind === "SharedArray" || index > 0 ? `element ${index} of a SharedArray` : "a shared value";
  const message =
    `Race: ${first.process} and ${second.process} both read ${what}, change it and write it back without holding its lock, ` +
    `so that changes get lost.\n  ${first.process}:\n${first.stack}\n  ${second.process}:\n${second.stack}\n` +
    `  Use add() or update(), or hold the lock around both: shared.lock.runSync(() => shared.value += 1).`;
  return { what, parties: [first, second], message };
}

function textAt(words: SharedWords, entry: number): string {
  let text = "";
  for (let i = 0; i < (words[entry + LENGTH] as number); i++) {
    text += String.fromCharCode((words[entry + TEXT + (i >> 1)] as number) >>> (i & 1 ? 16 : 0) & 0xffff);
  }
  return text;
}

function writeText(words: SharedWords, entry: number, text: string): void {
  const length = Math.min(text.length, TEXT_CHARS);
  for (let i = 0; i < length; i += 2) {
    words[entry + TEXT + (i >> 1)] = text.charCodeAt(i) | (i + 1 < length ? text.charCodeAt(i + 1) << 16 : 0);
  }
  words[entry + LENGTH] = length;
}

// For a program that is not to be changed.
if (runtime.environment("MANYCORE_DETECT_RACES") === "1") detectRaces();
