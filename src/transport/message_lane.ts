/**
 * A lane over `postMessage`, with everything of one turn in one message.
 * @module
 */
import { EncodingError } from "../errors.ts";
import { CLAIM_WORDS, type ControlWords } from "./control.ts";
import { FULL, type Lane, type LaneEvents, type Outgoing } from "./lane.ts";
import type { RunMessage, WireChunk } from "./protocol.ts";

interface Entry<R> {
  readonly chunk: WireChunk;
  readonly reference: R;
  readonly transfer: readonly unknown[] | undefined;
}

/** A lane over `postMessage`. */
export class MessageLane<R extends { readonly id: number }> implements Lane<R> {
  readonly #post: (message: RunMessage<R>, transfer?: readonly unknown[]) => void;
  readonly #control: ControlWords | undefined;
  readonly #onRefused: LaneEvents["onRefused"];
  readonly #known = new Set<number>();
  #outbox: Entry<R>[] = [];
  /** Slots that are given out and were not revoked. */
  readonly #out = new Set<number>();
  #free: number[] = Array.from({ length: CLAIM_WORDS }, (_, i) => CLAIM_WORDS - 1 - i);
  /** Slots of chunks that were revoked and that the worker has not come to. */
  #revoked: number[] = [];

  /**
   * @param post sends a message to the worker
   * @param control the words shared with it; without them every chunk that is out counts as started
   * @param onRefused told of a chunk that cannot be sent
   */
  constructor(
    post: (message: RunMessage<R>, transfer?: readonly unknown[]) => void,
    control: ControlWords | undefined,
    onRefused: LaneEvents["onRefused"],
  ) {
    this.#post = post;
    this.#control = control;
    this.#onRefused = onRefused;
  }

  get hasRoom(): boolean {
    if (this.#free.length === 0 && this.#revoked.length > 0) {
      const waiting: number[] = [];
      for (const slot of this.#revoked) {
        (this.#control === undefined || this.#control.wasSkipped(slot) ? this.#free : waiting).push(slot);
      }
      this.#revoked = waiting;
    }
    return this.#free.length > 0;
  }

  send(chunk: Outgoing<R>, value: unknown, handles: boolean, transfer: readonly unknown[] | undefined): number {
    if (!this.hasRoom) return FULL;
    const slot = this.#free.pop() as number;
    this.#out.add(slot);
    this.#control?.open(slot);
    const { mode, keepGoing, reference } = chunk;
    const items = { value, handles };
    this.#outbox.push({ reference, transfer, chunk: { slot, task: reference.id, mode, keepGoing, items } });
    return slot;
  }

  flush(): boolean {
    if (this.#outbox.length === 0) return false;
    const batch = this.#outbox;
    this.#outbox = [];
    if (this.#tryPost(batch) === undefined) return false;
    // One of them cannot be cloned: the others must not suffer for it.
    for (const entry of batch) {
      const error = this.#tryPost([entry]);
      if (error !== undefined) this.#onRefused(entry.chunk.slot, refusal(error, entry.chunk.mode));
    }
    return false;
  }

  revoke(slot: number): boolean {
    if (!this.#out.has(slot)) return false;
    const at = this.#outbox.findIndex((entry) => entry.chunk.slot === slot);
    if (at >= 0) {
      this.#outbox.splice(at, 1);
      this.settle(slot);
      return true;
    }
    if (this.#control?.revoke(slot) !== true) return false;
    this.#out.delete(slot);
    this.#revoked.push(slot);
    return true;
  }

  hasStarted(slot: number): boolean {
    return this.#out.has(slot) && (this.#control?.hasStarted(slot) ?? true);
  }

  settle(slot: number): void {
    if (this.#out.delete(slot)) this.#free.push(slot);
  }

  #tryPost(batch: readonly Entry<R>[]): unknown {
    const references = new Map<number, R>();
    const transfer: unknown[] = [];
    for (const entry of batch) {
      if (!this.#known.has(entry.reference.id)) references.set(entry.reference.id, entry.reference);
      if (entry.transfer !== undefined) transfer.push(...entry.transfer);
    }
    try {
      this.#post(
        { kind: "run", references: [...references.values()], chunks: batch.map((entry) => entry.chunk) },
        transfer.length === 0 ? undefined : transfer,
      );
    } catch (error) {
      return error ?? new Error("the runtime refused it");
    }
    for (const id of references.keys()) this.#known.add(id);
    return undefined;
  }
}

/** What the runtime refuses to clone, as the error that the caller gets. */
export function refusal(error: unknown, mode: WireChunk["mode"]): EncodingError {
  const reason = error instanceof Error ? error.message : String(error);
  const path = mode === "apply" ? "args" : "items";
  return new EncodingError(`Cannot send ${path} to another process: ${reason}`, path, { cause: error });
}
