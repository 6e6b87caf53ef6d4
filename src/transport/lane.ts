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
export interface OutgoingChunk<R extends { readonly id: number }>
  extends Omit<WireChunk, "sequence" | "slot" | "task"> {
  /** The function. */
  readonly reference: R;
  /** Buffers and ports that move instead of being copied. */
  readonly transfer: readonly unknown[] | undefined;
}

/** What a scheduler needs of the way to one worker. */
export interface Lane<R extends { readonly id: number }> {
  /** Whether there is room for another chunk. */
  readonly hasRoom: boolean;
  /** Puts a chunk into the next batch; returns its number on this lane. Only while there is room. */
  send(chunk: OutgoingChunk<R>): number;
  /** Sends the batch. */
  flush(): void;
  /** Takes back a chunk: true, and it will never run; false, it has started. */
  revoke(sequence: number): boolean;
  /** Whether a chunk has started, as far as that can be known. */
  hasStarted(sequence: number): boolean;
  /** The result of a chunk has come, or was refused. */
  settle(sequence: number): void;
}

interface Entry<R extends { readonly id: number }> {
  readonly chunk: WireChunk;
  readonly outgoing: OutgoingChunk<R>;
}

/** A lane over `postMessage`. */
export class MessageLane<R extends { readonly id: number }> implements Lane<R> {
  readonly #post: (message: RunMessage<R>, transfer?: readonly unknown[]) => void;
  readonly #control: ControlWords | undefined;
  readonly #onRefused: (sequence: number, error: EncodingError) => void;
  readonly #known = new Set<number>();
  #outbox: Entry<R>[] = [];
  /** The slots of the chunks that are out, by their numbers. */
  readonly #slots = new Map<number, number>();
  #free: number[] = Array.from({ length: CLAIM_WORDS }, (_, i) => CLAIM_WORDS - 1 - i);
  /** Slots of chunks that were revoked and that the worker has not come to. */
  #revoked: number[] = [];
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

  send(outgoing: OutgoingChunk<R>): number {
    const sequence = this.#next++;
    const slot = this.#free.pop();
    if (slot === undefined) throw new RangeError("The lane is full: ask hasRoom first.");
    this.#slots.set(sequence, slot);
    this.#control?.open(slot);
    const { mode, keepGoing, items, reference } = outgoing;
    this.#outbox.push({ outgoing, chunk: { sequence, slot, task: reference.id, mode, keepGoing, items } });
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
    const slot = this.#slots.get(sequence);
    if (slot === undefined) return false;
    const at = this.#outbox.findIndex((entry) => entry.chunk.sequence === sequence);
    if (at >= 0) {
      this.#outbox.splice(at, 1);
      this.settle(sequence);
      return true;
    }
    if (this.#control?.revoke(slot) !== true) return false;
    this.#slots.delete(sequence);
    this.#revoked.push(slot);
    return true;
  }

  hasStarted(sequence: number): boolean {
    const slot = this.#slots.get(sequence);
    return slot !== undefined && (this.#control?.hasStarted(slot) ?? true);
  }

  settle(sequence: number): void {
    const slot = this.#slots.get(sequence);
    if (slot === undefined) return;
    this.#slots.delete(sequence);
    this.#free.push(slot);
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
