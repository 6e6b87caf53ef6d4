/**
 * The host's side of a lane in shared memory (`lane_memory.ts` has its layout).
 *
 * ```
 *  send ─▶ encode in place ─▶ commit … flush: publish, ring the worker if it sleeps ─▶ work ring ─▶ worker
 *  onResult ◀─ decode in place ◀─ drain ◀────────────────────────────────────────────── result ring ◀─┘
 * ```
 *
 * What the codec cannot put into bytes (memory that moves, ports), and what is too large, goes by message, with a record in
 * the ring that keeps its place: the worker does not pass that record before it has the message.
 * @module
 */
import { compareExchange, load, type SharedWords, store } from "../memory/atomics.ts";
import { ring } from "../memory/doorbell.ts";
import { RingReader, RingWriter } from "../memory/ring.ts";
import { decode, Encoder, NEEDS_MESSAGE, NO_ROOM } from "./codec.ts";
import { dropPacked, pack, type Packed } from "./handles.ts";
import { hostLoop } from "./host_loop.ts";
import { type Errors, FULL, type Lane, type LaneEvents, type Outgoing } from "./lane.ts";
import { LaneCourier, SentMemories } from "./lane_memories.ts";
import * as layout from "./lane_memory.ts";
import { refusal } from "./message_lane.ts";
import { OverflowReader, OverflowWriter } from "./overflow.ts";
import type { BareText, ForgetMessage, MemoryMessage, RunMessage, TicketMessage } from "./protocol.ts";
import {
  type Floats,
  floatsOf,
  isNumberView,
  numbersBytes,
  numbersEnd,
  type NumberView,
  readScalar,
  SCALAR_BITS,
  scalarEnd,
  writeNumbers,
  writeScalar,
  writeView,
} from "./scalar.ts";

const { CLAIM, KIND, TASK, PROLOGUE, OPEN, STARTED, REVOKED } = layout;

/** In place of a lap: the chunk of that slot was refused, and has no record. */
const REFUSED = -2;

/** In place of an end: the value is beside the ring. */
const LARGE = -3;

/** The most numbers that go without the codec. */
const MOST_NUMBERS = 4096;

/** The least room for a value that is worth trying. */
const LEAST = 48;

/** What a lane says by message. */
type Message<R> = RunMessage<R> | TicketMessage | BareText | ForgetMessage | MemoryMessage;

/** One encoder for all lanes. A getter of a value may have another lane use it in between. */
const courier = new LaneCourier();
const encoder = new Encoder(courier);

/** A lane in shared memory. */
export class RingLane<R extends { readonly id: number }> implements Lane<R> {
  /** What the worker has to be given. */
  readonly memory: layout.LaneMemory;
  readonly #words: SharedWords;
  readonly #work: RingWriter;
  readonly #results: RingReader;
  readonly #workFloats: Floats;
  readonly #resultFloats: Floats;
  readonly #post: (message: Message<R>, transfer?: readonly unknown[]) => void;
  readonly #events: LaneEvents;
  readonly #known = new Set<number>();
  /** The number of the reference that was sent last: most chunks have the same. */
  #lastKnown = -1;
  readonly #free: number[] = [];
  /** Where the record of each slot stands. */
  readonly #laps: number[] = [];
  readonly #positions: number[] = [];
  readonly #overflow: OverflowWriter;
  readonly #memories: SentMemories;
  /** Where the worker's large results are; undefined before it has sent one. */
  #largeResults: OverflowReader | undefined;
  /** A result is there whose memory is still on its way, by message. */
  #awaitsMemory = false;
  #hungry = false;
  /** What went by message and has shared objects in it, by slot: it may never be received. */
  readonly #posted = new Map<number, Packed>();
  /** A value is being encoded where the next record will be, or cloned. Its getters are user code, and may send something themselves: it waits. */
  #encoding = false;
  /** Something was published, and the worker was not rung for it. */
  #unrung = false;
  /** Bytes of a value lately, so that room is asked for in good measure. */
  #typical = LEAST;

  /**
   * @param post sends a message to the worker
   * @param events told what came back
   */
  constructor(
    post: (message: Message<R>, transfer?: readonly unknown[]) => void,
    events: LaneEvents,
  ) {
    const loop = hostLoop();
    this.memory = layout.makeLaneMemory(loop.words.buffer, loop.takePlace());
    const { words, work, results } = layout.partsOf(this.memory);
    this.#words = words;
    this.#work = new RingWriter(work);
    this.#results = new RingReader(results);
    this.#workFloats = floatsOf(work);
    this.#resultFloats = floatsOf(results);
    this.#post = post;
    this.#events = events;
    this.#memories = new SentMemories((ids) => post({ kind: "forget", ids }));
    this.#overflow = new OverflowWriter(this.#work, (memory) => post({ kind: "memory", memory }));
  }

  get hasRoom(): boolean {
    if (this.#encoding) return false;
    const wanted = PROLOGUE + this.#typical;
    return this.#work.reserve(wanted) >= 0 || this.#waitForRoom(wanted);
  }

  /** Whether it found no room, and is rung when there is some. */
  get isHungry(): boolean {
    return this.#hungry;
  }

  send(chunk: Outgoing<R>, value: unknown, handles: boolean, transfer: readonly unknown[] | undefined): number {
    const work = this.#work;
    if (this.#encoding) return FULL;
    const { reference, mode } = chunk;
    const { id } = reference;
    // A map's own piece of its array: it has no holes that are no numbers, and nothing beside its items.
    const numbers = mode === "map" && transfer === undefined ? numbersOf(value) : undefined;
    const wanted = numbers === undefined ? PROLOGUE + this.#typical : numbersBytes(numbers.length);
    let at = work.reserve(wanted);
    if (at < 0) {
      if (!this.#waitForRoom(wanted)) return FULL;
      at = work.reserve(wanted);
    }
    if (id !== this.#lastKnown) this.#introduce(reference);
    const words = work.data;
    const word = at >> 2;
    let kind = 0;
    let end = -1;
    if (handles) {
      kind = modeBits(mode) | layout.DESCRIBED;
      if (transfer === undefined || transfer.length === 0) end = this.#encode(value, rootOf(mode), at);
    } else if (mode === "apply" && transfer === undefined && (value as readonly unknown[]).length === 1) {
      const only = (value as readonly unknown[])[0];
      const scalar = writeScalar(words, this.#workFloats, word, only);
      kind = layout.APPLY_ONE | scalar;
      if (scalar !== 0) {
        end = at + scalarEnd(scalar);
      } else {
        end = layout.isSharedString(only) ? NEEDS_MESSAGE : this.#encode(only, "args[0]", at);
      }
    } else if (transfer === undefined || transfer.length === 0) {
      kind = modeBits(mode);
      const bits = numbers === undefined
        ? 0
        : Array.isArray(numbers)
        ? writeNumbers(words, this.#workFloats, word, numbers)
        : writeView(words, this.#workFloats, word, numbers as NumberView);
      kind |= bits;
      if (bits !== 0) end = at + numbersEnd(bits, (numbers as ArrayLike<unknown>).length);
      else end = this.#encode(value, rootOf(mode), at);
    }
    const slot = this.#free.length > 0 ? this.#free.pop() as number : this.#laps.length;
    if (end === LARGE) {
      kind |= layout.IN_ARENA;
      end = at + PROLOGUE + 8;
    } else if (end < 0) {
      kind = modeBits(mode) | layout.BY_MESSAGE;
      end = at + PROLOGUE;
      if (!this.#sendByMessage(slot, mode, value, handles, transfer)) return slot;
    } else if ((kind & SCALAR_BITS) === 0) {
      this.#memories.use(slot);
    }
    if (chunk.keepGoing) kind |= layout.KEEP_GOING;
    this.#laps[slot] = work.lap;
    this.#positions[slot] = work.position;
    words[word + CLAIM] = OPEN;
    words[word + KIND] = kind;
    words[word + TASK] = id;
    work.commit(end - at, slot);
    return slot;
  }

  flush(): boolean {
    if (!this.#work.publish() && !this.#unrung) return false;
    this.#unrung = false;
    return ring(this.#words, layout.BELL);
  }

  /** Shows the batch to the worker, if it is awake; {@linkcode flush} must follow in this turn. */
  show(): void {
    if (this.#work.publish()) this.#unrung = true;
  }

  revoke(slot: number): boolean {
    const position = this.#positions[slot] as number;
    const lap = this.#laps[slot] as number;
    if (lap === REFUSED || this.#work.isReleased(lap, position)) return false;
    if (compareExchange(this.#work.data, this.#work.wordOf(position) + CLAIM, OPEN, REVOKED) !== OPEN) return false;
    this.#drop(slot);
    this.#memories.takeBack(slot);
    this.#free.push(slot);
    return true;
  }

  hasStarted(slot: number): boolean {
    const position = this.#positions[slot] as number;
    const lap = this.#laps[slot] as number;
    if (lap === REFUSED) return false;
    return this.#work.isReleased(lap, position) ||
      load(this.#work.data, this.#work.wordOf(position) + CLAIM) === STARTED;
  }

  settle(slot: number): void {
    this.#drop(slot);
    this.#memories.settle(slot);
    this.#free.push(slot);
  }

  /** Lets go of the shared objects in a message that the worker did not take. */
  #drop(slot: number): void {
    if (this.#posted.size === 0) return;
    const items = this.#posted.get(slot);
    if (items !== undefined && this.#posted.delete(slot)) dropPacked(items);
  }

  /** Whether results have come. */
  get hasNews(): boolean {
    if (this.#results.hasNews && !this.#awaitsMemory) return true;
    return this.#hungry && load(this.#words, layout.HOST_WAITS) === 0;
  }

  /** Takes the results that have come; whether there were some, or there is room again. */
  drain(): boolean {
    const results = this.#results;
    let some = false;
    for (let at = results.peek(); at >= 0; at = results.peek()) {
      if (((results.data[(at >> 2) + KIND] as number) & layout.IN_ARENA) !== 0 && this.#largeResults === undefined) {
        this.#awaitsMemory = true;
        break;
      }
      some = true;
      const slot = results.tag;
      const word = at >> 2;
      const words = results.data;
      const elapsed = words[word + layout.ELAPSED] as number;
      const kind = words[word + KIND] as number;
      const count = words[word + layout.COUNT] as number;
      let value: unknown;
      let errors: Errors | undefined;
      let failure: { readonly error: unknown } | undefined;
      try {
        const scalar = kind & SCALAR_BITS;
        value = scalar !== 0
          ? readScalar(words, this.#resultFloats, word, scalar)
          : (kind & layout.IN_ARENA) !== 0
          ? this.#decodeLarge(words, word)
          : decode(results.bytes, at + PROLOGUE, results.end);
        if ((kind & layout.FAILED) !== 0) ({ errors, value } = value as { errors: Errors; value: unknown });
      } catch (error) {
        failure = { error };
      }
      results.advance();
      if (failure === undefined) this.#events.onResult(slot, value, errors, elapsed / 1e5, count);
      else this.#events.onUnreadable(slot, failure.error);
    }
    if (results.release() && load(this.#words, layout.WORKER_WAITS) === 1) {
      store(this.#words, layout.WORKER_WAITS, 0);
      ring(this.#words, layout.BELL);
    }
    if (this.#hungry && load(this.#words, layout.HOST_WAITS) === 0) {
      this.#hungry = false;
      some = true;
    }
    return some;
  }

  /** The memory for large results has come. */
  addMemory(message: MemoryMessage): void {
    this.#largeResults = new OverflowReader(message.memory);
    this.#awaitsMemory = false;
  }

  #decodeLarge(words: SharedWords, word: number): unknown {
    const start = (words[word + layout.EXTRA] as number) * 8;
    const end = start + (words[word + PROLOGUE / 4] as number);
    return decode((this.#largeResults as OverflowReader).bytesTo(end), start, end);
  }

  /** The worker is gone. */
  close(): void {
    for (const slot of [...this.#posted.keys()]) this.#drop(slot);
    hostLoop().leavePlace(this.memory.place);
  }

  /** Sends the value of the record that comes next; false when it was refused: then there is a slot, until that is told, and no record. */
  #sendByMessage(
    slot: number,
    mode: Outgoing<R>["mode"],
    value: unknown,
    handles: boolean,
    transfer: readonly unknown[] | undefined,
  ): boolean {
    this.#laps[slot] = REFUSED;
    const args = value as readonly unknown[];
    if (mode === "apply" && args.length === 1 && layout.isSharedString(args[0])) {
      this.#post(args[0]);
      return true;
    }
    let items: Packed;
    // Until the message is posted: structured clone calls getters as well.
    this.#encoding = true;
    try {
      items = handles ? { value, handles } : pack(value, rootOf(mode));
    } catch (error) {
      this.#encoding = false;
      this.#free.push(slot);
      throw error;
    }
    try {
      const memories = transfer === undefined ? this.#memories.news() : undefined;
      if (memories === undefined) this.#post({ kind: "ticket", items }, transfer);
      else {
        this.#post({ kind: "ticket", items, memories });
        this.#memories.tell(slot, memories);
      }
      if (items.handles && !handles) this.#posted.set(slot, items);
    } catch (error) {
      if (!handles) dropPacked(items);
      queueMicrotask(() => this.#events.onRefused(slot, refusal(error, mode)));
      return false;
    } finally {
      this.#encoding = false;
    }
    return true;
  }

  /** Encodes a value into the record at `at`, or beside the ring: where it ends, or LARGE, or what the encoder says. */
  #encode(value: unknown, root: string, at: number): number {
    const work = this.#work;
    const body = at + PROLOGUE;
    const before = courier.lane;
    const memories = courier.lane = this.#memories;
    memories.begin();
    this.#encoding = true;
    try {
      // What is too large, or was lately, is not begun here to be written once more there.
      let end = this.#overflow.isFor(value, work.end - body)
        ? NO_ROOM
        : encoder.encodeInto(value, root, work.bytes, body, work.end);
      if (memories.missed) return NEEDS_MESSAGE;
      if (end >= 0) {
        this.#learn(end - body);
        return end;
      }
      if (end !== NO_ROOM) return end;
      memories.begin();
      end = this.#overflow.write(encoder, value, root);
      if (end < 0) return end;
      // The room there is given back when this record is released.
      if (memories.missed) return NEEDS_MESSAGE;
      work.data[(at >> 2) + layout.EXTRA] = this.#overflow.at;
      work.data[body >> 2] = end;
      return LARGE;
    } finally {
      this.#encoding = false;
      courier.lane = before;
    }
  }

  /** How long values are lately. */
  #learn(size: number): void {
    if (size > this.#typical) this.#typical = Math.min(size, this.#work.longest >> 3);
    else if (this.#typical > LEAST) this.#typical -= (this.#typical - LEAST + 15) >> 4;
  }

  /** Asks to be rung when the worker has read on; true: it has, meanwhile. */
  #waitForRoom(wanted: number): boolean {
    // What fills the ring has to be seen.
    this.flush();
    this.#hungry = true;
    store(this.#words, layout.HOST_WAITS, 1);
    if (this.#work.reserve(wanted) < 0) return false;
    this.#hungry = false;
    store(this.#words, layout.HOST_WAITS, 0);
    return true;
  }

  /** A function that the worker may not know: its reference goes by message, and the worker waits for it. */
  #introduce(reference: R): void {
    this.#lastKnown = reference.id;
    if (this.#known.has(reference.id)) return;
    this.#known.add(reference.id);
    this.#post({ kind: "run", references: [reference], chunks: [] });
  }
}

function modeBits(mode: "apply" | "map" | "starmap"): number {
  return mode === "apply" ? layout.APPLY : mode === "map" ? layout.MAP : layout.STARMAP;
}

/** How a value is called in errors. */
function rootOf(mode: "apply" | "map" | "starmap"): string {
  return mode === "apply" ? "args" : "items";
}

/** The items of a map, if they may go as mere numbers: they are given to the function one by one. */
function numbersOf(items: unknown): readonly unknown[] | NumberView | undefined {
  if (Array.isArray(items) ? typeof items[0] !== "number" : !isNumberView(items)) return undefined;
  const numbers = items as readonly unknown[] | NumberView;
  return numbers.length <= MOST_NUMBERS ? numbers : undefined;
}
