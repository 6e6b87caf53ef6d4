/**
 * How the memory of a lane is laid out, and what a record in its rings looks like. Numbers, hardly any logic.
 *
 * ```
 *   BELL · HOST_WAITS · WORKER_WAITS, each on a cache line of its own │ work ring: host ─▶ worker │ result ring: worker ─▶ host
 * ```
 *
 * WORD   BELL (i32): where the worker sleeps, see `memory/doorbell.ts`
 * WORD   HOST_WAITS (i32): 1 while the host found no room in the work ring and wants to be rung when there is some
 * WORD   WORKER_WAITS (i32): 1 while the worker found no room in the result ring and wants to be rung when there is some
 * LOST WAKE  for both: who waits stores the 1, then looks for room once more; who reads gives the room back (HEAD), then looks
 *            at the word. One of them sees the other
 * WORD   HOST_BELL (i32, in memory of the host's own, for all its lanes): where the host sleeps
 * WORD   RUNNING + place (i32, there too): 1 while the worker of that lane runs or spins. Written by the worker, taken away by the host at its
 *        death; the sum says whether there is a core to spin on. Nothing but speed depends on it
 *
 * A record's tag is the slot of its chunk, a small number that the host gives out. Its payload begins with
 *
 * WORD   CLAIM (i32, work ring): 0 open · 1 started · 2 revoked. The worker starts a chunk, and the host takes it back, by compare-
 *        and-exchange from 0: exactly one of them wins, so that a chunk can be cancelled or given to an idle worker, and runs once
 * OWNERSHIP  the word belongs to its record, and lives until the worker releases that: a record that was released was started, or was
 *        found to be revoked. Only the host writes the ring, so what it finds there cannot change its meaning while it looks
 * DEATH  released, or claim 1, and no result: the chunk was running when the worker died. Claim 0: it had not started
 * @module
 */
import { load, type SharedWords } from "../memory/atomics.ts";
import { ringBytes, type RingPlace } from "../memory/ring.ts";
import { runtime } from "../runtime/current.ts";

/** The words of a lane. */
export const BELL = 0;
export const HOST_WAITS = 16;
export const WORKER_WAITS = 32;
const LANE_WORDS = 64;

/** The words of a host. */
export const HOST_BELL = 0;
/** How many of the words from RUNNING on have been used. */
export const PLACES_USED = 1;
/** How many cores the program may use; written by the host when it has counted them, 0 before. */
export const CORES = 2;
export const RUNNING = 16;
/** The lanes that have a word there; the workers of further ones do not spin. */
export const PLACES = 48;
export const HOST_WORDS = RUNNING + PLACES;

/** The size of each ring: some thousand small calls. Pages are taken from the machine when they are first written. */
const RING_SIZE = 256 * 1024;

/** The words at the beginning of a payload in the work ring: the claim, what it is, the number of its function. */
export const CLAIM = 0;
export const KIND = 1;
export const TASK = 2;
/** In the result ring: the time that it took, in units of 10 ns, 0 where it was not measured; what it is; of how many calls. */
export const ELAPSED = 0;
export const COUNT = 2;
/** In both: a number, see `scalar.ts`. */
export const EXTRA = 3;
/** The size of both, in bytes. */
export const PROLOGUE = 16;

/** Values of CLAIM. */
export const OPEN = 0;
export const STARTED = 1;
export const REVOKED = 2;

/** Bits of KIND in the work ring. The mode: */
export const APPLY = 0;
export const MAP = 1;
export const STARMAP = 2;
/** `apply` with one argument, which stands there alone. */
export const APPLY_ONE = 3;
export const MODE_BITS = 3;
/** The items after one that fails are still run. */
export const KEEP_GOING = 4;
/** Where the value is: in the record, */
export const INLINE = 0;
/** in a message, one for each such record, in their order, */
export const BY_MESSAGE = 8;
/** or in the memory for large values: the record says where. */
export const IN_ARENA = 16;
export const CARRIER_BITS = 24;
/** It has descriptions of shared objects in it. */
export const DESCRIBED = 32;
/** In the result ring: the value is the errors, or the errors and the results. */
export const FAILED = 1;

/**
 * From this length on a string goes by message where threads share strings (Bun: 1 MB there and back in 50 µs, or 130 if it is ASCII,
 * instead of 170). Shorter ones are sooner copied than such a message is sent.
 */
const SHARED_STRING = 2 ** 18;

/** Whether a value is such a string. */
export function isSharedString(value: unknown): value is string {
  return typeof value === "string" && value.length >= SHARED_STRING && runtime.capabilities.sharesStrings;
}

/** The memory of a lane. */
export interface LaneMemory {
  readonly buffer: SharedArrayBuffer;
  /** The words of the host. */
  readonly host: SharedArrayBuffer;
  /** The number of the lane among them; −1: it has no place there. */
  readonly place: number;
}

/** Makes it. */
export function makeLaneMemory(host: SharedArrayBuffer, place: number): LaneMemory {
  return { buffer: new SharedArrayBuffer(LANE_WORDS * 4 + 2 * ringBytes(RING_SIZE)), host, place };
}

/** Whether fewer workers of a host run or spin than there are cores, `more` beside them. */
export function hasFreeCore(host: SharedWords, more: number): boolean {
  let count = more;
  for (let place = load(host, PLACES_USED) - 1; place >= 0; place--) count += load(host, RUNNING + place);
  return count <= load(host, CORES);
}

/** Its parts. */
export function partsOf({ buffer }: LaneMemory): { words: SharedWords; work: RingPlace; results: RingPlace } {
  return {
    words: new Int32Array(buffer, 0, LANE_WORDS),
    work: { buffer, byteOffset: LANE_WORDS * 4, size: RING_SIZE },
    results: { buffer, byteOffset: LANE_WORDS * 4 + ringBytes(RING_SIZE), size: RING_SIZE },
  };
}
