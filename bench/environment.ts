/**
 * Where and on what a run took place, and where its parts are kept.
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { ROOT } from "../scripts/runtimes.ts";
import { FOLDER } from "./launch.ts";
import { type Environment, keyOf, type Part } from "./rows.ts";

function git(...args: string[]): string {
  return spawnSync("git", args, { cwd: ROOT, encoding: "utf8" }).stdout?.trim() ?? "";
}

/** The machine and the checkout. */
export function environmentOf(quick: boolean, runs: number): Environment {
  return {
    date: new Date().toISOString(),
    commit: git("rev-parse", "--short=12", "HEAD"),
    dirty:
      git("status", "--porcelain", "--", "mod.ts", "src", "bench", ":!bench/RESULTS.md", ":!bench/results.json") !== "",
    quick,
    runs,
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memory: totalmem(),
      system: `${platform()} ${release().replace(/^(\d+\.\d+).*/, "$1")} ${arch()}`,
    },
  };
}

function pathOf(part: Pick<Part, "runtime" | "file">): string {
  return join(FOLDER, `${part.runtime}.${part.file}.json`);
}

/** Keeps a part. What a filter left out is kept from before. */
export function savePart(part: Part, filtered: boolean): void {
  mkdirSync(FOLDER, { recursive: true });
  const path = pathOf(part);
  let { rows } = part;
  if (filtered && existsSync(path)) {
    const fresh = new Map(rows.map((row) => [keyOf(row), row]));
    const before = (JSON.parse(readFileSync(path, "utf8")) as Part).rows;
    rows = [
      ...before.map((row) => fresh.get(keyOf(row)) ?? row),
      ...rows.filter((row) => before.every((old) => keyOf(old) !== keyOf(row))),
    ];
  }
  writeFileSync(path, JSON.stringify({ ...part, rows }, null, 1) + "\n");
}

/** All parts that are kept, but for those of bench files that are gone. */
export function loadParts(): Part[] {
  if (!existsSync(FOLDER)) return [];
  return readdirSync(FOLDER).filter((name) => name.endsWith(".json")).sort()
    .map((name) => JSON.parse(readFileSync(join(FOLDER, name), "utf8")) as Part)
    .filter(({ file, runtime }) => runtime === "python" || existsSync(join(ROOT, "bench", `${file}_bench.ts`)));
}
