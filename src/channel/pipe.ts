/**
 * `Pipe`: two connected ends.
 * @module
 */
import { Connection } from "./connection.ts";
import { PipeEnd } from "./pipe_end.ts";
import { PipeMemory } from "./pipe_memory.ts";

/** Options of {@linkcode Pipe}. */
export interface PipeOptions {
  /** Whether both ends send and receive (the default), or the first one only receives and the second one only sends. */
  readonly duplex?: boolean | undefined;
}

/**
 * Makes a pipe and returns its two ends: what is sent on one is received from the other. It never blocks.
 * Python: `multiprocessing.Pipe`.
 *
 * Each direction holds 512 KB; a sender waits while it is full, and a longer message goes in pieces. Pass an end to a process,
 * and close your own copy of it, so that the end of that process is noticed. For many writers or readers see `Queue`.
 *
 * @typeParam A what the first end sends
 * @typeParam B what the second end sends
 * @param options `duplex: false`: the first end only receives, the second one only sends
 * @returns the two ends
 * @throws {TypeError} when an option is not of its type
 *
 * @example
 * ```ts
 * import { type Connection, isMain, Pipe, Process } from "@manycore/multiprocessing";
 *
 * export function greet(connection: Connection<string>): void {
 *   connection.sendSync(`Hello, ${connection.recvSync()}`);
 * }
 *
 * if (isMain(import.meta)) {
 *   const [mine, theirs] = Pipe<string>();
 *   const p = new Process(greet, [theirs]);
 *   p.start();
 *   theirs.close();
 *   await mine.send("Ada");
 *   console.log(await mine.recv()); // Hello, Ada
 *   await p.join();
 *   mine.close();
 * }
 * ```
 */
export function Pipe<A = unknown, B = A>(options: PipeOptions = {}): [Connection<A, B>, Connection<B, A>] {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot make a Pipe: options must be an object such as { duplex: false }, got ${String(options)}.`,
    );
  }
  const duplex = options.duplex ?? true;
  if (typeof duplex !== "boolean") {
    throw new TypeError(`Cannot make a Pipe: duplex is ${String(duplex)}; it is true or false.`);
  }
  const memory = PipeMemory.create(duplex);
  const ends = [PipeEnd.of(memory, 0), PipeEnd.of(memory, 1)] as const;
  for (const end of ends) end.add();
  return [new Connection<A, B>(ends[0]), new Connection<B, A>(ends[1])];
}
