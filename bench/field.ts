/**
 * Who takes part, and what the topologies have in common.
 * @module
 */
import type { Contestant, Opened, Settings, Task } from "./contestant.ts";
import { ours } from "./ours.ts";
import { nodeMessages, webMessages } from "./raw/messages.ts";
import { ring } from "./raw/ring.ts";
import { RIVALS } from "./rivals/mod.ts";
import { quick } from "./settings.ts";
import type { Cell, Entry } from "./suite.ts";

/** In a quick run. */
const FEW = ["piscina", "comlink", "coincident"];

/** The rivals that take part in this run. */
export const rivals: readonly Contestant[] = quick ? RIVALS.filter(({ name }) => FEW.includes(name)) : RIVALS;

/** Everybody: first what the runtime can do by itself, then this library, then the others. */
export const everybody: readonly Contestant[] = [nodeMessages, webMessages, ring, ours, ...rivals];

/** A contestant's entry in a suite. */
export function entryOf(contestant: Contestant, settings: Settings, cells: readonly Cell[]): Entry {
  return {
    who: contestant.name,
    kind: contestant.kind,
    workers: settings.workers,
    intrusive: contestant.intrusive,
    refusal: contestant.refusal?.(settings),
    open: () => contestant.open(settings),
    cells,
  };
}

/** What the same comes to in this thread. */
export function serialEntry(cells: readonly Cell[], who = "this thread"): Entry {
  const nobody: Opened = {
    call: () => () => Promise.reject(new Error("There is no worker.")),
    close() {},
  };
  return { who, kind: "serial", workers: 0, open: () => nobody, cells };
}

function same(actual: unknown, wanted: unknown): boolean {
  return actual === wanted || JSON.stringify(actual) === JSON.stringify(wanted);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** @throws {Error} when it is not what it should be: a wrong result is not timed. */
export function expectSame(actual: unknown, wanted: unknown): void {
  if (!same(actual, wanted)) throw new Error(`wrong result: ${show(actual)} instead of ${show(wanted)}`);
}

/** @throws {Error} unless every result is the item plus 1. */
export function expectIncremented(results: ArrayLike<unknown>, items: ArrayLike<number>): void {
  let wrong = Math.abs(results.length - items.length);
  for (let i = 0; i < items.length; i++) if (results[i] !== (items[i] as number) + 1) wrong++;
  if (wrong > 0) throw new Error(`${wrong} of ${items.length} results are wrong`);
}

/** A call of a task, after every worker has done it a few times and the results were right. */
export async function warmCall(
  opened: Opened,
  task: Task,
  argument: unknown,
  wanted: unknown,
  workers: number,
): Promise<(argument: unknown) => Promise<unknown>> {
  const call = opened.call(task);
  for (let round = 0; round < 3; round++) {
    const results = await Promise.all(Array.from({ length: workers }, () => call(argument)));
    for (const result of results) expectSame(result, wanted);
  }
  return call;
}

/** 0, 1, 2, … */
export function numbers(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** A function that makes a call for every argument at once, and awaits all. */
export function burstOf(
  call: (argument: unknown) => Promise<unknown>,
  items: readonly unknown[],
): () => Promise<unknown[]> {
  const promises: Promise<unknown>[] = new Array(items.length);
  return () => {
    for (let i = 0; i < items.length; i++) promises[i] = call(items[i]);
    return Promise.all(promises);
  };
}

/** The library's own map where it has one, otherwise single calls. */
export function mapOf(opened: Opened, task: Task, items: readonly unknown[]): () => Promise<ArrayLike<unknown>> {
  const map = opened.map?.(task);
  return map === undefined ? burstOf(opened.call(task), items) : () => map(items);
}
