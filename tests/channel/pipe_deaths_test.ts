/**
 * A sender or receiver dies before every single atomic operation of every call, in turn. The pipe stays usable, at most the message
 * that was being sent or taken is lost or reported as cut off, and an end that nobody holds any more is closed.
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Connection } from "../../src/channel/connection.ts";
import { PipeEnd } from "../../src/channel/pipe_end.ts";
import { PipeMemory } from "../../src/channel/pipe_memory.ts";
import "../../src/handle_types.ts";
import { doomedAgent } from "../kit/death.ts";

type Any = Connection<unknown>;

const LONG = 200_000;
const long = (): Uint8Array => new Uint8Array(LONG).fill(5);

interface Call {
  /** The end that the victim has: 0 sends, 1 receives. */
  readonly side: number;
  readonly before: (sender: Any) => void;
  readonly call: (end: Any) => void;
  /** What it sends. */
  readonly sends?: unknown;
}

const three = (sender: Any): void => [0, 1, 2].forEach((i) => sender.sendSync(i));
const longOne = (sender: Any): void => {
  sender.sendBytesSync(long());
  sender.sendSync(1);
};

const CALLS: Record<string, Call> = {
  "sendSync of a number": { side: 0, before() {}, call: (end) => end.sendSync(-1), sends: -1 },
  "sendSync of a string": { side: 0, before: three, call: (end) => end.sendSync("text"), sends: "text" },
  "sendSync of an object": {
    side: 0,
    before: three,
    call: (end) => end.sendSync({ a: [1, "b"] }),
    sends: { a: [1, "b"] },
  },
  "sendBytesSync of a long message": {
    side: 0,
    before: three,
    call: (end) => end.sendBytesSync(long()),
    sends: long(),
  },
  "recvSync of a number": { side: 1, before: three, call: (end) => end.recvSync() },
  "recvSync of an object": {
    side: 1,
    before: (end) => [{ a: 1 }, 2].forEach((x) => end.sendSync(x)),
    call: (end) => end.recvSync(),
  },
  "recvBytesSync of a long message": { side: 1, before: longOne, call: (end) => end.recvBytesSync() },
  "recvBytesIntoSync of a long message": {
    side: 1,
    before: longOne,
    call: (end) => end.recvBytesIntoSync(new Uint8Array(LONG)),
  },
  "pollSync": { side: 1, before: three, call: (end) => end.pollSync() },
  "close of the sending end": { side: 0, before: three, call: (end) => end.close() },
  "close of the receiving end": { side: 1, before: three, call: (end) => end.close() },
};

/** What belongs to agents that have died is never collected: they could not let go of it any more. */
const graveyard: unknown[] = [];

/** An end of a pipe, as an agent sees it that is not the one of this thread: it has views of its own. */
function view(memory: PipeMemory, side: number): Any {
  const End = PipeEnd as unknown as new (memory: PipeMemory, side: number) => PipeEnd;
  const end = new End(memory, side);
  end.own.take();
  Object.assign(end, { closed: false });
  const connection = new Connection<unknown>(end);
  graveyard.push(connection);
  return connection;
}

function pipe(): { memory: PipeMemory; ends: [Any, Any] } {
  const memory = PipeMemory.create(true);
  const ends = [0, 1].map((side) => {
    const end = PipeEnd.of(memory, side);
    end.add();
    return new Connection<unknown>(end);
  });
  return { memory, ends: ends as [Any, Any] };
}

/** What comes, up to "after"; a message that was cut off counts as `cut`. */
function receiveAll(end: Any): unknown[] {
  const got: unknown[] = [];
  for (;;) {
    try {
      const message = end.recvSync({ timeout: 20_000 });
      if (message === "after") return got;
      got.push(message);
    } catch (error) {
      assert((error as Error).message.includes("cut off"), String(error));
      got.push("cut");
    }
  }
}

for (const [name, { side, before, call, sends }] of Object.entries(CALLS)) {
  test(`a death at any step of ${name} leaves the pipe in order`, () => {
    const plain = pipe();
    before(plain.ends[0]);
    plain.ends[0].sendSync("after");
    const had = receiveAll(plain.ends[1]);
    const lengths = new Set<number>();
    let deaths = 0;
    for (let step = 0;; step++) {
      const where = `${name}, step ${step}`;
      const { memory, ends: [sender, receiver] } = pipe();
      before(sender);
      const victim = doomedAgent();
      const end = victim.as(() => view(memory, side));
      const died = victim.diesAt(step, () => call(end));
      sender.sendSync("after", { timeout: 20_000 });
      const got = receiveAll(receiver);
      lengths.add(got.length);
      if (side === 0) {
        assertEquals(got.slice(0, had.length), had, where);
        const [last, ...rest] = got.slice(had.length);
        assertEquals(rest, [], where);
        if (last !== undefined) assert(last === "cut" || (assertEquals(last, sends, where), true));
      } else {
        assert(got.length >= had.length - 1, where);
        assertEquals(got, had.slice(had.length - got.length), where);
      }
      // Both directions go on, with messages of all sizes.
      for (const [from, to] of [[sender, receiver], [receiver, sender]] as const) {
        for (const message of [1, { b: 2 }, "text"]) {
          from.sendSync(message, { timeout: 20_000 });
          assertEquals(to.recvSync({ timeout: 20_000 }), message, where);
        }
        from.sendBytesSync(long(), { timeout: 20_000 });
        assertEquals(to.recvBytesSync({ timeout: 20_000 }).length, LONG, where);
      }
      sender.close();
      assertEquals(receiver.pollSync(), true, `${where}: the end of file`);
      receiver.close();
      if (!died) break;
      deaths++;
    }
    assert(deaths >= 3, `${deaths} deaths`);
    if (!/poll|close/.test(name)) {
      assert(lengths.size > 1, "no death came before, or none after, the message was sent or taken");
    }
  });
}

test("a death at any step of receiving a connection, or of closing it, leaves nobody waiting for its end", () => {
  let open = 0;
  // The last steps look whether other agents hold the end, one after the other: there are more of them than need be tried.
  for (let step = 0; step < 80; step++) {
    const { memory, ends: [sender, receiver] } = pipe();
    const passed = pipe();
    sender.sendSync([passed.ends[0]]);
    passed.ends[0].close();
    const victim = doomedAgent();
    const end = victim.as(() => view(memory, 1));
    const died = victim.diesAt(step, () => (end.recvSync() as [Any])[0].close());
    // Whoever finds the message gets a connection that can be used, or one whose end is closed.
    if (receiver.pollSync()) (receiver.recvSync() as [Any])[0].close();
    // Who dies between taking the message and what is in it takes the copy along: that is the one case.
    if (!passed.ends[1].pollSync({ timeout: 120 })) open++;
    for (const one of [sender, receiver, passed.ends[1]]) one.close();
    if (!died) break;
  }
  assert(open <= 1, `${open} of the deaths left an end open`);
});
