/**
 * What can be compared: this library, bare workers, and the rivals. Each stands behind the same small interface, and all run
 * the same work (work.mjs), so that a topology is written once.
 *
 *   topology (latency_bench.ts …) ──▶ Contestant.open(settings) ──▶ Opened.call / map / move ──▶ close
 * @module
 */
import process from "node:process";

/** The functions of work.mjs. */
export type Task = keyof typeof import("./work.mjs");

/** Where a benchmark runs. */
export type Engine = "deno" | "bun" | "node";

/** The runtime of this process. */
export const engine: Engine = "Deno" in globalThis ? "deno" : process.versions["bun"] === undefined ? "node" : "bun";

/** What a contestant is opened for: its settings should be the best that its documentation offers for that. */
export interface Settings {
  readonly workers: number;
  /** How many calls will be made before the first is awaited. */
  readonly inFlight: number;
  /** Whether one worker has to run calls side by side (each awaits something). */
  readonly overlap?: boolean;
}

/** A pool that runs. */
export interface Opened {
  /** A function that calls the task with one argument in a worker. It returns a real Promise: the clock awaits no other. */
  call(task: Task): (argument: unknown) => Promise<unknown>;
  /** A function that calls the task for every item, where the library has one: otherwise they are single calls. */
  map?(task: Task): (items: readonly unknown[]) => Promise<ArrayLike<unknown>>;
  /** A function that moves a buffer to a worker and back, where the library can. */
  move?(): (buffer: ArrayBuffer) => Promise<ArrayBuffer>;
  /** Ends the workers. */
  close(): unknown;
}

/** Ours; bare workers; somebody else's. */
export type Kind = "ours" | "raw" | "rival";

/** Someone who takes part. */
export interface Contestant {
  readonly name: string;
  readonly kind: Kind;
  /** The npm package, for its version. */
  readonly package?: string;
  /** Why it cannot take part here, as far as that is known without trying: on this runtime, or with these settings. */
  refusal?(settings: Settings): string | undefined;
  /** It replaces globals of its host, so that it has to come last. */
  readonly intrusive?: boolean;
  open(settings: Settings): Promise<Opened>;
}

/** What a module of a rival is, as far as it is used: rivals are loaded when it is their turn, without their types. */
export function load<M>(specifier: string): Promise<M> {
  return import(specifier) as Promise<M>;
}

/** A web worker, as far as it is used. */
export interface WebWorker {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  terminate(): void;
}

/** Starts a web worker, where the runtime has the global `Worker`. */
export function startWebWorker(url: URL): WebWorker {
  const { Worker } = globalThis as unknown as { Worker: new (url: URL, options: { type: "module" }) => WebWorker };
  return new Worker(url, { type: "module" });
}
