/**
 * Who this process is, who its parent is, and which children it has.
 * @module
 */
import type { WorkerType } from "../runtime/adapter.ts";
import { runtime } from "../runtime/current.ts";
import { sharedState } from "../runtime/shared_state.ts";
import type { Birth } from "../transport/protocol.ts";
import { until, type WaitOptions } from "./waiting.ts";

/** What a process knows of itself. */
export interface CurrentProcess {
  /** `MainProcess`, or the name that its parent gave it. */
  readonly name: string;
  /** A number that no other process of this program has: 0 for the main process. */
  readonly id: number;
  /** Whether it ends with its parent and may have no children. */
  readonly daemon: boolean;
  /** How it was made; the main process is a program. */
  readonly type: WorkerType;
}

/** What a process knows of its parent. */
export interface ParentProcess {
  /** Its name. */
  readonly name: string;
  /** Its number. */
  readonly id: number;
  /** Always true: a process ends when its parent does. */
  readonly isAlive: boolean;
  /** Waits for its end, and so for ours: resolves to false when the timeout passes, and never otherwise. */
  join(options?: WaitOptions): Promise<boolean>;
}

/** The birth data of this process, if it was started by this library. */
export function birth(): Birth | undefined {
  return runtime.birth() as Birth | undefined;
}

const MAIN: CurrentProcess = Object.freeze({ name: "MainProcess", id: 0, daemon: false, type: "process" });
const state = sharedState("process", () => ({
  current: undefined as CurrentProcess | undefined,
  children: 0,
  cpus: undefined as number | undefined,
}));

/**
 * The process in which this is called. It never blocks. Python: `multiprocessing.current_process()`.
 *
 * @example
 * ```ts
 * import { currentProcess } from "@manycore/multiprocessing";
 *
 * console.log(currentProcess().name); // MainProcess
 * ```
 */
export function currentProcess(): CurrentProcess {
  if (state.current === undefined) {
    const own = birth();
    state.current = own === undefined
      ? MAIN
      : Object.freeze({ name: own.name, id: own.id, daemon: own.daemon, type: own.type });
  }
  return state.current;
}

/** The parent of this process, null in the main process. It never blocks. Python: `multiprocessing.parent_process()`. */
export function parentProcess(): ParentProcess | null {
  const parent = birth()?.parent;
  if (parent === undefined) return null;
  return Object.freeze({
    ...parent,
    isAlive: true,
    join: async (options?: WaitOptions) => {
      await until(new Promise<void>(() => {}), options, "parentProcess().join");
      return false;
    },
  });
}

/** The numbers of the next child: those of this process, and its place among the children. */
export function nextIdentity(): number[] {
  return [...(birth()?.identity ?? []), ++state.children];
}

/** How many CPUs this program may use: those of its affinity mask and its control group. At least 1. It never blocks. */
export function cpuCount(): number {
  return state.cpus ??= birth()?.cpus ?? runtime.cpuCount();
}

/** What {@linkcode cpuCount} gave, if anyone has asked: to find out takes milliseconds. */
export function knownCpus(): number | undefined {
  return state.cpus ?? birth()?.cpus;
}
