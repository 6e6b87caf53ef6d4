// @ts-self-types="./layout.d.mts"
// How a bare worker and its host share memory (ring.ts, ring_worker.mjs, text.mjs). A ring of doubles each way, and a place for
// one payload each way.
//
// WORD      REQUESTS, ANSWERS: how many were ever put. PARKED: the worker sleeps on REQUESTS. TASK: index in TASKS.
//           KIND, LENGTH: of the payload that a request says is there (its number is NaN).
//           bell[RUNG]: rung by every worker; bell[WAITING]: the host sleeps on it
// LOST WAKE sleeper: set PARKED (WAITING), look at the counter.  waker: set the counter, look at PARKED (WAITING)

export const REQUESTS = 0, ANSWERS = 16, PARKED = 32, TASK = 48, KIND = 49, LENGTH = 50, WORDS = 64;
export const RUNG = 0, WAITING = 16, BELL_WORDS = 32;
export const SLOTS = 2 ** 17;

/** How many looks before sleeping: some 20 µs. */
export const LOOKS = 2000;

export const TASKS = ["increment", "fibonacci", "burn", "toil", "echo"];

/** Integers that come through a Float64Array are doubles to V8, and slow as array indices and counters. */
export function asInteger(value) {
  const integer = value | 0;
  return integer === value ? integer : value;
}
