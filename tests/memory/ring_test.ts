// The ring: against a list, with two threads, and at its edges.

import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { RING_HEADER_BYTES, ringBytes, RingReader, RingWriter } from "../../src/memory/ring.ts";
import { all, counters, spawn } from "../kit/agents.ts";
import { randomNumbers, SEED } from "../kit/random.ts";
import { EXTENSION } from "../kit/runtime.ts";
import { fill, isRight } from "./ring_agents.ts";

const AGENTS = new URL(`./ring_agents${EXTENSION}`, import.meta.url).href;

function pair(size: number, start = 0): { writer: RingWriter; reader: RingReader; buffer: SharedArrayBuffer } {
  const buffer = new SharedArrayBuffer(ringBytes(size) + 64);
  const place = { buffer, byteOffset: 64, size };
  const header = new Int32Array(buffer, 64, RING_HEADER_BYTES / 4);
  header[0] = header[16] = start;
  return { writer: new RingWriter(place), reader: new RingReader(place), buffer };
}

for (const [what, start] of [["from 0", 0], ["across the wrap of its counters", -4096]] as const) {
  test(`a ring gives what was written, in order, ${what}`, () => {
    const random = randomNumbers(SEED);
    const { writer, reader } = pair(1024, start);
    const inside: number[] = [];
    let published = 0;
    let written = 0;
    let read = 0;
    for (let step = 0; step < 60_000; step++) {
      if (random() < 0.5) {
        const length = Math.floor(random() * random() * 700);
        const at = writer.reserve(length);
        if (at >= 0) {
          assert(writer.end - at >= length && writer.end <= 1024, `${at} … ${writer.end} for ${length}, seed ${SEED}`);
          fill(writer.bytes, at, length, written);
          writer.commit(length, written++);
          inside.push(length);
        }
        if (random() < 0.4) {
          writer.publish();
          published = written;
        }
      } else {
        const at = reader.peek();
        assertEquals(at >= 0, read < published, `step ${step}, seed ${SEED}`);
        if (at >= 0) {
          assertEquals([reader.tag, reader.end - at], [read, inside.shift()], `seed ${SEED}`);
          assert(isRight(reader.bytes, at, reader.end, read), `record ${read} has other bytes, seed ${SEED}`);
          reader.advance();
          read++;
        }
        if (random() < 0.4 || at < 0) reader.release();
      }
    }
    assert(read > 5_000, `${read} records`);
  });
}

test("a record of the longest length fits wherever the ring stands, once it is empty", () => {
  for (let offset = 0; offset < 256; offset += 8) {
    const { writer, reader } = pair(256, offset);
    let at = writer.reserve(writer.longest);
    if (at < 0) {
      // What is left before the end was given up; the reader passes over it.
      writer.publish();
      assertEquals(reader.peek(), -1);
      reader.release();
      at = writer.reserve(writer.longest);
    }
    assert(at >= 0, `at ${offset}`);
    writer.commit(writer.longest, 7);
    writer.publish();
    assert(reader.peek() >= 0);
    assertEquals(reader.tag, 7);
  }
});

test("a full ring has no room until the reader releases, and loses nothing", () => {
  const { writer, reader } = pair(64);
  for (let i = 0; i < 4; i++) {
    assert(writer.reserve(8) >= 0);
    writer.commit(8, i);
  }
  assertEquals(writer.reserve(0), -1);
  assertEquals(reader.peek(), -1, "nothing was published");
  assert(writer.publish());
  assert(!writer.publish());
  for (let i = 0; i < 4; i++) {
    assert(reader.peek() >= 0);
    assertEquals(reader.tag, i);
    reader.advance();
  }
  assertEquals(writer.reserve(0), -1);
  assertEquals(reader.unreleased, 64);
  assert(reader.release());
  assert(writer.isDrained);
  assert(writer.reserve(0) >= 0);
});

test("another reader or writer takes up the ring where the first left it", () => {
  const { writer, reader, buffer } = pair(256);
  const place = { buffer, byteOffset: 64, size: 256 };
  const second = new RingWriter(place);
  writer.reserve(3);
  writer.commit(3, 1);
  writer.publish();
  second.resume();
  second.reserve(3);
  second.commit(3, 2);
  second.publish();
  const other = new RingReader(place);
  assert(reader.peek() >= 0);
  assertEquals(reader.tag, 1);
  reader.advance();
  reader.release();
  other.resume();
  assert(other.peek() >= 0);
  assertEquals(other.tag, 2);
});

test("a ring is refused where it cannot lie", () => {
  const buffer = new SharedArrayBuffer(1024);
  for (const [size, byteOffset] of [[100, 0], [32, 0], [256, 8], [2 ** 31, 0]] as const) {
    assertThrows(() => new RingWriter({ buffer, byteOffset, size }), RangeError);
    assertThrows(() => new RingReader({ buffer, byteOffset, size }), RangeError);
  }
});

test("two threads: 100,000 records of random length arrive whole and in order", async () => {
  for (const size of [256, 65_536]) {
    const buffer = new SharedArrayBuffer(ringBytes(size));
    const words = counters();
    const [wrong, sent] = await all([
      spawn<number>(AGENTS, "consume", buffer, size, words, size === 256 ? 100_000 : 10_000, SEED),
      spawn<number>(AGENTS, "produce", buffer, size, words, size === 256 ? 100_000 : 10_000, SEED),
    ]);
    assertEquals(wrong, 0, `of ${sent}, seed ${SEED}`);
  }
});
