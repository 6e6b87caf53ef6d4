// Shared objects in the codec: kind and description cross, live objects come out; and a receiver gets what it has not loaded yet.

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { EncodingError } from "../../src/errors.ts";
import {
  decode,
  decodeWith,
  Encoder,
  HandlesNotLoadedError,
  type MemoryCourier,
  MissingMemoryError,
  NEEDS_MESSAGE,
} from "../../src/transport/codec.ts";
import { registerHandle } from "../../src/transport/handles.ts";
import { Lock } from "../../src/sync/lock.ts";

/** A class whose objects live somewhere else: those with the same key are the same. */
class Shared {
  static attached = 0;
  readonly key: number;
  readonly other: unknown;
  constructor(key: number, other?: unknown) {
    this.key = key;
    this.other = other;
  }
}
registerHandle<Shared, { key: number; other: unknown }>("TestCodecShared", Shared, {
  detach: ({ key, other }) => ({ key, other }),
  attach: ({ key, other }) => {
    Shared.attached++;
    return new Shared(key, other);
  },
});

/** The memory of one program; an agent knows what is in its own map. */
const everywhere: SharedArrayBuffer[] = [];

function agent(): MemoryCourier & { readonly known: Map<number, SharedArrayBuffer> } {
  const known = new Map<number, SharedArrayBuffer>();
  return {
    known,
    export(memory) {
      const at = everywhere.indexOf(memory as SharedArrayBuffer);
      return at >= 0 ? at : everywhere.push(memory as SharedArrayBuffer) - 1;
    },
    import: (id) => known.get(id),
  };
}

const sender = agent();
const encoder = new Encoder(sender);

function encode(value: unknown): Uint8Array {
  const length = encoder.encode(value, "value");
  return encoder.bytes.slice(0, length);
}

// deno-lint-ignore no-explicit-any -- values of any shape, taken apart by the tests
type Any = any;

describe("shared objects in the codec", () => {
  it("come out live, wherever they stand, and the same one is one object", () => {
    const shared = new Shared(7);
    const value: Any = { shared, list: [shared], map: new Map([[shared, shared]]), set: new Set([shared]) };
    value.self = value;
    value.error = Object.assign(new Error("e"), { shared });
    const bytes = encode(value);
    const back = decode(bytes, 0, bytes.length) as Any;
    assert(back.shared instanceof Shared && back.shared.key === 7);
    assertStrictEquals(back.list[0], back.shared);
    assertStrictEquals(back.map.get(back.shared), back.shared);
    assert(back.set.has(back.shared));
    assertStrictEquals(back.error.shared, back.shared);
    assertStrictEquals(back.self, back);
  });

  it("may stand in each other, deep in a value, and hold deep values", () => {
    let deep: unknown = "end";
    for (let i = 0; i < 1000; i++) deep = { deep };
    let value: unknown = new Shared(1, new Shared(2, [new Shared(3, deep)]));
    for (let i = 0; i < 500; i++) value = [value];
    const bytes = encode(value);
    let back = decode(bytes, 0, bytes.length) as Any;
    while (Array.isArray(back)) back = back[0];
    let inner = back.other.other[0].other;
    for (let i = 0; i < 1000; i++) inner = inner.deep;
    assertEquals(inner, "end");
  });

  it("in too many others of them are refused", () => {
    let value: unknown = 1;
    for (let i = 0; i < 100; i++) value = new Shared(i, value);
    assertThrows(() => encode(value), EncodingError, "in too many others");
  });

  it("share their memory by the courier: a Lock that crossed is the same lock", () => {
    const lock = new Lock();
    const guard = lock.tryAcquire();
    assert(guard !== null);
    const receiver = agent();
    const bytes = encode({ lock });
    everywhere.forEach((memory, id) => receiver.known.set(id, memory));
    const back = decode(bytes, 0, bytes.length, receiver) as { lock: Lock };
    assert(back.lock instanceof Lock && back.lock.locked);
    guard.release();
    assert(!back.lock.locked);
    assertEquals(new Encoder().encode({ lock }, "v"), NEEDS_MESSAGE);
  });
});

describe("what a message needs", () => {
  it("is asked for before anything of it is made", () => {
    const receiver = agent();
    const [one, two] = [new SharedArrayBuffer(8), new SharedArrayBuffer(16)];
    const bytes = encode([new Shared(1), one, new Shared(2), { two: new Uint8Array(two) }]);
    const before = Shared.attached;
    const first = assertThrows(() => decode(bytes, 0, bytes.length, receiver), MissingMemoryError);
    receiver.known.set(first.id, everywhere[first.id] as SharedArrayBuffer);
    const second = assertThrows(() => decode(bytes, 0, bytes.length, receiver), MissingMemoryError);
    assert(second.id !== first.id);
    assertEquals(Shared.attached, before);
    receiver.known.set(second.id, everywhere[second.id] as SharedArrayBuffer);
    const back = decode(bytes, 0, bytes.length, receiver) as Any;
    assertEquals(Shared.attached, before + 2);
    assertStrictEquals(back[1], one);
    assertStrictEquals(back[3].two.buffer, two);
    assertThrows(() => decode(bytes, 0, bytes.length), MissingMemoryError);
  });

  it("is had by decodeWith(), which gives a promise only if it has to wait, and keeps the bytes", async () => {
    const receiver = agent();
    const fetched: number[] = [];
    const supplies = {
      courier: receiver,
      loadHandles: () => Promise.resolve(),
      fetchMemory(id: number) {
        fetched.push(id);
        receiver.known.set(id, everywhere[id] as SharedArrayBuffer);
        return Promise.resolve();
      },
    };
    const plain = encode({ a: 1 });
    assertEquals(decodeWith(plain, 0, plain.length, supplies), { a: 1 });
    const memories = [new SharedArrayBuffer(8), new SharedArrayBuffer(8)];
    const bytes = encode(memories);
    const promise = decodeWith(bytes, 0, bytes.length, supplies);
    assert(promise instanceof Promise);
    bytes.fill(0);
    assertEquals((await promise as SharedArrayBuffer[]).map((memory, i) => memory === memories[i]), [true, true]);
    assertEquals(fetched.length, 2);
  });

  it("is an error when it cannot be had", async () => {
    const bytes = encode(new SharedArrayBuffer(8));
    const loadHandles = (): Promise<void> => Promise.resolve();
    const fetchMemory = loadHandles;
    assertThrows(() => decodeWith(bytes, 0, bytes.length, { loadHandles, courier: agent() }), MissingMemoryError);
    const lost = decodeWith(bytes, 0, bytes.length, { loadHandles, fetchMemory, courier: agent() });
    await assertRejects(() => lost as Promise<unknown>, MissingMemoryError);
  });

  it("are classes, too, which are loaded once", async () => {
    const bytes = encode([new Shared(1), 2]);
    // The same message with a class that nobody has loaded yet: a name of the same length.
    const name = [..."TestCodecShared"].map((c) => c.charCodeAt(0));
    for (let at = 0; at < bytes.length; at++) {
      if (name.every((code, i) => bytes[at + i] === code)) bytes[at + name.length - 1] = "X".charCodeAt(0);
    }
    assertThrows(() => decode(bytes, 0, bytes.length), HandlesNotLoadedError, "TestCodecShareX");
    let loads = 0;
    const never = decodeWith(bytes, 0, bytes.length, { loadHandles: () => Promise.resolve(loads++) });
    await assertRejects(() => never as Promise<unknown>, EncodingError, "TestCodecShareX");
    assertEquals(loads, 1);
    const loadHandles = (): Promise<void> => {
      class Late extends Shared {}
      registerHandle<Late, { key: number }>("TestCodecShareX", Late, {
        detach: ({ key }) => ({ key }),
        attach: ({ key }) => new Late(key),
      });
      return Promise.resolve();
    };
    const back = await decodeWith(bytes, 0, bytes.length, { loadHandles }) as Any;
    assertEquals([back[0].key, back[1]], [1, 2]);
  });
});
