/**
 * `{ progress: true }`: a bar on standard error, drawn by the package `cli-progress`, which is loaded at the first use.
 * @module
 */
import { warnOnce } from "../runtime/host.ts";
import type { ProgressListener } from "./job.ts";
import type { MapOptions } from "./options.ts";

interface Bar {
  start(total: number, value: number): void;
  setTotal(total: number): void;
  update(value: number): void;
  stop(): void;
}
interface BarLibrary {
  readonly SingleBar: new (options: Record<string, unknown>, preset: unknown) => Bar;
  readonly Presets: { readonly shades_classic: unknown };
}

/** Where it may be: installed beside the program, or, on Deno without a package.json, in the registry's cache. */
const NAMES = ["cli-progress", "npm:cli-progress@^3.12.0"];

let library: Promise<BarLibrary | undefined> | undefined;

async function load(): Promise<BarLibrary | undefined> {
  for (const name of NAMES) {
    try {
      const module = await import(name) as { default?: BarLibrary } & BarLibrary;
      return module.default ?? module;
    } catch {
      // The next name; the last one is followed by a warning.
    }
  }
  warnOnce(
    "MANYCORE_NO_PROGRESS_BAR",
    "{ progress: true } needs the package cli-progress: install it, or use onProgress.",
  );
  return undefined;
}

/** A bar, as a listener, and how to end it. `label` stands before it. */
function progressBar(label: string): { readonly listener: ProgressListener; end(): void } {
  let latest: Parameters<ProgressListener>[0] = { done: 0, total: undefined };
  let bar: Bar | undefined;
  let ended = false;
  void (library ??= load()).then((found) => {
    if (found === undefined || ended) return;
    const numbers = latest.total === undefined ? "{value}" : "{percentage}% {value}/{total} | {eta_formatted} left";
    bar = new found.SingleBar(
      {
        format: `${label}${label === "" ? "" : " "}{bar} ${numbers}`,
        clearOnComplete: false,
        hideCursor: false,
        linewrap: true,
      },
      found.Presets.shades_classic,
    );
    bar.start(latest.total ?? Math.max(latest.done, 1), latest.done);
  });
  return {
    listener(progress) {
      latest = progress;
      bar?.setTotal(progress.total ?? progress.done);
      bar?.update(progress.done);
    },
    end() {
      ended = true;
      bar?.stop();
    },
  };
}

/** The listener of the caller, of the bar, or of both. What the caller's throws goes to `fail`: it must not stop the pool. */
export function barOf(
  { progress, onProgress }: MapOptions,
  fail: (error: unknown) => void,
): { listener: ProgressListener | undefined; end?: () => void } {
  const bar = progress === undefined || progress === false ? undefined : progressBar(progress === true ? "" : progress);
  if (onProgress === undefined) return bar ?? { listener: undefined };
  const listener: ProgressListener = (state) => {
    bar?.listener(state);
    try {
      onProgress(state);
    } catch (error) {
      fail(error);
    }
  };
  return bar === undefined ? { listener } : { listener, end: () => bar.end() };
}
