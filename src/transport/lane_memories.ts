/**
 * Shared memory that goes through a lane again and again. A message has to bring it to the worker once; afterwards its number
 * does, in the ring, so that a call with locks, values or arrays in shared memory costs no message.
 *
 * ```
 *   new ──sent──▶ SEEN ──sent again, with a number──▶ TOLD ──that call's result has come──▶ KNOWN ──nobody here has it──▶ forgotten
 *                  ▲                                    │
 *                  └── the call was taken back ─────────┘
 * ```
 *
 * Memory that is used for one call alone is held by nobody for it: it gets its number the second time.
 *
 * ORDER     a result proves that the worker has read the message of its call; only then a record may have the number. So no
 *           record ever waits for memory
 * OWNERSHIP the host gives the numbers, one lane does not know those of another. The worker holds the memory of a number until
 *           it is told to forget it. That is posted when the host's garbage collector has found nobody who has the memory: whoever
 *           sends it has it, and while a call with a number is out, {@linkcode SentMemories} has it
 * DEATH     the numbers end with the lane
 * @module
 */
import type { WasmMemory } from "../memory/wasm_memory.ts";
import type { MemoryCourier } from "./codec_writer.ts";

/** Memory that threads can share. */
export type Memory = SharedArrayBuffer | WasmMemory;

/** What a worker is told: from now on that number means that memory. */
export type NamedMemory = readonly [id: number, memory: Memory];

const SEEN = 0;
const TOLD = 1;
const KNOWN = 2;

interface State {
  readonly id: number;
  phase: typeof SEEN | typeof TOLD | typeof KNOWN;
}

/** So many are told to a worker at most, at one time: what is beyond them goes by message. */
const MOST = 256;

const gone = new FinalizationRegistry<{ readonly of: WeakRef<SentMemories>; readonly id: number }>(({ of, id }) => {
  of.deref()?.forget(id);
});

/** The host's side. */
export class SentMemories {
  readonly #states = new WeakMap<object, State>();
  readonly #onForget: (ids: readonly number[]) => void;
  readonly #self = new WeakRef(this);
  #lastId = 0;
  #told = 0;
  /** By the slots of calls that are out: what they were told, what their records name. */
  readonly #telling = new Map<number, readonly NamedMemory[]>();
  readonly #using = new Map<number, readonly Memory[]>();
  /** Of the value that is being encoded: what is new, and what the record names. */
  #fresh: Memory[] = [];
  #used: Memory[] = [];
  #missed = false;

  /** @param onForget tells the worker that numbers mean nothing any more */
  constructor(onForget: (ids: readonly number[]) => void) {
    this.#onForget = onForget;
  }

  /** A value is about to be encoded. */
  begin(): void {
    if (this.#used.length > 0) this.#used = [];
    if (this.#fresh.length > 0) this.#fresh = [];
    this.#missed = false;
  }

  /** The number of memory in it; −1: only a message brings it. */
  numberOf(memory: Memory): number {
    let state = this.#states.get(memory);
    if (state?.phase === KNOWN) {
      this.#used.push(memory);
      return state.id;
    }
    this.#missed = true;
    if (state === undefined) this.#states.set(memory, state = { id: ++this.#lastId, phase: SEEN });
    else if (state.phase === TOLD || this.#told + this.#fresh.length >= MOST) return -1;
    else if (!this.#fresh.includes(memory)) this.#fresh.push(memory);
    // Nobody reads it: the rest of the value is looked through for more.
    return 0;
  }

  /** Whether the value has memory without a number, so that what was encoded is good for nothing. */
  get missed(): boolean {
    return this.#missed;
  }

  /** What of the value that was encoded in vain is told with its message. */
  news(): readonly NamedMemory[] | undefined {
    if (this.#fresh.length === 0) return undefined;
    return this.#fresh.map((memory) => [(this.#states.get(memory) as State).id, memory]);
  }

  /** It was posted for the call of that slot. */
  tell(slot: number, news: readonly NamedMemory[]): void {
    this.#telling.set(slot, news);
    this.#fresh = [];
    this.#told += news.length;
    for (const [, memory] of news) (this.#states.get(memory) as State).phase = TOLD;
  }

  /** The record of that slot names what was encoded last. */
  use(slot: number): void {
    if (this.#used.length === 0) return;
    this.#using.set(slot, this.#used);
    this.#used = [];
  }

  /** The result of that slot has come. */
  settle(slot: number): void {
    if (this.#using.size > 0) this.#using.delete(slot);
    if (this.#telling.size === 0) return;
    const news = this.#telling.get(slot);
    if (news === undefined) return;
    this.#telling.delete(slot);
    for (const [id, memory] of news) {
      (this.#states.get(memory) as State).phase = KNOWN;
      gone.register(memory, { of: this.#self, id });
    }
  }

  /** The call of that slot was taken back: whether the worker has read its message is not known. */
  takeBack(slot: number): void {
    this.#using.delete(slot);
    const news = this.#telling.get(slot);
    if (news === undefined) return;
    this.#telling.delete(slot);
    for (const [id, memory] of news) {
      (this.#states.get(memory) as State).phase = SEEN;
      this.forget(id);
    }
  }

  /** The memory of that number is no more, or nobody is going to name it. */
  forget(id: number): void {
    this.#told--;
    this.#onForget([id]);
  }
}

/** For one encoder: numbers of the lane that it encodes for. */
export class LaneCourier implements MemoryCourier {
  readonly partial = true;
  /** Whose numbers are given. */
  lane: SentMemories | undefined;

  export(memory: Memory): number {
    return (this.lane as SentMemories).numberOf(memory);
  }

  import(): undefined {
    return undefined;
  }
}

/** The worker's side. */
export class ReceivedMemories implements MemoryCourier {
  readonly #known = new Map<number, Memory>();

  /** Numbers that mean something from now on. */
  learn(news: readonly NamedMemory[]): void {
    for (const [id, memory] of news) this.#known.set(id, memory);
  }

  /** And those that do not any more. */
  forget(ids: readonly number[]): void {
    for (const id of ids) this.#known.delete(id);
  }

  export(): number {
    return -1;
  }

  import(id: number): Memory | undefined {
    return this.#known.get(id);
  }
}
