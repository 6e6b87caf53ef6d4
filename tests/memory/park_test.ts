/** Sleeping and waking, deadlines, stop requests, and what keeps a program alive. */
import { spawn as run } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { AgentTable, slotOf, TOKEN_MASK, tokenOf } from "../../src/memory/agents.ts";
import { deadlineOf, now, requestStop, SpinBudget } from "../../src/memory/park.ts";
import { selfAgent } from "../../src/memory/self.ts";
import { Event } from "../../src/sync/event.ts";
import { counters, spawn, until } from "../kit/agents.ts";
import { besides } from "../kit/modules.ts";

const WORKERS: string = besides(import.meta, "workers");

test("deadlineOf() takes milliseconds, and refuses what is none", () => {
  assertEquals(deadlineOf(undefined), Infinity);
  assertEquals(deadlineOf({}), Infinity);
  assertEquals(deadlineOf({ timeout: Infinity }), Infinity);
  assert(deadlineOf({ timeout: 1000 }) > now());
  assert(deadlineOf({ timeout: -1 }) <= now());
  assertThrows(() => deadlineOf({ timeout: NaN }), RangeError);
  assertThrows(() => deadlineOf({ timeout: "5" as unknown as number }), TypeError);
  assertThrows(() => deadlineOf({ timeout: null as unknown as number }), TypeError);
});

test("a stop request ends blocking and asynchronous waits of an agent, and of no other", async () => {
  const event = new Event();
  const words = counters();
  const agents = ["blocked", "pending", "blocked"].map((name) => spawn<string>(WORKERS, name, event, words));
  await until(words, 0, 3);
  for (const agent of agents.slice(0, 2)) requestStop(selfAgent().table, agent.slot);
  assertEquals(await agents[0]?.result, "StopRequested");
  assertEquals(await agents[1]?.result, "StopRequested");
  event.set();
  assertEquals(await agents[2]?.result, "went on");
});

test("an asynchronous wait keeps the program alive, and lets it end", async () => {
  const program = fileURLToPath(besides(import.meta, "keep_alive_program"));
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", program] : [program];
  const child = run(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (data) => output += String(data));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assertEquals([code, output.trim()], [0, "then true, true"]);
});

test("the agent table: tokens tell agents apart, deaths count, slots are used again but for fenced ones", () => {
  const table = new AgentTable();
  const agents = Array.from({ length: 5 }, () => table.register());
  const tokens = agents.map(tokenOf);
  assertEquals(new Set(tokens).size, 5);
  for (const [i, token] of tokens.entries()) {
    assert(token > 0 && token <= TOKEN_MASK);
    assertEquals(slotOf(token), agents[i]?.slot);
    assert(table.isTokenAlive(token));
    assert(!table.hasCrashed(token));
  }
  const [crashed, returned, fenced] = agents as [typeof agents[0], typeof agents[0], typeof agents[0]];
  table.markDead(crashed as never);
  table.markReturned(returned as never);
  table.markDead(returned as never);
  table.markDead(fenced as never, true);
  assertEquals(table.deaths, 3);
  assertEquals(tokens.map((token) => table.isTokenAlive(token)), [false, false, false, true, true]);
  assertEquals(tokens.map((token) => table.hasCrashed(token)), [true, false, true, false, false]);
  const slots = new Set(Array.from({ length: 4091 + 1 }, () => table.register().slot));
  assert(slots.has(crashed?.slot as number) && !slots.has(fenced?.slot as number));
  assertThrows(() => table.register(), RangeError);
  assert(!table.isTokenAlive(tokens[0] as number));
});

test("a name and a label are cut, not spilled", () => {
  const table = new AgentTable();
  const self = { slot: 0, generation: 1, id: 0 };
  table.publishName(self, "x".repeat(100));
  assertEquals(table.nameOf(tokenOf(self)), "x".repeat(42));
  table.publishName(self, "Prozeß-😀");
  assertEquals(table.nameOf(tokenOf(self)), "Prozeß-😀");
});

test("SpinBudget finds what is there, and gives up on what is not", () => {
  const words = counters();
  const spin = new SpinBudget();
  assert(spin.untilReplaced(words, 0, 0, 7, false));
  assertEquals(words[0], 7);
  assert(spin.untilReplaced(words, 0, 7, 0, true));
  assert(spin.whileEqual(words, 0, 1));
  for (let i = 0; i < 200; i++) assert(!spin.untilReplaced(words, 0, 1, 2, i % 2 === 0));
  assert(spin.untilReplaced(words, 0, 0, 7, false));
  assertEquals(words[0], 7);
  assert(spin.untilReplaced(words, 0, 7, 0, true));
});
