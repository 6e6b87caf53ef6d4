/**
 * How a worker's results go back: into the ring, or by message what the ring cannot take. What cannot be sent at all becomes
 * the error of its call.
 *
 * ```
 *   outcome ─▶ ring ──no room──▶ backlog, until the host has read on
 *                └──memory that is shared, too large, or moves──▶ message
 * ```
 * @module
 */
import { type LanePort, NEEDS_MESSAGE, NO_ROOM } from "../transport/lane_port.ts";
import { APPLY, APPLY_ONE, isSharedString, MODE_BITS } from "../transport/lane_memory.ts";
import { checkSendable, pack } from "../transport/handles.ts";
import { isMoved, takeMoved } from "../transport/moved.ts";
import type { WireError, WireResult, WorkerMessage } from "../transport/protocol.ts";
import { encodeError } from "../transport/remote_error.ts";
import { failed, type Outcome } from "./calls.ts";

/** Sends the results of a worker. */
export interface Replies {
  /** Takes the outcome of a chunk. `kind`: its bits. `elapsed`: how long `count` calls like it took, in ms; 0: not measured. */
  send(slot: number, kind: number, outcome: Outcome, elapsed: number, count: number): void;
  /**
   * Shows the host what was taken, as far as there is room: the next call may take long, or never end. True: the host slept, and was
   * woken, so that some time has passed.
   */
  show(): boolean;
  /** Sends what was taken; false when there is no room for all of it, and then nothing more should be started. */
  flush(): boolean;
  /** At the exit: sends what was taken, whatever that takes. */
  flushAll(): void;
}

type Post = (message: WorkerMessage, transfer?: readonly unknown[]) => void;

interface Waiting {
  readonly slot: number;
  readonly kind: number;
  readonly outcome: Outcome;
  readonly elapsed: number;
  readonly count: number;
}

/** Through the ring. */
export class RingReplies implements Replies {
  readonly #port: LanePort;
  readonly #post: Post;
  #backlog: Waiting[] = [];

  /** @param port the lane, @param post sends a message to the host */
  constructor(port: LanePort, post: Post) {
    this.#port = port;
    this.#post = post;
  }

  send(slot: number, kind: number, outcome: Outcome, elapsed: number, count: number): void {
    if (this.#backlog.length > 0 || !this.#trySend(slot, kind, outcome, elapsed, count)) {
      this.#backlog.push({ slot, kind, outcome, elapsed, count });
    }
  }

  /** The same for the result of one call, without an object for it. */
  sendValue(slot: number, kind: number, value: unknown, elapsed: number): void {
    if (this.#backlog.length === 0 && !isMoved(value, false)) {
      try {
        const sent = this.#port.send(slot, value, ROOT, false, undefined, elapsed, 1);
        if (sent === 0) return;
      } catch {
        // Once more, slowly: that one says what is wrong with it.
      }
    }
    this.send(slot, kind, { value, errors: undefined }, elapsed, 1);
  }

  show(): boolean {
    return this.#port.show();
  }

  flush(): boolean {
    const backlog = this.#backlog;
    if (backlog.length > 0 && !this.#port.isFull) {
      let sent = 0;
      for (; sent < backlog.length; sent++) {
        const { slot, kind, outcome, elapsed, count } = backlog[sent] as Waiting;
        if (!this.#trySend(slot, kind, outcome, elapsed, count)) break;
      }
      this.#backlog = backlog.slice(sent);
    }
    this.#port.flush();
    return this.#backlog.length === 0;
  }

  flushAll(): void {
    if (this.flush()) return;
    for (const { slot, kind, outcome, elapsed, count } of this.#backlog) {
      postAlone(this.#post, slot, kind, outcome, elapsed, count);
    }
    this.#backlog = [];
  }

  /** False: there is no room. */
  #trySend(slot: number, kind: number, outcome: Outcome, elapsed: number, count: number): boolean {
    const { value, errors } = outcome;
    if (isMoved(value, !isOne(kind))) {
      postAlone(this.#post, slot, kind, outcome, elapsed, count);
      return true;
    }
    let sent: number;
    try {
      sent = this.#port.send(slot, value, ROOT, !isOne(kind), errors, elapsed, count);
    } catch (error) {
      const mended = withoutCulprits(kind, outcome, error);
      try {
        sent = this.#port.send(slot, mended.value, ROOT, !isOne(kind), mended.errors, elapsed, count);
      } catch {
        sent = NEEDS_MESSAGE;
      }
    }
    if (sent === NEEDS_MESSAGE) postAlone(this.#post, slot, kind, outcome, elapsed, count);
    return sent !== NO_ROOM;
  }
}

/** By messages. */
export class MessageReplies implements Replies {
  readonly #post: Post;
  #outbox: WireResult[] = [];

  /** @param post sends a message to the host */
  constructor(post: Post) {
    this.#post = post;
  }

  send(slot: number, kind: number, outcome: Outcome, elapsed: number, count: number): void {
    if (isMoved(outcome.value, !isOne(kind))) return postAlone(this.#post, slot, kind, outcome, elapsed, count);
    this.#outbox.push(packed(slot, kind, outcome, elapsed, count));
  }

  show(): boolean {
    this.flush();
    return true;
  }

  flush(): boolean {
    if (this.#outbox.length === 0) return true;
    const results = this.#outbox;
    this.#outbox = [];
    try {
      this.#post({ kind: "done", results });
    } catch {
      for (const result of results) postResult(this.#post, result);
    }
    return true;
  }

  flushAll(): void {
    this.flush();
  }
}

/** How a result is called in an error; an item of a map's is `result[3]`. */
const ROOT = "result";

function isOne(kind: number): boolean {
  const mode = kind & MODE_BITS;
  return mode === APPLY || mode === APPLY_ONE;
}

function postAlone(post: Post, slot: number, kind: number, outcome: Outcome, elapsed: number, count: number): void {
  if (outcome.errors === undefined && isOne(kind) && isSharedString(outcome.value)) {
    post({ kind: "text", slot, elapsed });
    return post(outcome.value);
  }
  postResult(post, packed(slot, kind, outcome, elapsed, count), takeMoved(outcome.value, !isOne(kind)));
}

function postResult(post: Post, result: WireResult, moved?: readonly object[]): void {
  try {
    post({ kind: "done", results: [result] }, moved);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const failure = encodeError(new TypeError(`Cannot send the result to another process: ${reason}`));
    post({ kind: "done", results: [{ ...result, result: undefined, errors: [[0, failure]] }] });
  }
}

/** The outcome, ready to be cloned. */
function packed(slot: number, kind: number, outcome: Outcome, elapsed: number, count: number): WireResult {
  let { value, errors } = outcome;
  if (value === undefined && errors !== undefined) return { slot, elapsed, count, result: undefined, errors };
  try {
    return { slot, elapsed, count, result: pack(value, ROOT), errors: errors ?? [] };
  } catch (error) {
    ({ value, errors } = withoutCulprits(kind, outcome, error));
    const result = value === undefined ? undefined : pack(value, ROOT);
    return { slot, elapsed, count, result, errors: errors ?? [] };
  }
}

/** The same outcome, with what cannot be sent as an error in its place: of the call, or of those items alone. */
function withoutCulprits(kind: number, { value, errors }: Outcome, error: unknown): Outcome {
  if (isOne(kind) || !Array.isArray(value)) return failed(error);
  const found: [number, WireError][] = [];
  const results = value.map((item, i) => {
    try {
      checkSendable(item, `result[${i}]`);
      return item as unknown;
    } catch (culprit) {
      found.push([i, encodeError(culprit)]);
      return undefined;
    }
  });
  return found.length === 0 ? failed(error) : { value: results, errors: [...errors ?? [], ...found] };
}
