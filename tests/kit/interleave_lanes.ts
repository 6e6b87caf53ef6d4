/** What the agents of the interleaving tests of lanes do: a ring with a bell at each end, and the claim of a chunk. */
import { compareExchange, load, type SharedWords, store, wait } from "../../src/memory/atomics.ts";
import { Doorbell, ring } from "../../src/memory/doorbell.ts";
import { ringBytes, RingReader, RingWriter } from "../../src/memory/ring.ts";
import { COUNTER } from "./interleave.ts";
import type { Tools } from "./interleave_scenarios.ts";

const SIZE = 64;
/** Words behind the ring: where the reader sleeps, where the writer sleeps, and that it waits for room. */
const READER = ringBytes(SIZE) / 4;
const WRITER = READER + 1;
const ROOM = READER + 2;
const CLAIM = READER + 3;
const FOREVER = 1e9;

/** Records that fill half of the ring each. */
const LENGTH = 24;
const RECORDS = 4;

/** The memory that these agents share. */
export function laneWords(): SharedWords {
  return new Int32Array(new SharedArrayBuffer(ringBytes(SIZE) + 64));
}

interface Objects {
  readonly words: SharedWords;
}

function place(words: SharedWords): { buffer: SharedArrayBuffer; byteOffset: number; size: number } {
  return { buffer: words.buffer, byteOffset: 0, size: SIZE };
}

/** Writes the records; `bug`: rings before it publishes. */
function produce(words: SharedWords, bug: boolean): void {
  const writer = new RingWriter(place(words));
  const bell = new Doorbell(words, WRITER, () => {});
  for (let number = 1; number <= RECORDS; number++) {
    let at = writer.reserve(LENGTH);
    while (at < 0) {
      store(words, ROOM, 1);
      at = writer.reserve(LENGTH);
      if (at >= 0) break;
      bell.sleepSync(() => load(words, ROOM) === 0, FOREVER);
      at = writer.reserve(LENGTH);
    }
    writer.bytes.fill(number, at, at + LENGTH);
    writer.commit(LENGTH, number);
    if (bug) ring(words, READER);
    writer.publish();
    if (!bug) ring(words, READER);
  }
}

type ReaderBug = "looks before it announces" | "releases before it reads" | "forgets that it was rung" | undefined;

/**
 * Sleeps as a host does, on its event loop. Agents have none: what the runtime does between the sleep and the call of the bell's owner is
 * a wait for the same word. `bug`: it sleeps on a bell that was rung since, as on one that was not.
 */
function sleepOnLoop(bell: Doorbell, hasNews: () => boolean, bug: boolean): void {
  if (!bell.sleep(hasNews)) return;
  if (bug) store(bell.words, bell.index, 1);
  wait(bell.words, bell.index, 1);
  bell.wake();
}

/** Reads them, and counts those that are right. `onLoop`: it does not block its thread. */
function consume(tools: Tools, words: SharedWords, bug: ReaderBug, onLoop = false): void {
  const reader = new RingReader(place(words));
  const bell = new Doorbell(words, READER, () => {});
  for (let number = 1; number <= RECORDS;) {
    const at = reader.peek();
    if (at < 0) {
      if (bug === "looks before it announces") {
        if (!reader.hasNews) {
          store(words, READER, 1);
          wait(words, READER, 1);
        }
      } else if (onLoop) {
        sleepOnLoop(bell, () => reader.hasNews, bug === "forgets that it was rung");
      } else {
        bell.sleepSync(() => reader.hasNews, FOREVER);
      }
      continue;
    }
    const { end } = reader;
    const check = (): void => {
      for (let i = at; i < end; i++) if (reader.bytes[i] !== number) throw new Error(`record ${number} is another one`);
    };
    if (bug !== "releases before it reads") check();
    reader.advance();
    if (reader.release() && load(words, ROOM) === 1) {
      store(words, ROOM, 0);
      ring(words, WRITER);
    }
    if (bug === "releases before it reads") check();
    tools.control[COUNTER] = (tools.control[COUNTER] as number) + 1;
    number++;
  }
}

/** Takes the claim of a chunk; `bug`: by a look and a write. */
function take(tools: Tools, words: SharedWords, as: number, bug: boolean): void {
  if (bug) {
    if (load(words, CLAIM) !== 0) return;
    store(words, CLAIM, as);
  } else if (compareExchange(words, CLAIM, 0, as) !== 0) {
    return;
  }
  tools.control[COUNTER] = (tools.control[COUNTER] as number) + 1;
}

/** How many records are read. */
export const READ = RECORDS;

export const LANE_SCENARIOS: Record<string, (tools: Tools, objects: never) => void> = {
  ringProduce: (_tools, { words }: Objects) => produce(words, false),
  ringConsume: (tools, { words }: Objects) => consume(tools, words, undefined),
  ringConsumeOnLoop: (tools, { words }: Objects) => consume(tools, words, undefined, true),
  ringConsumeForgets: (tools, { words }: Objects) => consume(tools, words, "forgets that it was rung", true),
  ringProduceRingsFirst: (_tools, { words }: Objects) => produce(words, true),
  ringConsumeLooksFirst: (tools, { words }: Objects) => consume(tools, words, "looks before it announces"),
  ringConsumeReleasesFirst: (tools, { words }: Objects) => consume(tools, words, "releases before it reads"),
  claimStart: (tools, { words }: Objects) => take(tools, words, 1, false),
  claimRevoke: (tools, { words }: Objects) => take(tools, words, 2, false),
  claimStartBroken: (tools, { words }: Objects) => take(tools, words, 1, true),
};
