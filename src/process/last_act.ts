/**
 * The last thing that a thread does: after its exit handlers and those of the user, who may still hold and release locks.
 *
 * Node and Deno say "exit" by `process.emit`, which can be wrapped. Bun calls the listeners itself, in their order: ours is
 * moved to the end of them wherever an exit begins.
 * @module
 */
import { process } from "../runtime/builtins.ts";
import { runtime } from "../runtime/current.ts";

/**
 * Calls `act` when everything else that an exit calls has been called. It is not called when the thread is ended by force,
 * runs out of memory, or an exit handler throws: the parent hears of that end as of every other.
 */
export function onLastAct(act: () => void): void {
  if (runtime.name === "bun") followListeners(act);
  else followEmit(act);
}

type Emit = (this: unknown, name: unknown, ...args: unknown[]) => boolean;

function followEmit(act: () => void): void {
  const target = process as unknown as { emit: Emit };
  const { emit } = target;
  target.emit = function (name, ...args): boolean {
    const heard = emit.call(this, name, ...args);
    if (name === "exit") act();
    return heard;
  };
}

function followListeners(act: () => void): void {
  const last = (): void => {
    // Not the last one: somebody added a listener on the way, or left by an `exit` that was taken out of `process` before.
    // That one is still to run, so that it is too early.
    if (process.listeners("exit").at(-1) === last) act();
  };
  const moveToEnd = (): void => {
    process.off("exit", last);
    process.on("exit", last);
  };
  const { exit } = process;
  process.exit = ((code?: number | string | null) => {
    moveToEnd();
    return exit.call(process, code);
  }) as typeof process.exit;
  process.on("beforeExit", moveToEnd);
  moveToEnd();
}
