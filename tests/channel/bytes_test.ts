/** Copies into shared memory and out of it, at places that agree modulo 8 and that do not. */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { copyBytes, unfilledBytes } from "../../src/channel/bytes.ts";
import { Queue } from "../../src/channel/queue.ts";

const LENGTHS = [0, 1, 7, 8, 255, 256, 257, 511, 512, 513, 4095, 4096, 65535, 65536, 70001];

function numbered(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255);
}

test("copyBytes copies what it is asked to, and touches nothing beside it", () => {
  for (const length of LENGTHS) {
    for (const [start, at] of [[0, 0], [0, 4], [3, 8], [8, 24], [5, 1]] as const) {
      const from = numbered(start + length + 9);
      const shared = new Uint8Array(new SharedArrayBuffer(at + length + 9)).fill(250);
      copyBytes(from, start, length, shared, at);
      const back = new Uint8Array(length + 2).fill(251);
      copyBytes(shared, at, length, back, 1);
      const where = `${length} bytes from ${start} to ${at}`;
      assertEquals(back.slice(1, length + 1), from.slice(start, start + length), where);
      assertEquals([back[0], back[length + 1]], [251, 251], where);
      assert(shared.subarray(0, at).every((byte) => byte === 250), where);
      assert(shared.subarray(at + length).every((byte) => byte === 250), where);
    }
  }
});

test("copyBytes takes views that begin in the middle of a buffer", () => {
  const from = numbered(3000).subarray(11);
  const to = new Uint8Array(new SharedArrayBuffer(4000), 17);
  copyBytes(from, 5, 2000, to, 3);
  assertEquals(to.slice(3, 2003), from.slice(5, 2005));
});

test("unfilledBytes gives memory of its own, of that length, that can be transferred", () => {
  for (const length of LENGTHS) {
    const bytes = unfilledBytes(length);
    assertEquals(Object.getPrototypeOf(bytes), Uint8Array.prototype);
    assertEquals([bytes.length, bytes.byteOffset, bytes.buffer.byteLength], [length, 0, length]);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    assertEquals(bytes.length, 0);
  }
});

test("Queue: items of every length arrive as they were, also where they go on in the next segment", () => {
  const queue = new Queue<Uint8Array>();
  for (let length = 230; length < 290; length++) queue.putSync(numbered(length));
  for (const length of LENGTHS) queue.putSync(numbered(length));
  for (let i = 0; i < 400; i++) queue.putSync(numbered(500 + i));
  for (let length = 230; length < 290; length++) assertEquals(queue.getSync(), numbered(length));
  for (const length of LENGTHS) assertEquals(queue.getSync(), numbered(length));
  for (let i = 0; i < 400; i++) assertEquals(queue.getSync(), numbered(500 + i));
  assert(queue.empty);
});
