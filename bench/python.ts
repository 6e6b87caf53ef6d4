/**
 * Python's multiprocessing, asked the same questions (peers/pool_peer.py), where there is a python3.
 * @module
 */
import { join } from "node:path";
import { runProgram } from "../scripts/run_program.ts";
import { ROOT } from "../scripts/runtimes.ts";
import type { Row } from "./rows.ts";

const WHO = "Python multiprocessing";

/** Runs the peer for some topics, such as "latency". */
export async function runPython(
  topics: readonly string[],
  options: { quick: boolean; workers: string; filter?: string | undefined },
): Promise<{ label: string; rows: Row[] }> {
  const missing = (problem: string): { label: string; rows: Row[] } => ({
    label: "Python",
    rows: topics.map((topic) => ({ question: topic, who: WHO, kind: "python", workers: 0, problem })),
  });
  const version = await runProgram("python3", ["--version"]).catch(() => undefined);
  if (version === undefined || version.code !== 0) return missing("there is no python3 on this machine");
  const args = ["--topics", topics.join(","), "--workers", options.workers, ...(options.quick ? ["--quick"] : [])];
  const run = await runProgram("python3", [join(ROOT, "bench", "peers", "pool_peer.py"), ...args], {
    limit: 10 * 60_000,
  });
  const rows = run.output.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Row)
    .filter((row) =>
      options.filter === undefined || new RegExp(options.filter, "i").test(`${row.question} ${row.who}`)
    );
  if (run.code !== 0 && rows.length === 0) return missing(`its program ended with ${run.code}`);
  return { label: version.output.trim(), rows };
}
