/** Who holds an end of a pipe: tickets of copies that are on their way. */
import { test } from "node:test";
import { assertEquals } from "@std/assert";
import { Holds } from "../../src/channel/pipe_holds.ts";
import { PipeMemory, TICKETS } from "../../src/channel/pipe_memory.ts";
import { doomedAgent } from "../kit/death.ts";

function taken(memory: PipeMemory): number {
  const owners = memory.tickets(0) + TICKETS;
  return memory.words.subarray(owners, owners + TICKETS).reduce((sum, owner) => owner === 0 ? sum : sum + 1, 0);
}

test("a copy that arrives before its sender says so leaves no place taken, and no other copy's ticket is changed", () => {
  const memory = PipeMemory.create(true);
  const holds = new Holds(memory, 0);
  for (let i = 0; i < 1000; i++) {
    const ticket = holds.leave();
    holds.arrive(ticket);
    const next = holds.leave();
    assertEquals(next.place, ticket.place);
    holds.sent(ticket);
    assertEquals(memory.words[memory.tickets(0) + next.place], next.serial << 1, "not published");
    holds.arrive(next);
  }
  assertEquals([taken(memory), holds.isHeld()], [0, false]);
});

test("senders that die at any step leave no place taken for good, and nothing held that was not published", () => {
  const memory = PipeMemory.create(true);
  const holds = new Holds(memory, 0);
  for (let step = 0;; step++) {
    const victim = doomedAgent();
    let published = false;
    const theirs = victim.as(() => new Holds(memory, 0));
    const died = victim.diesAt(step, () => {
      const ticket = theirs.leave();
      theirs.sent(ticket);
      published = true;
    });
    assertEquals(holds.isHeld(), published, `step ${step}`);
    if (!died) break;
  }
  // The one that was published counts still.
  const tickets = Array.from({ length: TICKETS - 1 }, () => holds.leave());
  for (const ticket of tickets) holds.arrive(ticket);
  assertEquals(taken(memory), 1);
});
