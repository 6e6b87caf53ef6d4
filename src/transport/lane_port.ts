/**
 * The worker's side of a lane in shared memory (`lane_memory.ts` has its layout, `ring_lane.ts` the other side).
 * @module
 */
import { compareExchange, load, type SharedWords, store } from "../memory/atomics.ts";
import { BriefSpin } from "../memory/brief_spin.ts";
import { Doorbell, ring } from "../memory/doorbell.ts";
import { RingReader, RingWriter } from "../memory/ring.ts";
import { decode, Encoder, NO_ROOM as TOO_LARGE } from "./codec.ts";
import type { Errors } from "./lane.ts";
import { type NamedMemory, ReceivedMemories } from "./lane_memories.ts";
import * as layout from "./lane_memory.ts";
import { OverflowReader, OverflowWriter } from "./overflow.ts";
import type { MemoryMessage, Payload } from "./protocol.ts";
import {
  type Floats,
  floatsOf,
  numbersBytes,
  numbersEnd,
  readScalar,
  SCALAR_BITS,
  scalarEnd,
  writeNumbers,
  writeScalar,
} from "./scalar.ts";

const { CLAIM, KIND, TASK, PROLOGUE, OPEN, STARTED } = layout;

/** What stands next in the work ring. */
export const NOTHING = 0;
/** A chunk: {@linkcode LanePort.slot} and the rest say which. */
export const CHUNK = 1;
/** A chunk whose value is in a message that has not arrived. */
export const AWAITS_MESSAGE = 2;

/** How a result was taken. */
export const SENT = 0;
/** There is no room; the port rings when there is some. */
export const NO_ROOM = 1;
/** It does not go into the ring: by message. */
export const NEEDS_MESSAGE = 2;

/** The most numbers that go without the codec. */
const MOST_NUMBERS = 4096;

/** The least room for a value that is worth trying. */
const LEAST = 48;

/** A worker's end of its lane. */
export class LanePort {
  /** After {@linkcode look} found a chunk: its slot, */
  slot = 0;
  /** the bits of its kind, */
  kind = 0;
  /** and the number of its function. */
  task = 0;
  readonly #words: SharedWords;
  readonly #host: SharedWords;
  readonly #place: number;
  readonly #work: RingReader;
  readonly #results: RingWriter;
  readonly #workFloats: Floats;
  readonly #resultFloats: Floats;
  readonly #encoder = new Encoder();
  readonly #bell: Doorbell;
  readonly #spin = new BriefSpin();
  readonly #tickets: Payload[] = [];
  readonly #memories = new ReceivedMemories();
  readonly #overflow: OverflowWriter;
  /** Where the host's large values are; undefined before it has sent one. */
  #largeWork: OverflowReader | undefined;
  readonly #look = (): boolean => this.hasNews;
  readonly #mayRun = (): boolean => layout.hasFreeCore(this.#host, 1);
  readonly #lookForRoom = (): boolean => load(this.#words, layout.WORKER_WAITS) === 0;
  #hungry = false;
  #running: 0 | 1 = 0;
  #typical = LEAST;
  #at = 0;

  /** @param memory from the host, @param onRing called when the host rings while this sleeps, @param post sends a message to the host */
  constructor(memory: layout.LaneMemory, onRing: () => void, post: (message: MemoryMessage) => void) {
    const { words, work, results } = layout.partsOf(memory);
    this.#words = words;
    this.#host = new Int32Array(memory.host);
    this.#place = memory.place;
    this.#work = new RingReader(work);
    this.#results = new RingWriter(results);
    this.#overflow = new OverflowWriter(this.#results, (made) => post({ kind: "memory", memory: made }));
    this.#workFloats = floatsOf(work);
    this.#resultFloats = floatsOf(results);
    this.#bell = new Doorbell(words, layout.BELL, () => {
      this.#spin.wakes();
      onRing();
    });
  }

  /** A message with a value arrived, and with numbers for memory in it. */
  addTicket(items: Payload, memories: readonly NamedMemory[] | undefined): void {
    if (memories !== undefined) this.#memories.learn(memories);
    this.#tickets.push(items);
  }

  /** Those numbers name no memory any more. */
  forget(ids: readonly number[]): void {
    this.#memories.forget(ids);
  }

  /** The memory for the host's large values has come. */
  addMemory(message: MemoryMessage): void {
    this.#largeWork = new OverflowReader(message.memory);
  }

  /** Looks at the next record, which stays where it is. Those that were revoked are passed over. */
  look(): typeof NOTHING | typeof CHUNK | typeof AWAITS_MESSAGE {
    const work = this.#work;
    for (;;) {
      const at = work.peek();
      if (at < 0) return NOTHING;
      const word = at >> 2;
      const kind = work.data[word + KIND] as number;
      const byMessage = (kind & layout.CARRIER_BITS) === layout.BY_MESSAGE;
      if (byMessage && this.#tickets.length === 0) return AWAITS_MESSAGE;
      if ((kind & layout.IN_ARENA) !== 0 && this.#largeWork === undefined) return AWAITS_MESSAGE;
      if (load(work.data, word + CLAIM) !== OPEN) {
        if (byMessage) this.#tickets.shift();
        work.advance();
        continue;
      }
      this.#at = at;
      this.slot = work.tag;
      this.kind = kind;
      this.task = work.data[word + TASK] as number;
      return CHUNK;
    }
  }

  /** Starts the chunk that {@linkcode look} found; false if it was revoked at this moment. {@linkcode value} or {@linkcode skip} must follow. */
  claim(): boolean {
    if (compareExchange(this.#work.data, (this.#at >> 2) + CLAIM, OPEN, STARTED) === OPEN) return true;
    this.skip();
    return false;
  }

  /** What came with the chunk: live, or plain with descriptions, if its kind says so. It is done with then. */
  value(): unknown {
    const scalar = this.kind & SCALAR_BITS;
    if (scalar !== 0) {
      const value = readScalar(this.#work.data, this.#workFloats, this.#at >> 2, scalar);
      this.#work.advance();
      return value;
    }
    try {
      if ((this.kind & layout.IN_ARENA) !== 0) {
        const word = this.#at >> 2;
        const start = (this.#work.data[word + layout.EXTRA] as number) * 8;
        const end = start + (this.#work.data[word + PROLOGUE / 4] as number);
        return decode((this.#largeWork as OverflowReader).bytesTo(end), start, end, this.#memories);
      }
      return decode(this.#work.bytes, this.#at + PROLOGUE, this.#work.end, this.#memories);
    } finally {
      this.#work.advance();
    }
  }

  /** The same for a value that came by message. */
  ticket(): Payload {
    this.#work.advance();
    return this.#tickets.shift() as Payload;
  }

  /** Passes over the chunk. */
  skip(): void {
    if ((this.kind & layout.CARRIER_BITS) === layout.BY_MESSAGE) this.#tickets.shift();
    this.#work.advance();
  }

  /**
   * Puts a result into the ring, to be seen after {@linkcode flush}.
   * @param many whether it is an array of results, made by this library
   * @param elapsed how long `count` calls like it took, in ms; 0 when that was not measured
   * @throws {EncodingError} when it cannot be sent, and whatever its getters throw
   */
  send(
    slot: number,
    value: unknown,
    root: string,
    many: boolean,
    errors: Errors | undefined,
    elapsed: number,
    count: number,
  ): typeof SENT | typeof NO_ROOM | typeof NEEDS_MESSAGE {
    const results = this.#results;
    const numbers = many && errors === undefined && Array.isArray(value) && typeof value[0] === "number" &&
        value.length <= MOST_NUMBERS
      ? value
      : undefined;
    const wanted = numbers === undefined ? PROLOGUE + this.#typical : numbersBytes(numbers.length);
    let at = results.reserve(wanted);
    if (at < 0) {
      if (!this.#waitForRoom(wanted)) return NO_ROOM;
      at = results.reserve(wanted);
    }
    const words = results.data;
    const word = at >> 2;
    let end: number;
    let kind = errors !== undefined
      ? layout.FAILED
      : numbers !== undefined
      ? writeNumbers(words, this.#resultFloats, word, numbers)
      : writeScalar(words, this.#resultFloats, word, value);
    if ((kind & SCALAR_BITS) !== 0) {
      end = at + (numbers === undefined ? scalarEnd(kind) : numbersEnd(kind, numbers.length));
    } else {
      if (errors === undefined && layout.isSharedString(value)) return NEEDS_MESSAGE;
      const content = errors === undefined ? value : { errors, value };
      end = this.#overflow.isFor(content, results.end - at - PROLOGUE)
        ? TOO_LARGE
        : this.#encoder.encodeInto(content, root, results.bytes, at + PROLOGUE, results.end);
      if (end === TOO_LARGE) {
        const length = this.#overflow.write(this.#encoder, content, root);
        if (length < 0) return NEEDS_MESSAGE;
        words[word + layout.EXTRA] = this.#overflow.at;
        words[word + PROLOGUE / 4] = length;
        kind |= layout.IN_ARENA;
        end = at + PROLOGUE + 8;
      } else if (end < 0) {
        return NEEDS_MESSAGE;
      } else {
        const size = end - at - PROLOGUE;
        if (size > this.#typical) this.#typical = Math.min(size, results.longest >> 3);
        else if (this.#typical > LEAST) this.#typical -= (this.#typical - LEAST + 15) >> 4;
      }
    }
    words[word + layout.ELAPSED] = elapsed === 0 ? 0 : Math.min(Math.max(elapsed * 1e5, 1), 0x7fffffff);
    words[word + KIND] = kind;
    words[word + layout.COUNT] = count;
    results.commit(end - at, slot);
    return SENT;
  }

  /** Shows the host what was sent; true: it slept, and was woken. {@linkcode flush} must follow at some time. */
  show(): boolean {
    return this.#results.publish() && ring(this.#host, layout.HOST_BELL);
  }

  /** Shows the host what was sent, and gives it the room of what was read. */
  flush(): void {
    if (this.#work.release() && load(this.#words, layout.HOST_WAITS) === 1) {
      store(this.#words, layout.HOST_WAITS, 0);
      ring(this.#host, layout.HOST_BELL);
    }
    if (this.#results.publish()) ring(this.#host, layout.HOST_BELL);
  }

  /** Whether there is a record, or room that was missing. */
  get hasNews(): boolean {
    if (this.#work.hasNews) return true;
    return this.#hungry && load(this.#words, layout.WORKER_WAITS) === 0;
  }

  /** Whether a result found no room and there is none yet. */
  get isFull(): boolean {
    if (!this.#hungry) return false;
    if (load(this.#words, layout.WORKER_WAITS) === 1) return true;
    this.#hungry = false;
    return false;
  }

  /** Spins a little while nothing comes, as long as there is a core for it; whether something came. */
  spin(): boolean {
    return this.#place >= 0 && this.#spin.until(this.#look, this.#mayRun);
  }

  /**
   * Sleeps on the event loop, unless something has come; whether it sleeps. `forWork`: a new record wakes it. Without that only room
   * that was missing does: what it waits for is no affair of the host's.
   */
  sleep(forWork: boolean): boolean {
    this.#setRunning(0);
    if (!forWork && !this.#hungry) return true;
    if (this.#bell.sleep(forWork ? this.#look : this.#lookForRoom)) {
      if (forWork) this.#spin.sleeps();
      return true;
    }
    this.#setRunning(1);
    return false;
  }

  /** Goes on: it was rung, a message has come, a task has been awaited. */
  wake(): void {
    this.#bell.wake();
    this.#setRunning(1);
  }

  #waitForRoom(wanted: number): boolean {
    this.flush();
    this.#hungry = true;
    store(this.#words, layout.WORKER_WAITS, 1);
    if (this.#results.reserve(wanted) < 0) return false;
    this.#hungry = false;
    store(this.#words, layout.WORKER_WAITS, 0);
    return true;
  }

  #setRunning(running: 0 | 1): void {
    if (this.#running === running) return;
    this.#running = running;
    if (this.#place >= 0) store(this.#host, layout.RUNNING + this.#place, running);
  }
}
