/**
 * The names of shared memory: which exist, and how a process gets from a name to the memory.
 *
 * ```
 *  directory (in the agent table's buffer, so that every thread has it)      BroadcastChannel
 *  name ─▶ serial, size            created and removed at once,              who wants serial 7?  ──▶  who has it answers
 *                                  under a lock                              with the buffer itself
 * ```
 *
 * A thread cannot find another's memory without being told by it, so attaching by name needs an event loop that
 * answers: it is asynchronous. (An object that is passed along needs none of this: it carries its memory.)
 *
 * WORD   the words of a lock · SALT (i32): tells the channels of several programs in one process apart · SERIAL (i32)
 * WORD   entry: STATE (i32) 0 free, 1 used · SERIAL · SIZE · length of the name · the name in UTF-16, two to a word ·
 *        HOLDER[8] (i32): tokens of agents that have the memory, of the first ones at least
 * DEATH  of a process in the middle of a change: an entry is written from its end to its STATE, so that it is there as a
 *        whole or not at all. Memory whose processes have all gone stays in the directory until it is unlinked: who asks
 *        for it, and gets no answer, finds the holders dead.
 * @module
 */
import { SharedMemoryError } from "../errors.ts";
import { DIRECTORY_BYTES, DIRECTORY_OFFSET } from "../memory/agents.ts";
import { compareExchange, fetchAdd, load, type SharedWords, store } from "../memory/atomics.ts";
import { now } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import { LockCore } from "../sync/lock_core.ts";
import { CORE_WORDS } from "../sync/lock_words.ts";
import { enter, leave } from "./cell_lock.ts";

const SALT = CORE_WORDS;
const NEXT_SERIAL = CORE_WORDS + 1;
const FIRST_ENTRY = 16;
const ENTRY_WORDS = 40;
const ENTRIES: number = Math.floor((DIRECTORY_BYTES / 4 - FIRST_ENTRY) / ENTRY_WORDS);
/** The longest name. */
export const NAME_CHARS = 56;

const STATE = 0;
const SERIAL = 1;
const SIZE = 2;
const LENGTH = 3;
const TEXT = 4;
const HOLDER = 32;
const HOLDERS = 8;
/** After so many requests without an answer it is asked whether any holder is left. */
const PATIENCE = 3;

/** What the directory knows of a name. */
export interface NamedSegment {
  readonly serial: number;
  readonly size: number;
}

type Message =
  | { readonly kind: "want"; readonly serial: number }
  | { readonly kind: "have"; readonly serial: number; readonly buffer: SharedArrayBuffer };

interface Directory {
  readonly words: SharedWords;
  readonly core: LockCore;
}

let directory: Directory | undefined;
let channel: BroadcastChannel | undefined;
/** The memory behind the names that this agent has made or attached. */
const held: Map<number, SharedArrayBuffer> = new Map();
const wanted: Map<number, ((buffer: SharedArrayBuffer) => void)[]> = new Map();

function open(): Directory {
  const { table } = selfAgent();
  if (directory === undefined || directory.words.buffer !== table.buffer) {
    const words = new Int32Array(table.buffer, DIRECTORY_OFFSET, DIRECTORY_BYTES / 4);
    compareExchange(words, SALT, 0, 1 + Math.floor(Math.random() * 0x7ffffffe));
    directory = { words, core: new LockCore(words, "the directory of shared memory", "") };
  }
  return directory;
}

function change<R>(fn: (words: SharedWords) => R): R {
  const { words, core } = open();
  const nested = enter(core);
  try {
    return fn(words);
  } finally {
    leave(core, nested);
  }
}

function find(words: SharedWords, name: string): number {
  for (let i = 0; i < ENTRIES; i++) {
    const entry = FIRST_ENTRY + i * ENTRY_WORDS;
    if (load(words, entry + STATE) === 0 || load(words, entry + LENGTH) !== name.length) continue;
    let at = 0;
    while (at < name.length && charAt(words, entry, at) === name.charCodeAt(at)) at++;
    if (at === name.length) return entry;
  }
  return -1;
}

function charAt(words: SharedWords, entry: number, at: number): number {
  return load(words, entry + TEXT + (at >> 1)) >>> (at & 1 ? 16 : 0) & 0xffff;
}

/** Puts a new name into the directory. @throws {SharedMemoryError} when it is taken */
export function addName(name: string, buffer: SharedArrayBuffer): number {
  const { core } = open();
  const serial = change((words) => {
    if (find(words, name) >= 0) {
      throw new SharedMemoryError(`Cannot create shared memory "${name}": there is some of that name.`, "EEXIST");
    }
    for (let i = 0; i < ENTRIES; i++) {
      const entry = FIRST_ENTRY + i * ENTRY_WORDS;
      if (load(words, entry + STATE) !== 0) continue;
      for (let at = 0; at < name.length; at += 2) {
        store(words, entry + TEXT + (at >> 1), name.charCodeAt(at) | (name.charCodeAt(at + 1) || 0) << 16);
      }
      const serial = fetchAdd(words, NEXT_SERIAL, 1) + 1;
      store(words, entry + HOLDER, core.token);
      for (let i = 1; i < HOLDERS; i++) store(words, entry + HOLDER + i, 0);
      store(words, entry + LENGTH, name.length);
      store(words, entry + SIZE, buffer.byteLength);
      store(words, entry + SERIAL, serial);
      store(words, entry + STATE, 1);
      return serial;
    }
    throw new RangeError(`Cannot create shared memory "${name}": there are ${ENTRIES} names already; unlink some.`);
  });
  keep(serial, buffer);
  return serial;
}

/** Takes a name out of the directory. @throws {SharedMemoryError} when it is not there */
export function removeName(name: string, serial: number): void {
  change((words) => {
    const entry = find(words, name);
    if (entry < 0 || load(words, entry + SERIAL) !== serial) {
      throw new SharedMemoryError(`Cannot unlink shared memory "${name}": it has been unlinked already.`);
    }
    store(words, entry + STATE, 0);
  });
  forget();
}

/** Looks a name up. @throws {SharedMemoryError} when it is not there */
export function lookUp(name: string): NamedSegment {
  return change((words) => {
    const entry = find(words, name);
    if (entry < 0) throw new SharedMemoryError(`Cannot attach shared memory "${name}": there is none of that name.`);
    return { serial: load(words, entry + SERIAL), size: load(words, entry + SIZE) };
  });
}

/** The memory behind a serial, if this agent has it. */
export function heldBuffer(serial: number): SharedArrayBuffer | undefined {
  return held.get(serial);
}

/** Keeps memory for others that ask for it by name, until the name is unlinked. */
export function keep(serial: number, buffer: SharedArrayBuffer): void {
  forget();
  if (!held.has(serial)) enlist(serial);
  held.set(serial, buffer);
  listen();
}

/** Says in the directory that this agent has the memory, unless so many others have that nobody needs to know. */
function enlist(serial: number): void {
  const { core } = open();
  change((words) => {
    const entry = findSerial(words, serial);
    for (let at = entry + HOLDER; entry >= 0 && at < entry + HOLDER + HOLDERS; at++) {
      const holder = load(words, at);
      if (holder === core.token) return;
      if (holder !== 0 && core.table.isTokenAlive(holder)) continue;
      return store(words, at, core.token);
    }
  });
}

/** Whether all agents that are known to have the memory have ended. */
function isOrphaned(serial: number): boolean {
  const { core } = open();
  return change((words) => {
    const entry = findSerial(words, serial);
    for (let at = entry + HOLDER; entry >= 0 && at < entry + HOLDER + HOLDERS; at++) {
      const holder = load(words, at);
      if (holder !== 0 && core.table.isTokenAlive(holder)) return false;
    }
    return entry >= 0;
  });
}

function findSerial(words: SharedWords, serial: number): number {
  for (let i = 0; i < ENTRIES; i++) {
    const entry = FIRST_ENTRY + i * ENTRY_WORDS;
    if (load(words, entry + STATE) !== 0 && load(words, entry + SERIAL) === serial) return entry;
  }
  return -1;
}

/** Lets go of memory whose name is no more. */
function forget(): void {
  if (held.size === 0) return;
  change((words) => {
    const live = new Set<number>();
    for (let i = 0; i < ENTRIES; i++) {
      const entry = FIRST_ENTRY + i * ENTRY_WORDS;
      if (load(words, entry + STATE) !== 0) live.add(load(words, entry + SERIAL));
    }
    for (const serial of held.keys()) if (!live.has(serial)) held.delete(serial);
  });
}

/** Gets the memory behind a name from whoever has it. @throws {SharedMemoryError} when the name is removed meanwhile */
export async function fetchBuffer(name: string, serial: number, deadline: number): Promise<SharedArrayBuffer | null> {
  const own = held.get(serial);
  if (own !== undefined) return own;
  const opened = listen();
  let timer: ReturnType<typeof setInterval> | undefined;
  try {
    return await new Promise<SharedArrayBuffer | null>((resolve, reject) => {
      const waiting = wanted.get(serial) ?? [];
      wanted.set(serial, waiting);
      waiting.push((buffer) => {
        if (!held.has(serial)) keep(serial, buffer);
        resolve(buffer);
      });
      opened.postMessage({ kind: "want", serial });
      let asked = 1;
      // Keeps the program alive as well: the channel does not.
      timer = setInterval(() => {
        if (deadline <= now()) return resolve(null);
        try {
          if (lookUp(name).serial !== serial) throw new SharedMemoryError(`Shared memory "${name}" was replaced.`);
          if (asked++ >= PATIENCE && isOrphaned(serial)) {
            throw new SharedMemoryError(
              `Cannot attach shared memory "${name}": the processes that had it have ended, and it is lost with them. ` +
                `Let one that lives on have it as well, for example by passing it there.`,
            );
          }
          // Again: on Node 22 what is sent right after a channel was opened gets lost now and then.
          opened.postMessage({ kind: "want", serial });
        } catch (error) {
          reject(error);
        }
      }, deadline === Infinity ? 100 : Math.max(1, Math.min(100, deadline - now())));
    });
  } finally {
    clearInterval(timer);
  }
}

/** Opens the channel on which agents ask and answer. It keeps no program alive. */
function listen(): BroadcastChannel {
  if (channel !== undefined) return channel;
  const { words } = open();
  const opened = new BroadcastChannel(`manycore-shared-memory-${load(words, SALT)}`);
  opened.onmessage = (event: MessageEvent): void => {
    const message = event.data as Message;
    if (message.kind === "want") {
      const buffer = held.get(message.serial);
      if (buffer !== undefined) opened.postMessage({ kind: "have", serial: message.serial, buffer });
      return;
    }
    const waiting = wanted.get(message.serial) ?? [];
    wanted.delete(message.serial);
    for (const resolve of waiting) resolve(message.buffer);
  };
  release(opened);
  return channel = opened;
}

/** Node and Bun have `unref`; Deno has the same under a symbol that it does not export. */
function release(opened: BroadcastChannel): void {
  const open = opened as unknown as Record<PropertyKey, ((ref?: boolean) => void) | undefined>;
  if (typeof open["unref"] === "function") return open["unref"]();
  const symbols = Object.getOwnPropertySymbols(Object.getPrototypeOf(opened));
  const symbol = symbols.find((one) => one.description === "refBroadcastChannel");
  if (symbol !== undefined) open[symbol]?.(false);
}
