/**
 * What a pool of 8 costs while nobody asks it for anything: each in a process of its own (idle_child.ts).
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { engine } from "./contestant.ts";
import { entryOf, everybody } from "./field.ts";
import type { IdleReport } from "./idle_child.ts";
import { packaged } from "./packaged.ts";
import { ring } from "./raw/ring.ts";
import { quick } from "./settings.ts";
import { type Cell, Suite } from "./suite.ts";

const WORKERS = 8;

/** Runs the child for one contestant. */
function idleOf(name: string): Promise<IdleReport> {
  const file = fileURLToPath(new URL("./idle_child.ts", import.meta.url));
  const args = engine === "deno"
    ? ["run", "-A", "--no-check", file]
    : engine === "bun"
    ? ["run", file]
    : ["--disable-warning=ExperimentalWarning", file];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args, name, String(WORKERS)], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let problems = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => out += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => problems += text);
    const limit = setTimeout(() => child.kill("SIGKILL"), 20_000);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(limit);
      const line = out.split("\n").findLast((line) => line.startsWith("{"));
      if (line !== undefined) resolve(JSON.parse(line) as IdleReport);
      else reject(new Error(`its process ended with ${code}: ${problems.trim().split("\n").at(-1) ?? ""}`));
    });
  });
}

function cellsOf(name: string): Cell[] {
  let report: Promise<IdleReport> | undefined;
  const ask = (): Promise<IdleReport> => report ??= idleOf(name);
  return [
    { question: "idle/cpu", measure: async () => (await ask()).cpu },
    { question: "idle/memory", measure: async () => (await ask()).memory },
  ];
}

const suite = new Suite();
for (const contestant of [...everybody, packaged]) {
  if (contestant === ring || (quick && contestant.kind === "rival")) continue;
  suite.add({
    ...entryOf(contestant, { workers: WORKERS, inFlight: 1 }, cellsOf(contestant.name)),
    open: () => ({ call: () => () => Promise.reject(new Error("Not opened.")), close() {} }),
  });
}
await suite.run();
