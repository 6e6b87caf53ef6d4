/**
 * Runs a fixture as a program of its own, on the runtime of this test run: for what only a whole program shows, such
 * as its exit code, its output, and whether it ends by itself.
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { fixture, NODE_MAJOR, RUNTIME } from "./runtime.ts";

/** How a program ended. */
export interface ProgramResult {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether it had to be killed because it did not end by itself. */
  readonly timedOut: boolean;
}

/** How it is run. */
export interface ProgramOptions {
  /** Arguments of the program. */
  readonly args?: readonly string[];
  /** Flags of Deno instead of `-A`. */
  readonly denoFlags?: readonly string[];
  /** More variables of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its working directory. */
  readonly cwd?: string;
  /** After how many ms it counts as hanging. */
  readonly limit?: number;
}

/** The command line that runs `file` here. */
export function commandFor(file: string, denoFlags: readonly string[] = ["-A"]): string[] {
  if (RUNTIME === "deno") return ["run", ...denoFlags, file];
  if (RUNTIME === "bun") return ["run", file];
  return NODE_MAJOR >= 21 ? ["--disable-warning=ExperimentalWarning", file] : [file];
}

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(NODE_OPTIONS|NODE_TEST_CONTEXT|NODE_CHANNEL_.*|FORCE_COLOR)$/.test(name)) {
      env[name] = value;
    }
  }
  return { ...env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...more };
}

/** Runs `program`, a name in tests/fixtures or a path or URL, to its end. */
export function runProgram(program: string | URL, options: ProgramOptions = {}): Promise<ProgramResult> {
  const url = typeof program === "string" && !/[:/\\]/.test(program) ? fixture(program) : program;
  const file = url instanceof URL && url.protocol === "file:" ? fileURLToPath(url) : String(url);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...commandFor(file, options.denoFlags), ...(options.args ?? [])], {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment(options.env),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    let stdout = "";
    let stderr = "";
    let timedOut = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, options.limit ?? 45_000);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, timedOut });
    });
  });
}

/** Everything about a run, for the message of an assertion. */
export function show(result: ProgramResult): string {
  const how = result.timedOut ? "did not end by itself" : `code ${result.code}, signal ${result.signal}`;
  return `${how}\n--- stdout\n${result.stdout}\n--- stderr\n${result.stderr}`;
}
