/**
 * The way from a host to one pool worker. The scheduler knows only {@linkcode Lane}; this one goes over `postMessage`, with
 * everything of one turn in one message.
 *
 * ```
 *  scheduler ── send ──▶ outbox ── flush ──▶ one message ──▶ worker: claims each chunk, runs it, replies
 *           ◀── onRefused (cannot be cloned)            revoke ──▶ takes a chunk back that has not started
 * ```
 * @module
 */
import { EncodingError } from "../errors.ts";
import { CLAIM_WORDS, type ControlWords } from "./control.ts";
import type { RunMessage, WireChunk } from "./protocol.ts";

/** A chunk on its way. */
export interface OutgoingChunk<R extends { readonly id: number }> extends Omit<WireChunk, "sequence" | "task"> {
  /** The function. */
  readonly reference: R;
  /** Buffers and ports that move instead of being copied. */
  readonly transfer: readonly unknown[] | undefined;
}

/** What a scheduler needs of the way to one worker. */
export interface Lane<R extends { readonly id: number }> {
  /** The most chunks that may be out at one time. */
  readonly capacity: number;
  /** Puts a chunk into the next batch; returns its number on this lane. */
  send(chunk: OutgoingChunk<R>): number;
  /** Sends the batch. */
  flush(): void;
  /** Takes back a chunk: true, and it will never run; false, it has started. */
  revoke(sequence: number): boolean;
  /** Whether a chunk has started, as far as that can be known. */
  hasStarted(sequence: number): boolean;
}

interface Entry<R extends { readonly id: number }> {
  readonly chunk: WireChunk;
  readonly outgoing: OutgoingChunk<R>;
}

/** A lane over `postMessage`. */
export class MessageLane<R extends { readonly id: number }> implements Lane<R> {
  readonly capacity: number;
  readonly #post: (message: RunMessage<R>, transfer?: readonly unknown[]) => void;
  readonly #control: ControlWords | undefined;
  readonly #onRefused: (sequence: number, error: EncodingError) => void;
  readonly #known = new Set<number>();
  #outbox: Entry<R>[] = [];
  #next = 0;

  /**
   * @param post sends a message to the worker
   * @param control the words shared with it; without them every chunk that is out counts as started
   * @param onRefused told of a chunk that cannot be sent
   */
  constructor(
    post: (message: RunMessage<R>, transfer?: readonly unknown[]) => void,
    control: ControlWords | undefined,
    onRefused: (sequence: number, error: EncodingError) => void,
  ) {
    this.#post = post;
    this.#control = control;
    this.#onRefused = onRefused;
    this.capacity = CLAIM_WORDS;
  }

  send(outgoing: OutgoingChunk<R>): number {
    const sequence = this.#next++;
    this.#control?.open(sequence);
    const { mode, keepGoing, items, reference } = outgoing;
    this.#outbox.push({ outgoing, chunk: { sequence, task: reference.id, mode, keepGoing, items } });
    return sequence;
  }

  flush(): void {
    if (this.#outbox.length === 0) return;
    const batch = this.#outbox;
    this.#outbox = [];
    if (this.#tryPost(batch) === undefined) return;
    // One of them cannot be cloned: the others must not suffer for it.
    for (const entry of batch) {
      const error = this.#tryPost([entry]);
      if (error === undefined) continue;
      const reason = error instanceof Error ? error.message : String(error);
      const path = entry.outgoing.mode === "apply" ? "args" : "items";
      this.#onRefused(
        entry.chunk.sequence,
        new EncodingError(`Cannot send ${path} to another process: ${reason}`, path, { cause: error }),
      );
    }
  }

  revoke(sequence: number): boolean {
    const at = this.#outbox.findIndex((entry) => entry.chunk.sequence === sequence);
    if (at >= 0) {
      this.#outbox.splice(at, 1);
      return true;
    }
    return this.#control?.revoke(sequence) ?? false;
  }

  hasStarted(sequence: number): boolean {
    return this.#control?.hasStarted(sequence) ?? true;
  }

  #tryPost(batch: readonly Entry<R>[]): unknown {
    const references = new Map<number, R>();
    const transfer: unknown[] = [];
    for (const { outgoing } of batch) {
      if (!this.#known.has(outgoing.reference.id)) references.set(outgoing.reference.id, outgoing.reference);
      if (outgoing.transfer !== undefined) transfer.push(...outgoing.transfer);
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
