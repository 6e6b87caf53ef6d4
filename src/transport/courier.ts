/**
 * The courier: brings shared memory to whoever reads a message of bytes.
 *
 * Queues and pipes carry bytes, and a value in them may be a lock, an array, another queue: state in memory that
 * only structured clone can move, to one receiver, while the sender of a message in a queue knows none. So the message has a number in place
 * of the memory, and the memory goes another way:
 *
 * ```
 *  sender ── export: number, EXPORT ──▶ root: table of memory under way ◀── FETCH ── receiver, at a number that it does not know
 *                                        │                                              ▲
 *                                        └── ANSWER: the memory ────────────────────────┘ ── RELEASE: taken ──▶ root
 * ```
 *
 * All three go over the links (`links.ts`), which every thread has with the root, so that no other thread has to be
 * awake for it. The root reads its links when its bell rings in its event loop, when it looks for memory itself, and, while it is blocked in
 * this library, at the end of every slice of the wait (100 ms at most). A root that is busy in user code answers when that
 * returns: only then does a receiver wait longer, and only at memory that is new to it.
 *
 * WORD   slot.LINK_BELL (i32), in the agent table: counts messages on a link, for its reader. WRAP: only change matters
 * ORDER  EXPORT is posted before the message of bytes is published, and a post is in the reader's queue when it returns. So
 *        the root that reads its links because of a number in a message finds the memory behind it, or never
 * COUNT  the root keeps memory until it was taken as often as it was exported. RELEASE may overtake EXPORT, on another
 *        link: counts are only added up, so that the order does not matter. A sender asks for 1, 2, 4 … 1024 at a time and
 *        gives back what it did not use when it ends, or has dropped the memory
 * DEATH  what a dead thread has posted arrives. What it asked for and did not use is never released, nor is what was in a
 *        message that it had taken and not decoded: that memory stays until the program ends
 * @module
 */
import { EncodingError } from "../errors.ts";
import { LINK_BELL, NEXT_MEMORY } from "../memory/agents.ts";
import { AsyncBell, type AsyncWaiter, awaitOn } from "../memory/async_park.ts";
import { fetchAdd, load, notify, type SharedWords, waitAsync } from "../memory/atomics.ts";
import { blockOn, onSlice } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import { slotOf } from "../memory/agents.ts";
import { backgroundTimer, onExit } from "../runtime/host.ts";
import { takeMessage } from "../runtime/ports.ts";
import { sharedState } from "../runtime/shared_state.ts";
import { note, noteTaken } from "./cargo.ts";
import type { MemoryCourier } from "./codec_writer.ts";
import { ANSWER, DISCARD, EXPORT, FETCH, LINK, type LinkMessage, links, onLink, RELEASE, uplink } from "./links.ts";

/** Memory that several threads can use: a `SharedArrayBuffer` or a shared `WebAssembly.Memory`. */
type Memory = ReturnType<MemoryCourier["import"]> & object;

/** The most that a sender asks for at one time. */
const MOST_CREDIT = 1024;
/** So many releases go at once, or those of so many milliseconds. */
const RELEASE_AFTER = 64;
const RELEASE_TIME = 20;

/** What this thread knows of one piece of memory. */
interface Known {
  readonly id: number;
  /** How often it may export the memory before it asks the root again, and for how many it asks next. */
  left: number;
  next: number;
}

/** What is under way, in the root's table. */
interface Entry {
  /** Undefined: its EXPORT has not come yet. */
  memory: Memory | undefined;
  count: number;
}

const state = sharedState("courier", () => ({
  known: new WeakMap<object, Known>(),
  byId: new Map<number, WeakRef<Memory>>(),
  /** What has been asked for and not used, also of memory that has been collected since. */
  credits: new Set<Known>(),
  table: new Map<number, Entry>(),
  /** In a worker: the numbers that somebody waits for, and what came. */
  fetching: new Map<number, { waiters: number; answer: Memory | null | undefined }>(),
  released: new Map<number, number>(),
  releases: 0,
  timed: false,
  ready: false,
  standing: false,
  deaths: 0,
}));

const collected = new FinalizationRegistry<Known>((known) => {
  if (state.byId.get(known.id)?.deref() === undefined) state.byId.delete(known.id);
  giveBack(known);
});

function isRoot(): boolean {
  return uplink() === undefined && selfAgent().slot === 0;
}

/** Sets up, once, what has to happen by itself. */
function prepare(): void {
  if (state.ready) return;
  state.ready = true;
  if (isRoot()) {
    onSlice(readLinks);
    return;
  }
  onSlice(flushReleases);
  onExit(() => {
    flushReleases();
    for (const known of state.credits) giveBack(known);
  });
}

function post(message: LinkMessage): void {
  const port = uplink();
  if (port === undefined) return;
  port.postMessage(message);
  ring(0);
}

function ring(slot: number): void {
  const { table } = selfAgent();
  const bell = table.base(slot) + LINK_BELL;
  fetchAdd(table.words, bell, 1);
  notify(table.words, bell);
}

function remember(memory: Memory, id: number): Known {
  const known: Known = { id, left: 0, next: 1 };
  state.known.set(memory, known);
  state.byId.set(id, new WeakRef(memory));
  collected.register(memory, known);
  return known;
}

function exportMemory(memory: Memory): number {
  prepare();
  let known = state.known.get(memory);
  if (known === undefined) {
    const { table } = selfAgent();
    known = remember(memory, (fetchAdd(table.words, NEXT_MEMORY, 1) + 1) >>> 0);
  }
  const { id } = known;
  if (isRoot()) {
    change(id, 1, memory);
  } else {
    if (uplink() === undefined) {
      throw new EncodingError(
        "Cannot send shared memory from this thread: it was not started by this library, so that it has no link to " +
          "the others. Start it as a Process or with a Pool.",
        "memory",
      );
    }
    if (known.left === 0) {
      post([EXPORT, id, known.next, memory]);
      known.left = known.next;
      state.credits.add(known);
      known.next = Math.min(known.next * 2, MOST_CREDIT);
    }
    known.left--;
  }
  note(id);
  return id;
}

function importMemory(id: number): Memory | undefined {
  prepare();
  const memory = find(id);
  if (memory !== undefined) noteTaken(id);
  return memory;
}

function find(id: number): Memory | undefined {
  const memory = state.byId.get(id)?.deref();
  if (memory !== undefined || !isRoot()) return memory;
  let entry = state.table.get(id);
  if (entry?.memory === undefined) {
    readLinks();
    entry = state.table.get(id);
  }
  if (entry?.memory !== undefined) remember(entry.memory, id);
  return entry?.memory;
}

/** The courier of this program, for an `Encoder` and for `decode`. It never blocks. */
export const courier: MemoryCourier = { export: exportMemory, import: importMemory };

/** Memory was taken out of a message, or the message that it was exported for will not be sent: once for each export. */
export function release(id: number): void {
  if (isRoot()) return change(id, -1, undefined);
  state.released.set(id, (state.released.get(id) ?? 0) + 1);
  if (++state.releases >= RELEASE_AFTER) return flushReleases();
  if (state.timed) return;
  state.timed = true;
  backgroundTimer(() => {
    state.timed = false;
    flushReleases();
  }, RELEASE_TIME);
}

function flushReleases(): void {
  if (state.releases === 0) return;
  const pairs: number[] = [];
  for (const [id, count] of state.released) pairs.push(id, count);
  state.released.clear();
  state.releases = 0;
  post([RELEASE, ...pairs]);
}

function giveBack(known: Known): void {
  const { id, left } = known;
  known.left = 0;
  state.credits.delete(known);
  if (left > 0) post([RELEASE, id, left]);
}

/** Root: adds to the count of a piece of memory, and lets go of it at 0. */
function change(id: number, count: number, memory: Memory | undefined): void {
  const entry = state.table.get(id);
  if (entry === undefined) {
    state.table.set(id, { memory, count });
    return;
  }
  entry.memory ??= memory;
  entry.count += count;
  if (entry.count === 0) state.table.delete(id);
}

/** How many pieces of memory the root keeps; for tests. */
export function memoryUnderWay(): number {
  readLinks();
  return state.table.size;
}

// The root's side.

/** What to do with a message that nobody is going to read; set by the room that knows messages. */
let discard: ((bytes: Uint8Array) => void) | undefined;

/** Says how the values in a message are let go of. */
export function onDiscard(handler: (bytes: Uint8Array) => void): void {
  discard = handler;
}

/** A message with memory in it will not be read: the root, where all memory is at hand, lets go of what is in it. */
export function discardMessage(bytes: Uint8Array<ArrayBuffer>): void {
  if (isRoot()) discard?.(bytes);
  else post([DISCARD, bytes.slice().buffer]);
}

function readLinks(): void {
  const all = links();
  const { table } = selfAgent();
  const { deaths } = table;
  // The list grows meanwhile, by threads of threads.
  for (let i = 0; i < all.length; i++) {
    const { port, token } = all[i] as (typeof all)[number];
    for (let next = takeMessage(port); next !== undefined; next = takeMessage(port)) {
      handle(next.message as LinkMessage, port, token);
    }
  }
  if (deaths === state.deaths) return;
  state.deaths = deaths;
  for (let i = all.length - 1; i >= 0; i--) {
    const { port, token } = all[i] as (typeof all)[number];
    if (table.isTokenAlive(token)) continue;
    for (let next = takeMessage(port); next !== undefined; next = takeMessage(port)) {
      handle(next.message as LinkMessage, port, token);
    }
    port.close();
    all.splice(i, 1);
  }
}

function handle(message: LinkMessage, port: { postMessage(message: unknown): void }, token: number): void {
  switch (message[0]) {
    case LINK:
      links().push({ token: message[1], port: message[2] });
      break;
    case EXPORT:
      change(message[1], message[2], message[3] as Memory);
      break;
    case RELEASE:
      for (let i = 1; i < message.length; i += 2) change(message[i] as number, -(message[i + 1] as number), undefined);
      break;
    case FETCH: {
      const id = message[1];
      const memory = state.byId.get(id)?.deref() ?? state.table.get(id)?.memory ?? findLater(id);
      port.postMessage([ANSWER, id, memory] satisfies LinkMessage);
      ring(slotOf(token));
      break;
    }
    case DISCARD:
      discard?.(new Uint8Array(message[1]));
  }
}

/** A FETCH may be read before the EXPORT that it needs, which then stands on a link that comes later in the list. */
function findLater(id: number): Memory | undefined {
  const all = links();
  for (let i = 0; i < all.length; i++) {
    const { port, token } = all[i] as (typeof all)[number];
    for (let next = takeMessage(port); next !== undefined; next = takeMessage(port)) {
      handle(next.message as LinkMessage, port, token);
    }
    const found = state.table.get(id)?.memory;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Listens for the bell, without keeping the program alive. */
function stand(): void {
  const { table } = selfAgent();
  const bell = table.base(0) + LINK_BELL;
  for (;;) {
    const seen = load(table.words, bell);
    readLinks();
    const answer = waitAsync(table.words, bell, seen);
    if (!answer.async) continue;
    answer.value.then(stand);
    return;
  }
}

onLink(() => {
  if (!state.standing) {
    state.standing = true;
    prepare();
    stand();
  } else if (selfAgent().table.deaths !== state.deaths) readLinks();
});

// Fetching.

/** One wait for memory. */
class Fetch implements AsyncWaiter {
  readonly words: SharedWords = selfAgent().table.words;
  readonly index: number = selfAgent().table.base(selfAgent().slot) + LINK_BELL;
  expected = 0;
  memory: Memory | undefined;
  readonly #id: number;

  constructor(id: number) {
    this.#id = id;
    const other = state.fetching.get(id);
    if (other !== undefined) {
      other.waiters++;
      return;
    }
    state.fetching.set(id, { waiters: 1, answer: undefined });
    flushReleases();
    post([FETCH, id]);
  }

  get bell(): AsyncBell {
    return fetchBell ??= new AsyncBell(this.words, this.index, true);
  }

  poll(): boolean {
    this.expected = load(this.words, this.index);
    readAnswers();
    const answer = state.fetching.get(this.#id)?.answer;
    if (answer === undefined) return false;
    if (answer === null) {
      throw new EncodingError(
        "Cannot receive shared memory that came with a message: its sender has ended, or it was read before.",
        "memory",
      );
    }
    this.memory = answer;
    return true;
  }

  inspect(): void {}

  end(): void {
    const entry = state.fetching.get(this.#id);
    if (entry !== undefined && --entry.waiters === 0) state.fetching.delete(this.#id);
  }
}

let fetchBell: AsyncBell | undefined;

function readAnswers(): void {
  const port = uplink();
  if (port === undefined) return;
  for (let next = takeMessage(port); next !== undefined; next = takeMessage(port)) {
    const [, id, memory] = next.message as Extract<LinkMessage, readonly [typeof ANSWER, ...unknown[]]>;
    const entry = state.fetching.get(id);
    if (memory === undefined) {
      if (entry !== undefined) entry.answer = null;
      continue;
    }
    const here = state.byId.get(id)?.deref();
    if (here === undefined) remember(memory as Memory, id);
    if (entry !== undefined) entry.answer = here ?? memory as Memory;
  }
}

/**
 * Brings memory that `courier.import` did not find to this thread, so that it is found there. Waits without blocking.
 * @returns the memory; who keeps it until the message is decoded is sure to find it
 * @throws {EncodingError} when nobody has it any more
 */
export async function fetchMemory(id: number): Promise<Memory> {
  prepare();
  const here = find(id);
  if (here !== undefined) return here;
  if (uplink() === undefined) throw gone();
  const wait = new Fetch(id);
  await awaitOn(wait, Infinity);
  return wait.memory as Memory;
}

/** The same, blocking the thread: see the top of this file for how long. */
export function fetchMemorySync(id: number): Memory {
  prepare();
  const here = find(id);
  if (here !== undefined) return here;
  if (uplink() === undefined) throw gone();
  const wait = new Fetch(id);
  blockOn(wait, Infinity);
  return wait.memory as Memory;
}

function gone(): EncodingError {
  return new EncodingError(
    "Cannot receive shared memory that came with a message: it is not there any more.",
    "memory",
  );
}
