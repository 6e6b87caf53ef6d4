/**
 * Agents that die where a test wants them to: at the n-th atomic operation of a call, for every n.
 *
 * They run in the test's own thread: the gate in front of every atomic operation throws, so that the call ends there, with
 * everything done that was done before and nothing after. What it left in shared memory is what a thread would leave.
 * @module
 */
import type { AgentSlot } from "../../src/memory/agents.ts";
import { type Gate, setGate } from "../../src/memory/atomics.ts";
import { becomeAgent, type SelfAgent, selfAgent } from "../../src/memory/self.ts";

/** Thrown by the gate. */
class Death extends Error {}

/** Another agent, in this thread. */
export interface DoomedAgent {
  /** Runs something as this agent: objects that are made meanwhile belong to it. */
  as<R>(make: () => R): R;
  /**
   * Calls it, as this agent, and dies before the `step`-th atomic operation (from 0 on). False: it has lived, and has done all
   * that it was asked for, because there are fewer operations.
   */
  diesAt(step: number, call: () => void): boolean;
}

/** Makes an agent. */
export function doomedAgent(): DoomedAgent {
  const me = selfAgent();
  const { table } = me;
  const slot: AgentSlot = table.register();
  const self: SelfAgent = { ...slot, table, name: `Doomed-${slot.slot}` };
  const as = <R>(make: () => R): R => {
    becomeAgent(self);
    try {
      return make();
    } finally {
      becomeAgent(me);
    }
  };
  return {
    as,
    diesAt(step, call) {
      let left = step;
      // Whatever it would do on its way out, in a `finally` or a `catch`, it does not do: the gate goes on throwing.
      const tick = (): void => {
        if (left-- <= 0) throw new Death("here");
      };
      const gate: Gate = {
        step: tick,
        wait: (words, index, expected, timeout) => {
          tick();
          return Atomics.wait(words, index, expected, timeout);
        },
        notify: (words, index, count) => {
          tick();
          return Atomics.notify(words, index, count);
        },
      };
      return as(() => {
        setGate(gate);
        try {
          call();
        } catch (error) {
          if (!(error instanceof Death)) throw error;
        } finally {
          setGate(undefined);
          table.markDead(slot);
        }
        return left < 0;
      });
    },
  };
}
