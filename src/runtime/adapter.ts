/**
 * The contract between this library and a JavaScript runtime. Everything that differs between Deno, Bun and Node is
 * behind it; the rooms above know none of them.
 *
 * ```
 *   adapter.ts    the contract, nothing that runs
 *   current.ts    picks the adapter of the runtime we are in
 *   deno.ts  bun.ts  node.ts     one adapter each; they do not know one another
 *   worker_threads.ts  os_process.ts  host.ts  stack.ts     what several adapters share
 * ```
 * @module
 */

/** How a worker is made: a thread of this program, or a program of its own that any signal can end. */
export type WorkerType = "thread" | "process";

/** Limits of a worker's memory, in megabytes, as in `node:worker_threads`. Bun has none and ignores them. */
export interface ResourceLimits {
  /** The most memory of the main heap. */
  readonly maxOldGenerationSizeMb?: number | undefined;
  /** The most memory for recently created objects. */
  readonly maxYoungGenerationSizeMb?: number | undefined;
  /** The size of the memory for generated code. */
  readonly codeRangeSizeMb?: number | undefined;
  /** The size of the stack. */
  readonly stackSizeMb?: number | undefined;
}

/**
 * What a worker of type `"process"` may do on Deno: everything that its parent may (`"inherit"`), nothing (`"none"`),
 * or what is listed, each with `true` or a list of paths, hosts, names.
 */
export type Permissions =
  | "inherit"
  | "none"
  | {
    readonly [K in "read" | "write" | "net" | "env" | "run" | "sys" | "ffi" | "import"]?: boolean | readonly string[];
  };

/** What this runtime can and cannot do. A method says which of these it needs. */
export interface Capabilities {
  /** `terminate()` stops a thread in a busy loop. Not on Deno: denoland/deno#35657. */
  readonly stopsBusyThreads: boolean;
  /** Threads obey {@linkcode ResourceLimits}. Not on Bun. */
  readonly limitsThreadMemory: boolean;
  /** Starting a thread blocks its caller (23 ms on Deno), so that several are started one in a turn. */
  readonly blocksToSpawn: boolean;
  /** Threads have a cache of compiled modules that they switch on themselves (`compile_cache.ts`). */
  readonly compileCache: boolean;
  /** Threads share the text of a string that is sent by message: a long one is there at once. */
  readonly sharesStrings: boolean;
  /** Which {@linkcode Permissions} a worker of type `"process"` can be given. */
  readonly permissions: boolean;
}

/** Why and how a worker ended. */
export interface ExitReport {
  /** The exit code; negative: the number of the signal that ended it. */
  readonly code: number;
  /** What the runtime says about the cause, where it says anything. */
  readonly error?: Error | undefined;
}

/** What happens at a worker, told to whoever spawned it. None is called before `spawn` has returned. */
export interface WorkerEvents {
  /** A message arrived. */
  onMessage(message: unknown): void;
  /** The worker is gone; called once, after its last message. */
  onExit(report: ExitReport): void;
}

/** What a worker needs to start. */
export interface SpawnOptions {
  /** The module that the worker runs. */
  readonly entry: URL;
  /** Plain data that {@linkcode RuntimeAdapter.birth} returns in the worker. */
  readonly birth: unknown;
  /** Ports in the birth data, which move to the worker; for threads. */
  readonly transfer?: readonly unknown[] | undefined;
  /** Environment variables, instead of a copy of the parent's. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Memory limits. */
  readonly resourceLimits?: ResourceLimits | undefined;
  /** Deno's permissions, for type `"process"`. */
  readonly permissions?: Permissions | undefined;
}

/** A worker as its parent sees it. */
export interface WorkerHandle {
  /** Sends a message. Throws the runtime's `DataCloneError` or `TypeError` if it cannot be cloned. */
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  /** Lets the worker keep the program alive (the state in which it is made). May be called at any time, repeatedly. */
  ref(): void;
  /** Lets the program end although the worker lives. */
  unref(): void;
  /** Ends it: SIGTERM (15) or SIGKILL (9) for a program; a thread has one way to go. `onExit` follows where it is known. */
  kill(signal: 15 | 9): void;
}

/** The parent as a worker sees it. */
export interface ParentPort {
  /** Sends a message. Throws the runtime's `DataCloneError` or `TypeError` if it cannot be cloned. */
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  /** Starts to receive. Called once, synchronously, while the entry module is evaluated; messages before it are kept. */
  listen(handler: (message: unknown) => void): void;
  /** Stops to receive, so that the worker ends by itself once nothing else is going on in it. */
  release(): void;
}

/** A runtime. */
export interface RuntimeAdapter {
  /** Its name. */
  readonly name: "deno" | "bun" | "node";
  /** Its version. */
  readonly version: string;
  /** What it can do. */
  readonly capabilities: Capabilities;
  /**
   * How many loads of a word a waiter spins at most before it sleeps: 10 µs or so. A load takes 6 ns on V8 and 2 on Bun, where
   * 2000 of them were too short: two workers that could spin parked in lockstep, 1.2 µs a round trip instead of 0.15.
   */
  readonly spinLoads: number;
  /** Whether this is a program's first thread. */
  isMainThread(): boolean;
  /** Starts a worker. */
  spawn(type: WorkerType, options: SpawnOptions, events: WorkerEvents): WorkerHandle;
  /**
   * For the entry module of workers: calls back when {@linkcode RuntimeAdapter.birth} knows; at once, except in Bun's threads,
   * where it has to be called while the entry module is evaluated and nothing has been awaited yet.
   */
  whenBorn(callback: () => void): void;
  /** In a worker that was made by {@linkcode RuntimeAdapter.spawn}: its birth data; elsewhere undefined. */
  birth(): unknown;
  /** In such a worker: the way to its parent. */
  parentPort(): ParentPort;
  /**
   * In a worker: calls something that runs user code, now or soon. Deno does not notice a thread that runs out of memory in
   * a message handler or in a continuation: there it is called in a turn of the loop of its own.
   */
  enterUserCode(callback: () => void): void;
  /** CPUs that this program may use: affinity and, where it can be read, the limit of the control group. It reads files. */
  cpuCount(): number;
  /** Whether the affinity mask leaves one core. It costs nothing. */
  hasOneCore(): boolean;
  /** The text of a file. Throws the runtime's error if it cannot be read. */
  readTextFile(url: URL): string;
  /** A variable of the environment, where it may be read without asking the user. */
  environment(name: string): string | undefined;
  /** The URL of the program's main module, where it has one. Right on the main thread only. */
  mainModule(): string | undefined;
}
