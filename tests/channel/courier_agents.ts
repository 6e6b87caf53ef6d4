/** What the agents of the courier's tests run. A message of bytes is a number in a word here. */
import { load, notify, type SharedWords, store, wait } from "../../src/memory/atomics.ts";
import type { Event } from "../../src/sync/event.ts";
import { courier, fetchMemory, fetchMemorySync, release } from "../../src/transport/courier.ts";
import { besides } from "../kit/modules.ts";
import { spawn } from "../kit/agents.ts";

/** New memory whose first word says which it is. */
export function memory(mark: number): SharedArrayBuffer {
  const made = new SharedArrayBuffer(64);
  new Int32Array(made)[0] = mark;
  return made;
}

/** Writes a number where the other side waits for it. */
export function publish(words: SharedWords, at: number, id: number): void {
  store(words, at, id);
  notify(words, at);
}

/** Blocks until there is a number. */
export function awaitNumber(words: SharedWords, at: number): number {
  while (load(words, at) === 0) wait(words, at, 0, 1000);
  return load(words, at);
}

/** The word in memory that was sent. */
export function markOf(found: unknown): number {
  const buffer = found instanceof SharedArrayBuffer ? found : (found as { readonly buffer: SharedArrayBuffer }).buffer;
  return new Int32Array(buffer)[0] as number;
}

/** Reads a message, blocking. */
export function readSync(id: number): number {
  let found = courier.import(id);
  if (found === undefined) {
    fetchMemorySync(id);
    found = courier.import(id);
  }
  release(id);
  return markOf(found);
}

/** Reads a message. */
export async function read(id: number): Promise<number> {
  let found = courier.import(id);
  if (found === undefined) {
    await fetchMemory(id);
    found = courier.import(id);
  }
  release(id);
  return markOf(found);
}

export function give(words: SharedWords, at: number, mark: number): void {
  publish(words, at, courier.export(memory(mark)));
}

/** Puts it there and is never heard of again. */
export function giveAndHang(words: SharedWords, at: number, mark: number): void {
  give(words, at, mark);
  for (;;) wait(words, 15, 0, 1000);
}

export function takeSync(words: SharedWords, at: number): number {
  return readSync(awaitNumber(words, at));
}

export async function take(words: SharedWords, at: number): Promise<number> {
  return await read(awaitNumber(words, at));
}

/** Takes it and says so by an event. */
export function takeAndSet(words: SharedWords, at: number, done: Event): number {
  const mark = takeSync(words, at);
  done.set();
  return mark;
}

/** The worker of a worker gives. */
export async function nestedGive(words: SharedWords, at: number, mark: number): Promise<void> {
  await spawn(besides(import.meta, "courier_agents"), "give", words, at, mark).result;
}

/** The worker of a worker takes. */
export async function nestedTake(words: SharedWords, at: number): Promise<number> {
  return await spawn<number>(besides(import.meta, "courier_agents"), "takeSync", words, at).result;
}

/** Gives the same memory again and again, each time when the one before has been taken. */
export function giveMany(words: SharedWords, at: number, times: number): void {
  const same = memory(7);
  for (let i = 0; i < times; i++) {
    while (load(words, at) !== 0) wait(words, at, load(words, at), 100);
    publish(words, at, courier.export(same));
  }
  while (load(words, at) !== 0) wait(words, at, load(words, at), 100);
}

/** Takes as often. */
export function takeMany(words: SharedWords, at: number, times: number): number {
  let sum = 0;
  for (let i = 0; i < times; i++) {
    const id = awaitNumber(words, at);
    sum += readSync(id);
    publish(words, at, 0);
  }
  return sum;
}

/** Exports that are never sent. */
export function exportInVain(times: number): number {
  const same = memory(1);
  for (let i = 0; i < times; i++) {
    release(courier.export(same));
  }
  return times;
}
