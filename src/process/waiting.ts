/**
 * Waiting with a time limit and a signal, for everything that ends by a promise.
 * @module
 */
import type { WaitOptions } from "../memory/park.ts";
export type { WaitOptions };

/** The longest that a timer runs, in ms; a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1;

/** @throws {TypeError | RangeError} when a duration is not a number of milliseconds from 0 up. */
export function checkDuration(value: unknown, what: string): void {
  if (value === undefined) return;
  if (typeof value !== "number") throw new TypeError(`${what} must be a number of milliseconds, got ${String(value)}.`);
  if (!(value >= 0)) throw new RangeError(`${what} must be 0 ms or more, got ${value}.`);
}

/** @throws {TypeError | RangeError} when the options are not usable. */
export function checkWaitOptions(options: WaitOptions | undefined, what: string): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${what}: options must be an object such as { timeout: 1000 }, got ${String(options)}.`);
  }
  checkDuration(options.timeout, `${what}: timeout`);
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
    throw new TypeError(`${what}: signal must be an AbortSignal.`);
  }
}

/**
 * Waits for a promise: true when it is settled, false when the timeout passed first. The wait itself keeps the program
 * alive only through its timer.
 * @throws the signal's reason
 */
export function until(promise: Promise<unknown>, options: WaitOptions = {}, what = "wait"): Promise<boolean> {
  checkWaitOptions(options, what);
  const { timeout, signal } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const settle = (done: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      done();
    };
    const onAbort = (): void => settle(() => reject(signal?.reason));
    if (timeout !== undefined && timeout <= LONGEST) {
      timer = setTimeout(() => settle(() => resolve(false)), timeout);
    }
    signal?.addEventListener("abort", onAbort, { once: true });
    const done = (): void => settle(() => resolve(true));
    promise.then(done, done);
  });
}
