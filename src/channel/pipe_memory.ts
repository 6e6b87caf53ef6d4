/**
 * The memory of a pipe: two ends, and a ring for each direction.
 *
 * ```
 *   end 0  ── direction 0: ring, writers' lock, readers' lock ──▶  end 1
 *   end 1  ── direction 1 (a duplex pipe has both) ─────────────▶  end 0
 * ```
 *
 * Of a pipe that is not duplex, end 0 receives and end 1 sends: it has direction 1 only.
 *
 * WORD      DATA (i32), of a direction: flags, looked at by who has sent. SLEEPERS: somebody may sleep on DATA_BELL until there is
 *           a message · ARMED: somebody is in a `wait()` for it · ENDED: nobody can send any more · UNREAD: nobody can receive any more
 * WORD      SPACE (i32): the same for who has received: somebody may sleep on SPACE_BELL until there is room
 * WORD      DATA_BELL, SPACE_BELL (i32): count wakes. WRAP: harmless, a sleeper would have to miss 2^32 of them
 *           between two of its own instructions
 * WORD      ROOM (i32): how many bytes have to be free before it is worth to wake the sender that sleeps on SPACE_BELL
 * WORD      SENDING (i32): the token of the agent whose message has been published in part; 0 when that is complete, or given up
 * WORD      LAST_WRITER, LAST_READER (i32): the token of the agent that used that side of the ring last: another one has to look
 *           where the ring stands. OWNERSHIP: the holder of the writers' lock, or of the readers' lock
 * LOST WAKE sleeper: reads the bell, sets SLEEPERS, looks, sleeps while the bell is unchanged. Waker: publishes (or sets ENDED,
 *           UNREAD), then looks at the flags; if SLEEPERS is there it takes it away, changes the bell, and wakes all. Either the
 *           sleeper sees what was published, or the waker sees the flag, and then the bell changes after the sleeper read it.
 *           All are woken, so that nobody has a wake to hand on.
 * @module
 */
import { AGENT_CAPACITY, type AgentTable } from "../memory/agents.ts";
import { compareExchange, fetchAdd, load, notify, type SharedWords, store } from "../memory/atomics.ts";
import { ringBytes, type RingPlace } from "../memory/ring.ts";
import { selfAgent } from "../memory/self.ts";
import { ringWaiters } from "../transport/waitable.ts";

/** The pipe's number, in reports and as its name in this program. */
const NUMBER = 0;
const DUPLEX = 1;

// Of an end, from END + end * END_WORDS on; used by pipe_holds.ts.
const END = 16;
const END_WORDS = 16;

// Of a direction, from DIRECTION + direction * DIRECTION_WORDS on. Each group has a cache line of its own.
const DIRECTION = 64;
const DIRECTION_WORDS = 64;
/** Of a direction: what receivers wait for. */
export const DATA = 0;
export const DATA_BELL = 1;
/** Of a direction: what senders wait for. */
export const SPACE = 16;
export const SPACE_BELL = 17;
export const ROOM = 18;
/** Of a direction: the senders' lock, and what it guards. */
export const WRITERS_LOCK = 32;
export const LAST_WRITER = 40;
export const SENDING = 41;
/** Of a direction: the receivers' lock, and what it guards. */
export const READERS_LOCK = 48;
export const LAST_READER = 56;

// Flags of DATA and SPACE.
export const SLEEPERS = 1;
export const ARMED = 2;
/** Nobody can send any more. */
export const ENDED = 4;
/** Nobody can receive any more. */
export const UNREAD = 8;

/** The most copies of one end that are on their way at one time. */
export const TICKETS = 256;

const HOLDERS = 256;
const TICKET_WORDS = HOLDERS + 2 * AGENT_CAPACITY;
const CONTROL_WORDS = TICKET_WORDS + 2 * 2 * TICKETS;
const CONTROL_BYTES = CONTROL_WORDS * 4;

/** The data of a ring, in bytes. Of what is never used the machine gives nothing. */
export const RING_BYTES = 512 * 1024;

/** The memory of one pipe, as this agent sees it. */
export class PipeMemory {
  readonly buffer: SharedArrayBuffer;
  readonly words: SharedWords;
  readonly number: number;
  readonly duplex: boolean;

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer, 0, CONTROL_WORDS);
    this.number = load(this.words, NUMBER);
    this.duplex = load(this.words, DUPLEX) === 1;
  }

  /** Makes a new pipe. */
  static create(duplex: boolean): PipeMemory {
    const rings = duplex ? 2 : 1;
    const buffer = new SharedArrayBuffer(CONTROL_BYTES + rings * ringBytes(RING_BYTES));
    const words = new Int32Array(buffer);
    store(words, NUMBER, selfAgent().table.nextLock());
    store(words, DUPLEX, duplex ? 1 : 0);
    return new PipeMemory(buffer);
  }

  /** An existing pipe. */
  static from(buffer: SharedArrayBuffer): PipeMemory {
    return new PipeMemory(buffer);
  }

  /** Whether messages go from that end to the other one. */
  sends(end: number): boolean {
    return this.duplex || end === 1;
  }

  /** The ring of the messages that `end` sends. */
  ring(end: number): RingPlace {
    const index = this.duplex ? end : 0;
    return { buffer: this.buffer, byteOffset: CONTROL_BYTES + index * ringBytes(RING_BYTES), size: RING_BYTES };
  }

  /** A lock's words, or what it guards: `group` of the direction in which `end` sends. */
  group(end: number, group: number, length: number): SharedWords {
    return new Int32Array(this.buffer, (this.direction(end) + group) * 4, length);
  }

  /** Where the words of the direction in which `end` sends begin. */
  direction(end: number): number {
    return DIRECTION + end * DIRECTION_WORDS;
  }

  /** Where the words of an end begin: how often it changed hands, how many tickets there were, the places in use. */
  end(end: number): number {
    return END + end * END_WORDS;
  }

  /** Where its holders are listed: a word for each place of the agent table. */
  holders(end: number): number {
    return HOLDERS + end * AGENT_CAPACITY;
  }

  /** Where its tickets are: a serial number each, and then an owner each. */
  tickets(end: number): number {
    return TICKET_WORDS + end * 2 * TICKETS;
  }

  /** Sets flags of a word; returns what stood there before. */
  setFlags(at: number, flags: number): number {
    const { words } = this;
    for (let seen = load(words, at);;) {
      if ((seen & flags) === flags) return seen;
      const before = compareExchange(words, at, seen, seen | flags);
      if (before === seen) return before;
      seen = before;
    }
  }

  /** Wakes who waits for the word, if anybody does. `seen`: the flags, as they were read after the change. */
  wake(at: number, seen: number): void {
    const { words } = this;
    while ((seen & (SLEEPERS | ARMED)) !== 0) {
      const before = compareExchange(words, at, seen, seen & ~(SLEEPERS | ARMED));
      if (before !== seen) {
        seen = before;
        continue;
      }
      if ((seen & SLEEPERS) !== 0) {
        fetchAdd(words, at + 1, 1);
        notify(words, at + 1);
      }
      if ((seen & ARMED) !== 0) ringWaiters();
      return;
    }
  }

  /** Says that nobody holds an end any more, to whoever waits at the other one. */
  markClosed(end: number): void {
    for (const from of [end, 1 - end]) {
      if (!this.sends(from)) continue;
      const flag = from === end ? ENDED : UNREAD;
      for (const group of [DATA, SPACE]) {
        const at = this.direction(from) + group;
        this.setFlags(at, flag);
        this.wake(at, load(this.words, at));
      }
    }
  }
}

/** What the two sides of an end see of it. */
export interface EndView {
  readonly memory: PipeMemory;
  /** 0 or 1. */
  readonly side: number;
  readonly table: AgentTable;
  /** What it is called in messages. */
  readonly label: string;
  /** Whether this agent has let go of it. */
  readonly closed: boolean;
  /** Whether nobody holds that end of the pipe any more; then it is marked as closed. */
  closeIfUnheld(side: number): boolean;
  /** Lets go of what is in a message that was sent to the other end after nobody held that any more. */
  drainUnread(): void;
  /** Whether this thread, while it is blocked, waits for what only it could do. */
  isWaitingForItself(): boolean;
  /** Throws if this agent was asked to stop. */
  throwIfStopped(): void;
}
