/** What the agents of the pipe's interleaving tests do. */
import { assert } from "@std/assert";
import { PipeEnd } from "../../src/channel/pipe_end.ts";
import { PipeMemory, TICKETS } from "../../src/channel/pipe_memory.ts";
import type { Connection } from "../../src/channel/connection.ts";
import { Holds, type TicketPlace } from "../../src/channel/pipe_holds.ts";
import { exchange, fetchAdd, load, notify, type SharedWords, store, wait } from "../../src/memory/atomics.ts";
import { COUNTER } from "./interleave.ts";
import type { Tools } from "./interleave_scenarios.ts";

interface Objects {
  readonly connections: readonly [Connection<number>, Connection<number>];
  readonly buffer: SharedArrayBuffer;
  readonly words: SharedWords;
}

function count(tools: Tools): void {
  tools.control[COUNTER] = (tools.control[COUNTER] as number) + 1;
}

function publish(words: SharedWords, { place, serial }: TicketPlace): void {
  words[1] = place;
  store(words, 0, serial);
  notify(words, 0);
}

/** What is made at the first use, before anything is counted: every schedule has to have the same steps. */
export function warmUp({ buffer }: { readonly buffer?: SharedArrayBuffer }): void {
  if (buffer === undefined) return;
  const memory = PipeMemory.from(buffer);
  for (const side of [0, 1]) {
    const end = PipeEnd.of(memory, side);
    assert(end.inbound !== undefined && end.outbound !== undefined);
  }
}

/** The length of the messages that fill a pipe. */
export const LONG = 30_000;

const long = new Uint8Array(LONG);

export const PIPE_SCENARIOS: Record<string, (tools: Tools, objects: never) => void> = {
  pipeSend(_tools, { connections: [a] }: Objects) {
    a.sendSync(1);
  },
  pipeSendTwo(_tools, { connections: [a] }: Objects) {
    a.sendSync(1);
    a.sendSync(2);
  },
  pipeReceive(tools, { connections: [, b] }: Objects) {
    b.recvSync();
    count(tools);
  },
  pipeReceiveTwo(tools, { connections: [, b] }: Objects) {
    for (let i = 1; i <= 2; i++) {
      if (b.recvSync() !== i) throw new Error("out of order");
      count(tools);
    }
  },
  pipePoll(tools, { connections: [, b] }: Objects) {
    if (b.pollSync({ timeout: Infinity })) count(tools);
  },
  pipeEcho(_tools, { connections: [, b] }: Objects) {
    b.sendSync(b.recvSync());
  },
  pipeAsk(tools, { connections: [a] }: Objects) {
    a.sendSync(1);
    if (a.recvSync() === 1) count(tools);
  },
  /** The pipe is full. */
  pipeSendLong(tools, { connections: [a] }: Objects) {
    a.sendBytesSync(long);
    count(tools);
  },
  pipeSendBroken(tools, { connections: [a] }: Objects) {
    try {
      a.sendBytesSync(long);
    } catch (error) {
      if ((error as Error).name !== "BrokenPipeError") throw error;
    }
    count(tools);
  },
  pipeReceiveLong(_tools, { connections: [, b] }: Objects) {
    b.recvBytesIntoSync(long);
  },
  pipeReceiveEnd(tools, { connections: [, b] }: Objects) {
    try {
      b.recvSync();
    } catch (error) {
      if ((error as Error).name !== "EndOfFileError") throw error;
      count(tools);
    }
  },
  pipeEndFirst(_tools, { buffer }: Objects) {
    PipeMemory.from(buffer).markClosed(0);
  },
  pipeEndSecond(_tools, { buffer }: Objects) {
    PipeMemory.from(buffer).markClosed(1);
  },

  // Connections on their way. TICKET[0] is the serial number of the copy, [1] its place, [2] that it has arrived.

  /** Sends a copy, says that it has, and begins to send a second one, which is not published. */
  pipeTicketSend(tools, { buffer, words }: Objects) {
    const memory = PipeMemory.from(buffer);
    const holds = new Holds(memory, 0);
    holds.take();
    const ticket = holds.leave();
    publish(words, ticket);
    holds.sent(ticket);
    const second = holds.leave();
    while (load(words, 2) === 0) wait(words, 2, 0);
    const [serials, owners] = [memory.tickets(0), memory.tickets(0) + TICKETS];
    const states = [ticket, second].map(({ place }) => [memory.words[serials + place], memory.words[owners + place]]);
    const [first, last] = states as [number[], number[]];
    if (last[0] !== second.serial << 1 || last[1] === 0) throw new Error(`the second ticket: ${last.join()}`);
    if (ticket.place !== second.place && (first[0] !== 0 || first[1] !== 0)) throw new Error(`a leak: ${first.join()}`);
    holds.arrive(second);
    count(tools);
  },
  /** Sends a copy, and lets its own go: from then on there is only the one on its way. */
  pipeTicketPass(_tools, { buffer, words }: Objects) {
    const holds = new Holds(PipeMemory.from(buffer), 0);
    holds.take();
    const ticket = holds.leave();
    publish(words, ticket);
    holds.sent(ticket);
    holds.letGo();
  },
  pipeTicketTake(tools, { buffer, words }: Objects) {
    while (load(words, 0) === 0) wait(words, 0, 0);
    const holds = new Holds(PipeMemory.from(buffer), 0);
    holds.take();
    holds.arrive({ serial: load(words, 0), place: load(words, 1) });
    store(words, 2, 1);
    notify(words, 2);
    count(tools);
  },
  pipeTicketLook(tools, { buffer, words }: Objects) {
    while (load(words, 0) === 0) wait(words, 0, 0);
    if (!new Holds(PipeMemory.from(buffer), 0).isHeld()) throw new Error("nobody holds it");
    count(tools);
  },

  // Seeded bugs.

  /** Reads the bell after it has looked. */
  brokenBellReceive(_tools, { words }: Objects) {
    while (load(words, 0) === 0) {
      store(words, 1, 1);
      if (load(words, 0) !== 0) return;
      wait(words, 2, load(words, 2));
    }
  },
  /** Looks at the flag before it publishes. */
  brokenFlagSend(_tools, { words }: Objects) {
    const flagged = load(words, 1);
    store(words, 0, 1);
    if (flagged === 0) return;
    fetchAdd(words, 2, 1);
    notify(words, 2);
  },
  bellReceive(_tools, { words }: Objects) {
    while (load(words, 0) === 0) {
      const bell = load(words, 2);
      store(words, 1, 1);
      if (load(words, 0) !== 0) return;
      wait(words, 2, bell);
    }
  },
  bellSend(_tools, { words }: Objects) {
    store(words, 0, 1);
    if (exchange(words, 1, 0) === 0) return;
    fetchAdd(words, 2, 1);
    notify(words, 2);
  },
};
