/**
 * A worker sends back what it gets: strings, bytes, objects, and buffers that move, from 8 bytes to 16 MB.
 * @module
 */
import { clock, type ClockOptions, timed } from "./clock.ts";
import type { Opened } from "./contestant.ts";
import { entryOf, everybody, expectSame, serialEntry, warmCall } from "./field.ts";
import { ring } from "./raw/ring.ts";
import type { Times } from "./rows.ts";
import { quick } from "./settings.ts";
import { type Cell, NotHere, Suite } from "./suite.ts";

const KB = 1024;
const SIZES = quick ? [64, 64 * KB, KB * KB] : [8, 64, KB, 16 * KB, 64 * KB, KB * KB, 16 * KB * KB];

/** In a quick run the others are asked for one size. */
const sizesOf = (kind: string): number[] => quick && kind === "rival" ? [64 * KB] : SIZES;

/** Rivals are many, and their medians move less than the sizes do. */
const budgetOf = (kind: string): ClockOptions => ({ budget: kind === "rival" ? 80 : 160, least: 3 });

const TEXT = "äöü λόγος слово 言葉 ";

function record(id: number): unknown {
  return { id, name: `item ${id}`, score: id / 3, ok: id % 2 === 0, tags: ["red", "green"], at: { x: id, y: null } };
}

const MAKE: Record<string, (bytes: number) => unknown> = {
  ascii: (bytes) => "The quick brown fox jumps. ".repeat(Math.ceil(bytes / 27)).slice(0, bytes),
  text(bytes) {
    const per = new TextEncoder().encode(TEXT).length;
    return bytes < per ? "言葉λ" : TEXT.repeat(Math.round(bytes / per));
  },
  bytes: (bytes) => new Uint8Array(bytes).map((_, i) => i * 7),
  object(bytes) {
    if (bytes <= 8) return { a: 12 };
    const list: unknown[] = [];
    for (let size = 0; size < bytes; size += JSON.stringify(list.at(-1)).length + 1) list.push(record(list.length));
    return list.length === 1 ? list[0] : { list };
  },
};

function check(kind: string, back: unknown, sent: unknown): void {
  if (kind !== "bytes") return expectSame(back, sent);
  if (!(back instanceof Uint8Array)) throw new Error(`wrong type: ${Object.prototype.toString.call(back)}`);
  const bytes = sent as Uint8Array;
  for (const i of [0, bytes.length >> 1, bytes.length - 1]) expectSame(back[i], bytes[i]);
  expectSame(back.length, bytes.length);
}

/** Times an echo, after one that was right. */
async function timeEcho(
  kind: string,
  echo: () => Promise<unknown>,
  verify: (back: unknown) => void,
): Promise<Times> {
  const { result, took } = await timed(echo);
  verify(result);
  return clock(echo, { ...budgetOf(kind), took });
}

function echoCell(who: string, kind: string, bytes: number): Cell {
  return {
    question: `payload/${kind}`,
    x: bytes,
    async measure(opened: Opened) {
      // The first call of all waits for the worker to start.
      const call = await warmCall(opened, "echo", "warm", "warm", 1);
      const make = MAKE[kind] as (bytes: number) => unknown;
      const sent = make(bytes);
      return await timeEcho(who, () => call(sent), (back) => check(kind, back, make(bytes)));
    },
  };
}

function moveCell(who: string, bytes: number): Cell {
  return {
    question: "payload/move",
    x: bytes,
    measure(opened: Opened) {
      const move = opened.move?.();
      if (move === undefined) throw new NotHere("cannot move a buffer there and back");
      let buffer = new ArrayBuffer(bytes);
      new Uint8Array(buffer).fill(9);
      return timeEcho(who, async () => buffer = await move(buffer), () => {
        expectSame(buffer.byteLength, bytes);
        expectSame(new Uint8Array(buffer)[bytes - 1], 9);
      });
    },
  };
}

const suite = new Suite();
suite.add(serialEntry(
  SIZES.map((bytes) => ({
    question: "payload/bytes",
    x: bytes,
    measure() {
      const [from, to] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes)];
      return clock(() => {
        to.set(from);
        from.set(to);
      }, { ...budgetOf("serial"), batched: true });
    },
  })),
  "memcpy, there and back",
));
suite.add(serialEntry(
  SIZES.map((bytes) => ({
    question: "payload/object",
    x: bytes,
    measure() {
      const sent = MAKE["object"]?.(bytes);
      return clock(() => structuredClone(structuredClone(sent)), { ...budgetOf("serial"), batched: bytes < KB });
    },
  })),
  "structuredClone, there and back",
));
for (const contestant of everybody) {
  const sizes = sizesOf(contestant.kind);
  const kinds = Object.keys(MAKE);
  suite.add(entryOf(contestant, { workers: 1, inFlight: 1 }, [
    ...kinds.flatMap((kind) => sizes.map((bytes) => echoCell(contestant.kind, kind, bytes))),
    // Shared memory has nothing to move.
    ...(contestant === ring ? [] : sizes.map((bytes) => moveCell(contestant.kind, bytes))),
  ]));
}
await suite.run();
