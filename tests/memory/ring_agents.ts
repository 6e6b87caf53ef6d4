/** What the agents of the ring's tests run. */
import { load, notify, store, wait } from "../../src/memory/atomics.ts";
import { RingReader, RingWriter } from "../../src/memory/ring.ts";
import { randomNumbers } from "../kit/random.ts";

/** Fills a payload with bytes that only its number gives. */
export function fill(bytes: Uint8Array, at: number, length: number, number: number): void {
  for (let i = 0; i < length; i++) bytes[at + i] = (number * 31 + i * 7) & 0xff;
}

/** Whether a payload is the one that {@linkcode fill} wrote. */
export function isRight(bytes: Uint8Array, at: number, end: number, number: number): boolean {
  for (let i = 0; i < end - at; i++) if (bytes[at + i] !== ((number * 31 + i * 7) & 0xff)) return false;
  return true;
}

/** Writes `count` records of random length, published at random moments; sleeps on words[1] while the ring is full. */
export function produce(
  buffer: SharedArrayBuffer,
  size: number,
  words: Int32Array<SharedArrayBuffer>,
  count: number,
  seed: number,
): number {
  const writer = new RingWriter({ buffer, byteOffset: 0, size });
  const random = randomNumbers(seed);
  const show = (): void => {
    if (!writer.publish()) return;
    store(words, 0, load(words, 0) + 1);
    notify(words, 0);
  };
  for (let number = 0; number < count; number++) {
    const length = Math.floor(random() * random() * (writer.longest + 1));
    let at: number;
    for (;;) {
      const seen = load(words, 1);
      at = writer.reserve(length);
      if (at >= 0) break;
      show();
      wait(words, 1, seen, 1);
    }
    fill(writer.bytes, at, length, number);
    writer.commit(length, number);
    if (random() < 0.2) show();
  }
  show();
  return count;
}

/** Reads them; the number of those that were wrong. */
export function consume(
  buffer: SharedArrayBuffer,
  size: number,
  words: Int32Array<SharedArrayBuffer>,
  count: number,
  seed: number,
): number {
  const reader = new RingReader({ buffer, byteOffset: 0, size });
  const random = randomNumbers(seed);
  let wrong = 0;
  const giveBack = (): void => {
    if (!reader.release()) return;
    store(words, 1, load(words, 1) + 1);
    notify(words, 1);
  };
  for (let number = 0; number < count; number++) {
    let at: number;
    for (;;) {
      const seen = load(words, 0);
      at = reader.peek();
      if (at >= 0) break;
      giveBack();
      wait(words, 0, seen, 1);
    }
    if (reader.tag !== number || !isRight(reader.bytes, at, reader.end, number)) wrong++;
    reader.advance();
    if (random() < 0.2) giveBack();
  }
  giveBack();
  return wrong;
}
