/**
 * The control of the pool's benchmarks: a worker with nothing around it. It gets a number and sends its square, or an
 * array and sends an array, or `{ fibonacci: [n, …] }`.
 * @module
 */
import { parentPort } from "node:worker_threads";
import { fibonacci, square } from "./tasks.ts";

parentPort?.on("message", (message: number | number[] | { readonly fibonacci: number[] }) => {
  if (typeof message === "number") parentPort?.postMessage(square(message));
  else if (Array.isArray(message)) parentPort?.postMessage(message.map((n) => square(n)));
  else parentPort?.postMessage(message.fibonacci.map((n) => fibonacci(n)));
});
