/**
 * Counts the messages of ports. Each port has one listener for ever: on Deno one of `on` that comes after an `off` hears nothing
 * (https://github.com/denoland/deno/pull/33991).
 * @module
 */
import type { MessagePort } from "node:worker_threads";

/** How many messages have come that nobody asked for yet, and who asks. */
let arrived = 0;
let awaited = Infinity;
let enough: () => void = () => {};

function settle(): void {
  if (arrived < awaited) return;
  arrived -= awaited;
  awaited = Infinity;
  enough();
}

function arrive(): void {
  arrived++;
  settle();
}

/** Counts the messages of a port from now on, by `onmessage`. */
export function countMessages(port: MessagePort): void {
  (port as unknown as { onmessage: () => void }).onmessage = arrive;
}

/** The same by `on`, for which Deno walks typed arrays element by element. */
export function countMessagesByOn(port: MessagePort): void {
  port.on("message", arrive);
}

/** Resolves when so many more have come. */
export function received(messages: number): Promise<void> {
  return new Promise((resolve) => {
    [awaited, enough] = [messages, resolve];
    settle();
  });
}
