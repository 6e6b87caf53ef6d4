/**
 * One child, from its birth to its exit code: what `Process` and `Pool` have in common.
 *
 * ```
 *   born ──▶ running ──▶ exit event ───────────────▶ ended, code of the worker
 *               └─ terminate / kill ──▶ exit event ─▶ ended, −15 or −9
 *                        └─ Deno, a busy thread: after GRACE no exit event ─▶ ended and fenced, −15 or −9
 * ```
 *
 * A child ends once, and `onExit` is called once, after its last message. A fenced child may still run somewhere; its
 * messages are dropped, and its place in the agent table is never used again.
 * @module
 */
import { tokenOf } from "../memory/agents.ts";
import { requestStop, setPlatform } from "../memory/park.ts";
import { selfAgent } from "../memory/self.ts";
import type { Permissions, ResourceLimits, WorkerHandle, WorkerType } from "../runtime/adapter.ts";
import { runtime } from "../runtime/current.ts";
import { backgroundTimer, warnOnce } from "../runtime/host.ts";
import { mainModule, type TaskReference } from "../tasks/reference.ts";
import { ControlWords, WorkerState } from "../transport/control.ts";
import { linkFor } from "../transport/links.ts";
import type { Birth, HostMessage, InitializeMessage, WorkerMessage } from "../transport/protocol.ts";
import { ringWaiters } from "../transport/waitable.ts";
import { CACHED_WORKER_URL, WORKER_URL } from "../worker_url.ts";
import { currentProcess, knownCpus } from "./current.ts";

/** How a child is made. */
export interface ChildOptions {
  readonly role: Birth["role"];
  readonly name: string;
  readonly identity: readonly number[];
  readonly daemon: boolean;
  readonly type: WorkerType;
  readonly oneTask: boolean;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly resourceLimits?: ResourceLimits | undefined;
  readonly permissions?: Permissions | undefined;
  readonly first?: InitializeMessage<TaskReference> | undefined;
}

/** How a child ended. */
export interface ChildExit {
  /** Its exit code; −15 terminated, −9 killed. */
  readonly code: number;
  /** What the runtime says of the cause. */
  readonly error: Error | undefined;
}

/** What a child tells. */
export interface ChildEvents {
  onMessage(message: WorkerMessage): void;
  onExit(exit: ChildExit): void;
}

/** Code of a child that was terminated (SIGTERM) and of one that was killed (SIGKILL). */
export type ForcedCode = -15 | -9;

/** How long a thread that cannot be stopped by force has to end by itself, in ms. */
const GRACE = 100;

/** How long an exit that has begun may take where it cannot be enforced, in ms. */
const EXIT_GRACE = 2000;

/** On Deno a thread without a limit takes the program with it when it runs out of memory; this is what V8 gives a program. */
const DENO_MEMORY_MB = 4096;

/** A started child. */
export class Child {
  /** Its name. */
  readonly name: string;
  /** Its number, as no other process of the program has. */
  readonly id: number;
  /** Its token in the agent table. */
  readonly token: number;
  /** The words shared with it; undefined for a program of its own. */
  readonly control: ControlWords | undefined;
  /** Resolves when it has ended. */
  readonly ended: Promise<ChildExit>;
  /** How it ended. */
  exit: ChildExit | undefined;

  readonly #handle: WorkerHandle;
  readonly #events: ChildEvents;
  readonly #type: WorkerType;
  readonly #markDead: (fenced: boolean) => void;
  readonly #askToStop: () => void;
  #settle!: (exit: ChildExit) => void;
  #forced: ForcedCode | undefined;
  #holds: number;

  /** Starts it. */
  constructor(options: ChildOptions, events: ChildEvents) {
    const self = selfAgent();
    const agent = self.table.register();
    this.name = options.name;
    this.id = agent.id;
    this.token = tokenOf(agent);
    this.control = options.type === "thread" ? new ControlWords() : undefined;
    this.ended = new Promise((resolve) => this.#settle = resolve);
    this.#events = events;
    this.#type = options.type;
    this.#markDead = (fenced) => self.table.markDead(agent, fenced, this.exit?.code === 0);
    this.#askToStop = () => requestStop(self.table, agent);
    const { name, id } = currentProcess();
    // Spinning on the only core would keep away the agent that we wait for.
    setPlatform({ spin: runtime.hasOneCore() ? 0 : runtime.spinLoads });
    const link = this.control === undefined ? undefined : linkFor(agent);
    const birth: Birth = {
      role: options.role,
      name: options.name,
      identity: options.identity,
      id: agent.id,
      daemon: options.daemon,
      type: options.type,
      oneTask: options.oneTask,
      parent: { name, id },
      mainModule: mainModule(),
      cpus: knownCpus(),
      shared: this.control === undefined ? undefined : {
        slot: agent.slot,
        generation: agent.generation,
        agents: self.table.buffer,
        control: this.control.buffer,
        link,
      },
      first: options.first,
    };
    try {
      this.#handle = runtime.spawn(options.type, {
        entry: runtime.capabilities.compileCache ? CACHED_WORKER_URL : WORKER_URL,
        birth,
        transfer: link === undefined ? undefined : [link],
        env: options.env,
        resourceLimits: limits(options),
        permissions: options.permissions,
      }, {
        onMessage: (message) => {
          if (this.exit === undefined) this.#receive(message as WorkerMessage);
        },
        onExit: (report) => this.#end({ code: this.#forced ?? report.code, error: report.error }, false),
      });
    } catch (error) {
      this.#markDead(false);
      throw error;
    }
    this.#holds = options.daemon ? 0 : 1;
    if (options.daemon) this.#handle.unref();
  }

  /** Sends a message. Throws what the runtime throws for a value that cannot be cloned. */
  post(message: HostMessage<TaskReference>, transfer?: readonly unknown[]): void {
    if (this.exit === undefined) this.#handle.postMessage(message, transfer);
  }

  /** Keeps the program alive while the child lives, until as many {@linkcode Child.letGo} have been called. */
  hold(): void {
    if (this.#holds++ === 0 && this.exit === undefined) this.#handle.ref();
  }

  /** The reverse of {@linkcode Child.hold}. */
  letGo(): void {
    if (--this.#holds === 0 && this.exit === undefined) this.#handle.unref();
  }

  /** Ends it by force. Its exit is told later, never from inside this call. */
  force(code: ForcedCode): void {
    if (this.exit !== undefined) return;
    // A kill after a terminate counts: the stronger one did it.
    const first = this.#forced === undefined;
    if (first || code === -9) this.#forced = code;
    if (this.#type === "process" || runtime.capabilities.stopsBusyThreads) {
      this.#handle.kill(code === -9 ? 9 : 15);
      return;
    }
    if (!first) return;
    // One that is blocked wakes for the first, one in its event loop for the second.
    this.#askToStop();
    this.#handle.postMessage({ kind: "stop" });
    setTimeout(() => {
      if (this.exit !== undefined) return;
      // In this order: Deno's terminate() tells an exit at once, whether the thread runs on or not.
      this.#end({ code: this.#forced ?? code, error: undefined }, this.control?.state !== WorkerState.ENDED);
      this.#handle.kill(9);
    }, GRACE);
  }

  #receive(message: WorkerMessage): void {
    if (typeof message === "string" || message.kind !== "exiting") return this.#events.onMessage(message);
    if (this.#type === "process" || runtime.capabilities.stopsBusyThreads) return;
    // On Deno what is due after process.exit() may still run, and may never end.
    backgroundTimer(() => this.#end({ code: this.#forced ?? message.code, error: undefined }, true), EXIT_GRACE);
  }

  #end(exit: ChildExit, fenced: boolean): void {
    if (this.exit !== undefined) return;
    this.exit = exit;
    this.#markDead(fenced);
    if (fenced) {
      warnOnce(
        "MANYCORE_THREAD_NOT_STOPPED",
        `${this.name} did not stop in time, and Deno cannot stop a busy thread (denoland/deno#35657). Its ` +
          `exit code is ${exit.code} and its messages are ignored, but it may use a CPU until its work is done. Use ` +
          `{ type: "process" } where a kill has to be certain. This is said once.`,
      );
    }
    this.#settle(exit);
    this.#events.onExit(exit);
    ringWaiters();
  }
}

function limits(options: ChildOptions): ResourceLimits | undefined {
  if (options.type === "process" || runtime.capabilities.limitsThreadMemory) {
    if (options.resourceLimits === undefined && options.type === "thread" && runtime.name === "deno") {
      return { maxOldGenerationSizeMb: DENO_MEMORY_MB };
    }
    return options.resourceLimits;
  }
  if (options.resourceLimits !== undefined) {
    warnOnce("MANYCORE_NO_MEMORY_LIMIT", `resourceLimits have no effect on threads here: Bun has no memory limits.`);
  }
  return undefined;
}
