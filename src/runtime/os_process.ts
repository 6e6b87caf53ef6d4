/**
 * Workers that are programs of their own (`type: "process"`), over `node:child_process`, which all three runtimes have.
 * They share no memory with their parent; in return any signal ends them, also in a busy loop, also on Deno.
 * @module
 */
import type { ExitReport, ParentPort, SpawnOptions, WorkerEvents, WorkerHandle } from "./adapter.ts";
import { childProcess, process, url } from "./builtins.ts";
import { signalNumber } from "./host.ts";

const BIRTH = "--manycore-birth=";

/** Node's module gives these as possibly missing: they are there when there is a channel, and here there is one. */
interface Channel {
  ref?(): void;
  unref?(): void;
}

/** How long the last messages of a program that has exited may take, in ms; on all runtimes they come with it. */
const LAST_MESSAGES = 250;

/** Starts a program that runs `options.entry`. */
export function spawnProcess(options: SpawnOptions, events: WorkerEvents, runtimeArgs: () => string[]): WorkerHandle {
  const entry = options.entry.protocol === "file:" ? url().fileURLToPath(options.entry) : options.entry.href;
  const child = childProcess().spawn(
    process.execPath,
    [...runtimeArgs(), ...memoryFlags(options), entry, BIRTH + JSON.stringify(options.birth)],
    {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced",
      ...(options.env === undefined ? {} : { env: { ...options.env } }),
    },
  );
  let report: ExitReport | undefined;
  let told = false;
  const tell = (): void => {
    if (told || report === undefined) return;
    told = true;
    events.onExit(report);
  };
  child.on("message", (message) => events.onMessage(message));
  child.on("error", (error) => {
    report ??= { code: 1, error };
    if (child.pid === undefined) tell();
  });
  child.on("exit", (code, signal) => {
    report = { code: code ?? -signalNumber(signal ?? "SIGTERM"), error: report?.error };
    // Its last messages may still be on their way: the channel closes behind them.
    if (child.connected) setTimeout(tell, LAST_MESSAGES);
    else tell();
  });
  child.on("disconnect", tell);
  const channel = (): Channel | undefined => child.channel as Channel | undefined;
  return {
    postMessage: (message, transfer) => {
      if (transfer !== undefined && transfer.length > 0) {
        throw new TypeError(`Cannot transfer memory to a worker of type "process": leave out { transfer }.`);
      }
      if (!child.connected) return;
      child.send(message as never, (error) => {
        // The program ended first, which its exit event reports.
        void error;
      });
    },
    ref() {
      child.ref();
      channel()?.ref?.();
    },
    unref() {
      child.unref();
      channel()?.unref?.();
    },
    kill: (signal) => void child.kill(signal === 9 ? "SIGKILL" : "SIGTERM"),
  };
}

function memoryFlags(options: SpawnOptions): string[] {
  const limit = options.resourceLimits?.maxOldGenerationSizeMb;
  if (limit === undefined || "Bun" in globalThis) return [];
  const flag = `--max-old-space-size=${Math.floor(limit)}`;
  return ["Deno" in globalThis ? `--v8-flags=${flag}` : flag];
}

/** Whether this program was started by {@linkcode spawnProcess}. */
export function isProcessWorker(): boolean {
  return process.argv[2]?.startsWith(BIRTH) === true && typeof process.send === "function";
}

/** The birth data of this program, if it was started by {@linkcode spawnProcess}. */
export function processBirth(): unknown {
  return isProcessWorker() ? JSON.parse((process.argv[2] as string).slice(BIRTH.length)) : undefined;
}

/** The way from such a program to its parent. It ends when its parent does. */
export function processParentPort(): ParentPort {
  const end = (): void => process.exit(1);
  let current: ((message: unknown) => void) | undefined;
  process.on("disconnect", end);
  return {
    postMessage: (message) => void process.send?.(message),
    listen(handler) {
      current = handler;
      process.on("message", handler);
    },
    release() {
      if (current !== undefined) process.off("message", current);
      (process as unknown as { channel?: Channel }).channel?.unref?.();
    },
  };
}
