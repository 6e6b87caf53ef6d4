// Runs a program for the test run, the checks and the tour: with its output as it comes, an outer time limit (no
// runner's own limit catches a thread that is blocked in a synchronous wait), and nothing left behind.

import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import { cleanEnvironment, ROOT } from "./runtimes.ts";

const WINDOWS = process.platform === "win32";

/** How a program ended. */
export interface RunResult {
  /** The exit code; 128 + n after signal n. */
  readonly code: number;
  /** True when the time limit passed and the program was killed. */
  readonly timedOut: boolean;
  readonly output: string;
  readonly milliseconds: number;
}

/** What `runProgram` needs to know beside the command. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Kills the program and everything it started when it runs longer (milliseconds). */
  readonly limit?: number;
  /** Receives output as it comes; stdout and stderr together. */
  readonly onOutput?: (text: string) => void;
  /** Kills the program and everything it started when it is aborted. */
  readonly signal?: AbortSignal;
}

const running = new Set<ChildProcess>();

/** Kills a child with everything it started; on POSIX each one leads a process group of its own. */
function killTree(child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (WINDOWS) {
    spawn("taskkill", ["/pid", `${child.pid}`, "/t", "/f"], { stdio: "ignore" });
    return;
  }
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is gone.
  }
}

let watching = false;

/** Children in groups of their own see neither Ctrl-C at the terminal nor the signal that ends this script. */
function endChildrenWithUs(): void {
  if (watching) return;
  watching = true;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      for (const child of running) killTree(child);
      process.exit(128 + constants.signals[signal]);
    });
  }
}

/** Runs a program to its end, or to its time limit, and resolves to its exit code and its whole output. */
export function runProgram(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  endChildrenWithUs();
  return new Promise((settle, fail) => {
    const started = Date.now();
    const child = spawn(command, args, {
      cwd: options.cwd ?? ROOT,
      env: options.env ?? cleanEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
      detached: !WINDOWS,
    });
    running.add(child);
    let output = "";
    let timedOut = false;
    const limit = options.limit === undefined ? undefined : setTimeout(() => {
      timedOut = true;
      killTree(child);
    }, options.limit);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        options.onOutput?.(text);
      });
    }
    options.signal?.addEventListener("abort", () => killTree(child), { once: true });
    let lingering: NodeJS.Timeout | undefined;
    const finish = (): void => {
      clearTimeout(limit);
      clearTimeout(lingering);
      killTree(child);
      running.delete(child);
    };
    child.on("error", (error) => (finish(), fail(error)));
    // A grandchild that outlives the program may hold the pipes open for ever: it goes with the program, a little later
    // so that the last output still arrives.
    child.on("exit", () => {
      lingering = setTimeout(() => killTree(child), 1000);
    });
    child.on("close", (code, signal) => {
      finish();
      settle({
        code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]),
        timedOut,
        output,
        milliseconds: Date.now() - started,
      });
    });
  });
}
