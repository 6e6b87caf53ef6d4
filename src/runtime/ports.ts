/**
 * Message ports that can be read without an event loop: `receiveMessageOnPort` gives what another thread has posted just
 * before, also in a thread that was blocked meanwhile, and after the poster has ended. Tried on Deno 2.9, Bun 1.4, Node 22
 * and 26, with ports that came through `workerData` or through other ports, and had no listener; such ports keep no
 * program alive.
 * @module
 */
import { threads } from "./builtins.ts";

/** One end of a channel. */
export interface Port {
  /** Sends a message to the other end. */
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  /** Gives the port back. */
  close(): void;
}

/** Makes two ports that are each other's ends. */
export function makePorts(): { readonly near: Port; readonly far: Port } {
  const { port1, port2 } = new (threads().MessageChannel)();
  return { near: port1 as unknown as Port, far: port2 as unknown as Port };
}

/** The oldest message that has arrived at a port, in a wrapper; undefined when there is none. */
export function takeMessage(port: Port): { readonly message: unknown } | undefined {
  return threads().receiveMessageOnPort(port as never) as { readonly message: unknown } | undefined;
}
