// Deno loads this library from a URL (as from JSR): the whole of it comes from a web server on loopback, while the
// program and its functions are local, or remote as well.

import { describe, it } from "node:test";
import { createServer, type Server } from "node:http";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { runProgram, show } from "../kit/program.ts";
import { onlyOn } from "../kit/runtime.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Serves the checkout, and modules that tests make up. */
async function withServer(
  more: (base: string) => Record<string, string>,
  body: (base: string) => Promise<void>,
): Promise<void> {
  let pages: Record<string, string> = {};
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    try {
      const text = pages[path] ?? readFileSync(join(ROOT, normalize(path)), "utf8");
      response.writeHead(200, { "content-type": path.endsWith(".ts") ? "application/typescript" : "text/javascript" });
      response.end(text);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  pages = more(base);
  try {
    await body(base);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const REMOTE_TASKS = (base: string): Record<string, string> => ({
  "/tasks.ts": `
    import { task } from "${base}/mod.ts";
    const factor = 2;
    export const twice = task(import.meta, (n: number): number => n * factor);
    export function thrice(n: number): number { return n * (factor + 1); }
    export function where(): string { return import.meta.url; }
  `,
});

const PROGRAM = (base: string): string => `
  import { currentProcess, isMain, Pool, Process, remote } from "${base}/mod.ts";
  import { twice } from "${base}/tasks.ts";
  import { local } from "./local_tasks.ts";
  const factor = 10;
  export function plain(n: number): number { return n * factor; }
  export function fails(): void { throw new RangeError("from afar"); }
  export function hello(words: Int32Array): void { Atomics.store(words, 0, currentProcess().name === "H" ? 5 : 6); }
  if (isMain(import.meta)) {
    const pool = new Pool(2);
    const far = remote<{ thrice(n: number): number; where(): string }>("${base}/tasks.ts");
    console.log("remote task", await pool.map(twice, [1, 2, 3]));
    console.log("remote handle", await pool.map(far.thrice, [1, 2, 3]));
    console.log("remote where", await pool.apply(far.where));
    console.log("local task", await pool.map(local, [1, 2, 3]));
    console.log("main export", await pool.map(plain, [1, 2, 3]));
    console.log("inline", await pool.map((n: number) => n + 1, [1, 2, 3]));
    console.log("error", await pool.apply(fails).catch((error) => error instanceof RangeError && error.message));
    pool.close();
    await pool.join();
    const words = new Int32Array(new SharedArrayBuffer(4));
    const p = new Process(hello, [words], { name: "H" });
    p.start();
    await p.join();
    console.log("process", p.exitCode, words[0]);
    const program = new Process(plain, [1], { type: "process" });
    program.start();
    await program.join();
    console.log("program", program.exitCode);
  }
`;

const LOCAL_TASKS = (base: string): string => `
  import { task } from "${base}/mod.ts";
  const factor = 100;
  export const local = task(import.meta, (n: number): number => n * factor);
`;

describe("the library loaded over http", () => {
  const skip = onlyOn(
    ["deno"],
    "only Deno imports modules from URLs: https://docs.deno.com/runtime/fundamentals/modules/",
  );
  it(
    "runs pools and processes, with functions of local and of remote modules",
    { skip },
    () =>
      withServer(REMOTE_TASKS, async (base) => {
        const folder = mkdtempSync(join(tmpdir(), "manycore-http-"));
        try {
          writeFileSync(join(folder, "program.ts"), PROGRAM(base));
          writeFileSync(join(folder, "local_tasks.ts"), LOCAL_TASKS(base));
          const result = await runProgram(join(folder, "program.ts"), {
            denoFlags: ["-A", "--no-config", `--reload=${base}`],
            env: { DENO_DIR: join(folder, "cache") },
            cwd: folder,
          });
          assertEquals([result.code, result.timedOut], [0, false], show(result));
          for (
            const line of [
              "remote task [ 2, 4, 6 ]",
              "remote handle [ 3, 6, 9 ]",
              `remote where ${base}/tasks.ts`,
              "local task [ 100, 200, 300 ]",
              "main export [ 10, 20, 30 ]",
              "inline [ 2, 3, 4 ]",
              "error from afar",
              "process 0 5",
              "program 0",
            ]
          ) {
            assertStringIncludes(result.stdout, line, show(result));
          }
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      }),
  );
});
