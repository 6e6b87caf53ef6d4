/**
 * Every example as a program of its own, on the runtime that runs this test: what it prints, that it ends, and how.
 * On Node 20 they are the compiled ones beside the compiled test.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch } from "@std/assert";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const LIMIT = 60_000;

function runtimeArguments(): string[] {
  if ("Deno" in globalThis) return ["run", "-A", "--no-check"];
  if ("Bun" in globalThis) return ["run"];
  // Node 22 warns that it strips types; the flag is new in Node 21.
  return EXTENSION === ".ts" ? ["--disable-warning=ExperimentalWarning"] : [];
}

function environment(): Record<string, string> {
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, FORCE_COLOR: ___, ...env } = process.env as Record<string, string>;
  return { ...env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
}

/** Runs an example; it must end by itself, with exit code 0 and nothing on standard error. Resolves to its lines. */
async function linesOf(name: string, ...args: string[]): Promise<string[]> {
  const child = spawn(process.execPath, [...runtimeArguments(), `examples/${name}${EXTENSION}`, ...args], {
    cwd: ROOT,
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve([code, signal]));
  });
  assertEquals({ stderr, code, signal }, { stderr: "", code: 0, signal: null }, `${name} printed:\n${stdout}`);
  assert(stdout.endsWith("\n"), `${name} must end its last line`);
  return stdout.slice(0, -1).split("\n");
}

/** The number in a line that begins with `label`. */
function numberIn(lines: string[], label: string): number {
  const line = lines.find((line) => line.startsWith(label));
  assert(line !== undefined, `no line begins with "${label}":\n${lines.join("\n")}`);
  return Number(/\d+/.exec(line.slice(label.length))?.[0]);
}

describe("examples", () => {
  it("01_process runs a function with arguments and shows its exit code", async () => {
    assertEquals(await linesOf("01_process"), [
      "before the start: alive false, exit code null",
      "Hello bob 1 (from Greeter)",
      "Hello bob 2 (from Greeter)",
      "after the join: alive false, exit code 0",
    ]);
  });

  it("02_five_workers prints five whole lines in any order, and shares no variable", async () => {
    const lines = await linesOf("02_five_workers");
    assertEquals(lines.pop(), "All five are done, exit codes 0 0 0 0 0; visits is 0 here");
    assertEquals(lines.sort(), [1, 2, 3, 4, 5].map((id) => `Worker ${id}: visits is 1 here`));
  });

  it("03_pool maps in order and brings an error back", async () => {
    assertEquals((await linesOf("03_pool")).map((line) => line.replace(/:\s+/, ": ")), [
      "map: [ 1, 4, 9, 16, 25 ]",
      "arrow: [ 1.5, 2.5, 3.5 ]",
      "task: [ 10, 20, 30 ]",
      "apply: 144",
      "starmap: [ 8, 9 ]",
      "imap: 49",
      "imap: 64",
      "an error: true RangeError: division by zero",
    ]);
  });

  it("04_lock prints ten whole lines with the lock, and loses no letter without it", async () => {
    const lines = await linesOf("04_lock");
    const border = lines.indexOf("--- with the lock:");
    const ids = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    // Without the lock even "0" and the next line's "no" may stand together: only the letters can be counted.
    const letters = (text: string): string => [...text.replaceAll(/\s/g, "")].sort().join("");
    assertEquals(
      letters(lines.slice(0, border).join("")),
      letters(ids.map((id) => `no lock in process ${id}`).join("")),
    );
    assertEquals(lines.slice(border + 1).sort(), ids.map((id) => `hello world from process ${id}`));
  });

  it("05_shared_value adds up to 300", async () => {
    assertEquals(await linesOf("05_shared_value"), ["total: 300.0"]);
  });

  it("06_two_locks reports the deadlock, and both mends let everybody finish", async () => {
    const lines = await linesOf("06_two_locks");
    const parts = lines.join("\n").split(/^\S.*:$/m).slice(1).map((part) => part.trim().split("\n").sort());
    assertEquals(lines.filter((line) => !line.startsWith(" ")), [
      "opposite order:",
      "opposite order, with time limits:",
      "the same order:",
    ]);
    const both = ["Left has both locks", "Right has both locks"];
    const [deadlock, inTime, inOrder] = parts.map((part) => part.map((line) => line.trim()));
    assertEquals(inTime!.sort(), [...both, "exit codes 0 and 0"].sort());
    assertEquals(inOrder!.sort(), [...both, "exit codes 0 and 0"].sort());
    const victim = deadlock!.find((line) => line.endsWith("got a DeadlockError:"))?.split(" ")[0];
    assert(victim === "Left" || victim === "Right", deadlock!.join("\n"));
    assertEquals(
      deadlock!.sort(),
      [
        `${victim} got a DeadlockError:`,
        'Left holds Lock "a" and waits for Lock "b" (held by Right)',
        'Right holds Lock "b" and waits for Lock "a" (held by Left)',
        `${victim === "Left" ? "Right" : "Left"} has both locks`,
        "exit codes 0 and 0",
      ].sort(),
    );
  });

  it("07_race counts right with every mend, and never too much without", async () => {
    const lines = await linesOf("07_race");
    const raced = numberIn(lines, "no lock:");
    assert(raced >= 2 && raced <= 300_000, `${raced}`);
    for (const mend of ["its lock:", "add():", "nothing shared:"]) assertEquals(numberIn(lines, mend), 300_000);
  });

  it("08_counting counts right on one thread, on threads and in programs", async () => {
    const lines = await linesOf("08_counting", "1000000", "4");
    assertMatch(lines[0]!, /^Counting to 1000000, 4 times; \d+ workers$/);
    const counted = lines.filter((line) => line.endsWith("counted right"));
    assertEquals(counted.map((line) => line.replace(/\s{2,}.*/, "")), [
      "one thread, in series",
      "one thread, Promise.all",
      'Pool of type "thread"',
      'Pool of type "process"',
    ]);
    assertEquals(lines.filter((line) => /times as fast as the series$/.test(line)).length, 3);
    assertEquals(lines.length, 8);
  });

  it("09_sum_of_squares is exact, copied and shared, for a million numbers", async () => {
    const lines = await linesOf("09_sum_of_squares");
    for (const label of ["one thread, exact:", "four chunks, copied:", "four chunks, shared:"]) {
      assertMatch(lines.find((line) => line.startsWith(label)) ?? "", /: +333332833333500000 /);
    }
    assert(lines.includes("all three agree: true"));
    assertMatch(lines.at(-1)!, /off by -372448$/);
  });

  it("10_fetching_pages fetches twenty pages in order, one of them missing", async () => {
    const lines = await linesOf("10_fetching_pages");
    assertEquals(
      lines.slice(0, 20),
      Array.from({ length: 20 }, (_, i) => i + 1 === 13 ? "404 Not found" : `200 Page ${i + 1}`),
    );
    assertMatch(lines[20]!, /^20 pages one after the other: \d+ ms, by two workers: \d+ ms$/);
    assertEquals(lines[21], "the first to arrive was a page: true");
    assertEquals(lines.length, 22);
  });

  it("11_producer_consumer adds up all orders, and leaves none", async () => {
    assertEquals(await linesOf("11_producer_consumer"), [
      "3 consumers got orders of 110 in all",
      "left in the queue: 0",
    ]);
  });

  it("12_pipeline factorises twenty numbers", async () => {
    const lines = await linesOf("12_pipeline");
    assertEquals(lines.length, 20);
    const numbers = lines.map((line) => Number(line.split(" ")[0]));
    assertEquals(numbers, Array.from({ length: 20 }, (_, i) => 1_000_000_001 + i));
    for (const line of lines) {
      const [n, factors] = line.split(" = ");
      if (factors === undefined) continue;
      assertEquals(factors.split(" x ").reduce((product, factor) => product * Number(factor), 1), Number(n));
    }
    assertEquals(lines.filter((line) => line.endsWith("is a prime")), [
      "1000000007 is a prime",
      "1000000009 is a prime",
    ]);
  });

  it("13_collecting_logs has every record, and the last words of the process that crashed", async () => {
    const lines = await linesOf("13_collecting_logs");
    assertEquals(lines, [
      "Worker-4 ERROR step 50: no way to go on",
      ...[1, 2, 3, 4, 5, 6].map((i) =>
        i === 4
          ? 'Worker-4: 51 records, in order: true, last "step 50: no way to go on", exit code 70'
          : `Worker-${i}: 102 records, in order: true, last "finished", exit code 0`
      ),
      "errors: 1",
    ]);
  });

  it("14_pipes asks over one pipe, and collects from three, one of which breaks", async () => {
    assertEquals(await linesOf("14_pipes"), [
      "questions and answers:",
      "  3 squared is 9",
      "  4 squared is 16",
      "  5 squared is 25",
      "  the clerk goes home",
      "three stations, one of which breaks down:",
      "  north: 10, 20, 30, end of file",
      "  east: 11, end of file",
      "  south: 12, 22, 32, end of file",
      "  north ended with exit code 0",
      "  east ended with exit code 1",
      "  south ended with exit code 0",
    ]);
  });

  it("each have a test here", () => {
    const files = readdirSync(`${ROOT}examples`).filter((file) => file.endsWith(EXTENSION)).sort();
    const numbers = Array.from({ length: 14 }, (_, i) => String(i + 1).padStart(2, "0"));
    assertEquals(files.map((file) => file.slice(0, 2)), numbers);
  });
});
