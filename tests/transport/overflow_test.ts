// Large values beside a ring: room is given back when the record is released, and a memory that is full says so.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { RING_HEADER_BYTES, RingReader, RingWriter } from "../../src/memory/ring.ts";
import type { WasmMemory } from "../../src/memory/wasm_memory.ts";
import { decode, Encoder, NEEDS_MESSAGE, NO_ROOM } from "../../src/transport/codec.ts";
import { OverflowReader, OverflowWriter } from "../../src/transport/overflow.ts";

const MB = 1 << 20;

/** Both sides, in one thread. */
function pair(most?: number): {
  writer: OverflowWriter;
  send(value: unknown): number;
  receive(): unknown;
} {
  const place = { buffer: new SharedArrayBuffer(RING_HEADER_BYTES + 1024), byteOffset: 0, size: 1024 };
  const ring = new RingWriter(place);
  const records = new RingReader(place);
  const encoder = new Encoder();
  let memory: WasmMemory | undefined;
  let reader: OverflowReader | undefined;
  const writer = new OverflowWriter(ring, (made) => memory = made, most);
  return {
    writer,
    send(value) {
      const at = ring.reserve(8) >> 2;
      const length = writer.write(encoder, value, "value");
      if (length < 0) return length;
      ring.data[at] = writer.at;
      ring.data[at + 1] = length;
      ring.commit(8, 0);
      ring.publish();
      return length;
    },
    receive() {
      const word = records.peek() >> 2;
      reader ??= new OverflowReader(memory as WasmMemory);
      const start = (records.data[word] as number) * 8;
      const end = start + (records.data[word + 1] as number);
      const value = decode(reader.bytesTo(end), start, end);
      records.advance();
      records.release();
      return value;
    },
  };
}

const text = (length: number, letter: string): string => letter.repeat(length);

describe("OverflowWriter", () => {
  it("keeps values until their records are released, in any sizes", () => {
    const { send, receive } = pair();
    for (const size of [10, 300_000, 5 * MB, 40, 2 * MB]) {
      assert(send(text(size, "a")) > 0);
      assert(send([text(size, "b")]) > 0);
      assertEquals(receive() === text(size, "a"), true);
      assertEquals((receive() as string[])[0] === text(size, "b"), true);
    }
  });

  it("says NO_ROOM when its memory is full, and has room again when a record is released", () => {
    const { send, receive } = pair(4 * MB);
    assertEquals(send(text(5 * MB, "x")), NO_ROOM);
    let sent = 0;
    while (send(text(MB, String.fromCharCode(97 + sent))) > 0) sent++;
    assertEquals(sent, 3);
    assertEquals(send(text(MB, "z")), NO_ROOM);
    assertEquals(receive(), text(MB, "a"));
    assert(send(text(MB, "z")) > 0);
    for (const letter of ["b", "c", "z"]) assertEquals(receive() === text(MB, letter), true);
  });

  it("uses all of its memory for a value that needs it", () => {
    const { send, receive } = pair(4 * MB);
    const list = Array.from({ length: 35 }, (_, i) => text(100_000, String.fromCharCode(97 + i)));
    assert(send(list) > 0);
    assertEquals(receive(), list);
  });

  it("hands on what the encoder says", () => {
    const { send } = pair(4 * MB);
    assertEquals(send(new SharedArrayBuffer(8)), NEEDS_MESSAGE);
  });

  it("says beforehand what is for it: what is long for sure, and objects after one that was", () => {
    const { writer, send, receive } = pair();
    const object = { a: 1 };
    const room = 1000;
    assertEquals(writer.isFor(object, room), false);
    for (const long of [text(2000, "x"), new Uint8Array(2000), new ArrayBuffer(2000)]) assert(writer.isFor(long, room));
    assertEquals(writer.isFor(new Uint8Array(new SharedArrayBuffer(2000)), room), false);
    send(Array.from({ length: 5000 }, () => "x"));
    assert(writer.isFor(object, room));
    assertEquals(writer.isFor("short", room), false);
    send(object);
    assertEquals(writer.isFor(object, room), false);
    receive();
    assertEquals(receive(), object);
  });
});
