/**
 * `Process`: a function that runs in a worker of its own.
 *
 * ```
 *   initial ──start──▶ started ──the function's promise and all that it left running are done──▶ stopped ──close──▶ closed
 *                         └─ error, process.exit(n), terminate, kill ─────────────────────────────▶
 * ```
 * @module
 */
import { EncodingError, ProcessError } from "../errors.ts";
import { writeError } from "../runtime/host.ts";
import { selfAgent } from "../memory/self.ts";
import { DeadlockWatch } from "../sync/deadlock.ts";
import { assertBootstrapped } from "../tasks/bootstrap.ts";
import { classReferenceOf, referenceOf, type TaskClass, type TaskReference } from "../tasks/reference.ts";
import { dropPacked, pack } from "../transport/handles.ts";
import { describeError } from "../transport/remote_error.ts";
import { WAITABLE, type WaitState } from "../transport/waitable.ts";
import type { Birth } from "../transport/protocol.ts";
import { currentProcess, nextIdentity } from "./current.ts";
import { checkWorkerOptions, type WorkerOptions } from "./options.ts";
import { Child } from "./supervisor.ts";
import { checkWaitOptions, until, type WaitOptions } from "./waiting.ts";

/** What can be said of a process when it is made. */
export interface ProcessOptions extends WorkerOptions {
  /** Its name; the default is `Process-1`, `Process-2` …, and for the first child of `Process-2` `Process-2:1`. */
  readonly name?: string | undefined;
  /** Whether it ends with its parent and may have no children; the default is that of the process that makes it. */
  readonly daemon?: boolean | undefined;
}

const children = new Set<Process>();

/** How often a join in a process looks for a deadlock, in ms. */
const JOIN_SLICE = 100;

/** Stands where a process needs no function: it is the process that it runs in. */
const NO_REFERENCE = {} as TaskReference;
let reviving: Birth | undefined;

/** In a child: an object of a subclass of `Process` that stands for this process, made without its constructor. */
export function reviveProcess(type: TaskClass, birth: Birth, fields: object): Process {
  reviving = birth;
  try {
    return Object.assign(Reflect.construct(Process, [], type) as Process, fields);
  } finally {
    reviving = undefined;
  }
}

/** The last parameters of `new Process`: arguments may be left out when the function needs none. */
export type ProcessRest<A extends readonly unknown[]> = [] extends A ? [args?: A, options?: ProcessOptions]
  : [args: A, options?: ProcessOptions];

/**
 * A function that runs in a worker of its own, a thread unless `type: "process"` is given.
 * Python: `multiprocessing.Process`.
 *
 * Differences from Python: arguments are an array; the program does not end before its children that are no daemons,
 * as in Python, and a child does not end before the timers and sockets that its function left running.
 *
 * @example
 * ```ts
 * import { isMain, Process } from "@manycore/multiprocessing";
 *
 * export function greet(name: string): void {
 *   console.log(`Hello, ${name}`);
 * }
 *
 * if (isMain(import.meta)) {
 *   const p = new Process(greet, ["Ada"]);
 *   p.start();
 *   await p.join();
 *   console.log(p.exitCode); // 0
 * }
 * ```
 */
export class Process<A extends readonly unknown[] = never> {
  static {
    // How Node, Bun and Deno show it in console.log.
    for (const name of ["nodejs.util.inspect.custom", "Deno.customInspect"]) {
      Object.defineProperty(this.prototype, Symbol.for(name), {
        value(this: Process): string {
          return this.toString();
        },
      });
    }
  }

  readonly #target: ((...args: A) => unknown) | undefined;
  readonly #reference: TaskReference;
  readonly #args: readonly unknown[];
  readonly #options: ProcessOptions;
  readonly #identity: readonly number[];
  #name: string;
  #daemon: boolean;
  #child: Child | undefined;
  #closed = false;
  /** In the child of a subclass, where the object stands for the process that it runs in. */
  #self: Birth | undefined;

  /**
   * Makes a process, which runs once {@linkcode Process.start} is called. It never blocks.
   *
   * A subclass may leave the target out and override {@linkcode Process.run}.
   *
   * @param target the function, see {@linkcode task} for how it gets there
   * @param rest `args`, its arguments, which are copied when the process starts; `options`, name and kind
   * @throws {TypeError} when the target cannot be a task, or an option is not of its type
   * @throws {BootstrapError} when a worker imports the calling module, which lacks a main guard
   */
  constructor(target: (...args: A) => unknown, ...rest: ProcessRest<A>);
  /** Makes a process of a subclass that overrides {@linkcode Process.run}. */
  constructor(target?: undefined, args?: undefined, options?: ProcessOptions);
  constructor(target?: (...args: A) => unknown, args: unknown = [], options: ProcessOptions = {}) {
    if (reviving !== undefined) {
      const { name, daemon, identity } = this.#self = reviving;
      this.#reference = NO_REFERENCE;
      this.#args = [];
      this.#options = {};
      [this.#name, this.#daemon, this.#identity] = [name, daemon, identity];
      return;
    }
    assertBootstrapped("a Process");
    const overrides = this.run !== Process.prototype.run;
    this.#target = target;
    this.#reference = overrides
      ? classReferenceOf(this.constructor as TaskClass)
      : referenceOf(target, "new Process(target)");
    if (!Array.isArray(args)) {
      throw new TypeError(`new Process(target, args): args must be an array such as ["bob"], got ${typeof args}.`);
    }
    checkWorkerOptions(options, "new Process");
    if (options.name !== undefined && typeof options.name !== "string") {
      throw new TypeError(`new Process: name must be a string, got ${String(options.name)}.`);
    }
    if (options.daemon !== undefined && typeof options.daemon !== "boolean") {
      throw new TypeError(`new Process: daemon must be true or false, got ${String(options.daemon)}.`);
    }
    this.#args = args;
    this.#options = options;
    this.#identity = nextIdentity();
    this.#name = options.name ?? `Process-${this.#identity.join(":")}`;
    this.#daemon = options.daemon ?? currentProcess().daemon;
  }

  /**
   * What the process does: it calls the target. A subclass may do something else; its class must be exported under its
   * own name, and its public fields are copied when the process starts. (Private `#fields` are not.)
   *
   * @returns what the target returns, which is awaited and dropped
   * @example
   * ```ts
   * import { isMain, Process } from "@manycore/multiprocessing";
   *
   * export class Greeter extends Process {
   *   who = "Ada";
   *   override run(): void {
   *     console.log(`Hello, ${this.who}, from ${this.name}`);
   *   }
   * }
   *
   * if (isMain(import.meta)) {
   *   const p = new Greeter();
   *   p.start();
   *   await p.join();
   * }
   * ```
   */
  run(): unknown {
    return this.#target?.(...this.#args as A);
  }

  /** Its name; it can be changed before the start. */
  get name(): string {
    return this.#name;
  }
  set name(name: string) {
    if (typeof name !== "string") throw new TypeError(`Process.name must be a string, got ${String(name)}.`);
    this.#assertInitial("name");
    this.#name = name;
  }

  /** Whether it ends with its parent and may have no children; it can be changed before the start. */
  get daemon(): boolean {
    return this.#daemon;
  }
  set daemon(daemon: boolean) {
    if (typeof daemon !== "boolean") {
      throw new TypeError(`Process.daemon must be true or false, got ${String(daemon)}.`);
    }
    this.#assertInitial("daemon");
    this.#daemon = daemon;
  }

  /** A number that no other process of this program has; null before the start. */
  get id(): number | null {
    this.#assertOpen("id");
    return this.#self?.id ?? this.#child?.id ?? null;
  }

  /** Whether it has started and not ended. */
  get isAlive(): boolean {
    this.#assertOpen("isAlive");
    return this.#self !== undefined || this.#child !== undefined && this.#child.exit === undefined;
  }

  /**
   * How it ended: null before that, 0 in order, 1 after an uncaught error, n after `process.exit(n)`, −15 terminated,
   * −9 killed.
   */
  get exitCode(): number | null {
    this.#assertOpen("exitCode");
    return this.#child?.exit?.code ?? null;
  }

  /**
   * Starts it. It does not block, except on Deno, whose worker takes 10 to 25 ms to make.
   *
   * @throws {ProcessError} when it was started before, is closed, or this process is a daemon
   * @throws {EncodingError} when an argument cannot be sent; its path says which
   */
  start(): void {
    this.#assertOpen("start()");
    if (this.#child !== undefined) throw new ProcessError(`Cannot start ${this.#name} twice: make another Process.`);
    if (currentProcess().daemon) {
      throw new ProcessError(
        `Cannot start ${this.#name}: daemonic processes are not allowed to have children, and ` +
          `${currentProcess().name} is one.`,
      );
    }
    const type = this.#options.type ?? "thread";
    const args = pack(this.#args, "args", type === "thread");
    const fields = this.run === Process.prototype.run ? undefined : pack({ ...this }, "this", type === "thread");
    const child = new Child({
      role: "process",
      name: this.#name,
      identity: this.#identity,
      daemon: this.#daemon,
      type,
      oneTask: true,
      env: this.#options.env,
      resourceLimits: this.#options.resourceLimits,
      permissions: this.#options.permissions,
    }, {
      onMessage: () => {},
      onExit: ({ code, error }) => {
        children.delete(this);
        // It may have ended before it took what was sent to it.
        for (const sent of [args, fields]) if (sent !== undefined) dropPacked(sent);
        // What it could not say itself, for example that it ran out of memory.
        if (code > 0 && error !== undefined) writeError(`Process ${this.#name}:\n${describeError(error)}\n`);
      },
    });
    try {
      child.post({ kind: "start", reference: this.#reference, args, fields });
    } catch (error) {
      child.force(-9);
      throw unsent(error);
    }
    this.#child = child;
    children.add(this);
  }

  /**
   * Waits for its end; it does not block. It resolves to true, or to false when the timeout passed first, and can be
   * called again.
   *
   * Differences from Python: it returns whether the process ended, where Python's returns None.
   *
   * @param options `timeout` in ms, `signal`
   * @throws {ProcessError} when it was not started, or is closed
   * @throws {DeadlockError} in a process, when the child waits for what this process holds
   * @throws the signal's reason
   */
  async join(options?: WaitOptions): Promise<boolean> {
    this.#assertOpen("join()");
    checkWaitOptions(options, "Process.join");
    const child = this.#started("join");
    child.hold();
    try {
      const endless = options?.timeout === undefined && options?.signal === undefined;
      if (endless && selfAgent().oneTask === true) return await this.#joinWatching(child);
      return await until(child.ended, options, "Process.join");
    } finally {
      child.letGo();
    }
  }

  /** In a process that runs one task: the child may wait for a lock that we hold while we wait for its end. */
  async #joinWatching(child: Child): Promise<boolean> {
    const watch = new DeadlockWatch(`the end of ${this.#name}`);
    const started = performance.now();
    try {
      while (!await until(child.ended, { timeout: JOIN_SLICE })) {
        watch.inspect(performance.now() - started, () => child.exit === undefined ? child.token : 0, false);
      }
      return true;
    } finally {
      watch.end();
    }
  }

  /**
   * Ends it as SIGTERM would: nothing more of its function runs, no `finally` either. It does not block; `exitCode`
   * becomes −15. On Deno a busy thread cannot be stopped: there the exit code is set, its messages are dropped, and a
   * warning says so; use `type: "process"` where it must stop.
   *
   * @throws {ProcessError} when it was not started, or is closed
   */
  terminate(): void {
    this.#assertOpen("terminate()");
    this.#started("terminate").force(-15);
  }

  /**
   * Ends it as SIGKILL would, see {@linkcode Process.terminate}; `exitCode` becomes −9.
   *
   * @throws {ProcessError} when it was not started, or is closed
   */
  kill(): void {
    this.#assertOpen("kill()");
    this.#started("kill").force(-9);
  }

  /**
   * Gives back what the object holds; only its name can be asked for afterwards. It can be called again.
   * @throws {ProcessError} while it runs
   */
  close(): void {
    if (this.#closed) return;
    if (this.isAlive) {
      throw new ProcessError(
        `Cannot close ${this.#name} while it is still running. You should first call join() or terminate().`,
      );
    }
    this.#closed = true;
    this.#child = undefined;
  }

  /** How `wait()` waits for its end. */
  get [WAITABLE](): WaitState {
    this.#assertOpen("wait for");
    const child = this.#started("wait for");
    return {
      isReady: () => child.exit !== undefined,
      arm: () => {},
      needsLoop: `a blocked thread is not told that ${this.#name} has ended. Use await wait().`,
    };
  }

  /** A line with name, number and state, as in Python. */
  toString(): string {
    const parts = [`name='${this.#name}'`];
    const id = this.#self?.id ?? this.#child?.id;
    if (id !== undefined) parts.push(`id=${id}`);
    parts.push(`parent=${this.#self?.parent.id ?? currentProcess().id}`, this.#state());
    if (this.#daemon) parts.push("daemon");
    return `<Process ${parts.join(" ")}>`;
  }

  /** Its name for `Object.prototype.toString`. */
  get [Symbol.toStringTag](): string {
    return "Process";
  }

  #state(): string {
    if (this.#closed) return "closed";
    if (this.#self !== undefined) return "started";
    if (this.#child === undefined) return "initial";
    const code = this.#child.exit?.code;
    if (code === undefined) return "started";
    return `stopped exitcode=${code === -15 ? "-SIGTERM" : code === -9 ? "-SIGKILL" : code}`;
  }

  #assertOpen(what: string): void {
    if (this.#closed) throw new ProcessError(`Cannot use ${what} of ${this.#name}: the process object is closed.`);
  }

  #assertInitial(what: string): void {
    this.#assertOpen(what);
    if (this.#child !== undefined) throw new ProcessError(`Cannot set ${what}: ${this.#name} has already started.`);
  }

  #started(what: string): Child {
    if (this.#child === undefined) {
      throw new ProcessError(`Cannot ${what} ${this.#name}: it was not started. Call start() first.`);
    }
    return this.#child;
  }
}

/** The children of this process that have started and not ended. It never blocks. Python: `active_children()`. */
export function activeChildren(): Process[] {
  return [...children];
}

/** The error for data that the runtime refused, though nothing in it looked wrong. */
function unsent(error: unknown): EncodingError {
  const reason = error instanceof Error ? error.message : String(error);
  return new EncodingError(`Cannot send args to another process: ${reason}`, "args", { cause: error });
}
