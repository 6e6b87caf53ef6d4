/**
 * Where a pool's worker takes its chunks from: the work ring (`transport/lane_port.ts`), or, without one, the messages of its host.
 * @module
 */
import type { ControlWords } from "../transport/control.ts";
import { type AWAITS_MESSAGE, CHUNK, NOTHING } from "../transport/lane_port.ts";
import { APPLY, BY_MESSAGE, KEEP_GOING, MAP, STARMAP } from "../transport/lane_memory.ts";
import type { Payload, WireChunk } from "../transport/protocol.ts";

/** What a worker needs of either. */
export interface Inbox {
  /** After {@linkcode look} found a chunk: its slot, the bits of its kind, the number of its function. */
  readonly slot: number;
  readonly kind: number;
  readonly task: number;
  /** Looks at the next chunk, which stays where it is. */
  look(): typeof NOTHING | typeof CHUNK | typeof AWAITS_MESSAGE;
  /** Starts it; false when the host has taken it back. */
  claim(): boolean;
  /** What came with it: live, if its kind does not say that it came by message; */
  value(): unknown;
  /** else plain, perhaps with descriptions of shared objects. */
  ticket(): Payload;
  /** Spins a little while nothing comes; whether something came. */
  spin(): boolean;
  /** Nothing more can be done now. `forWork`: a new chunk wakes it. False: something has come meanwhile. */
  sleep(forWork: boolean): boolean;
  /** Goes on. */
  wake(): void;
}

/** Chunks that came by message. */
export class MessageInbox implements Inbox {
  slot = 0;
  kind = 0;
  task = 0;
  readonly #control: ControlWords | undefined;
  #queue: WireChunk[] = [];
  #head = 0;

  /** @param control the words with the claims, where there are some */
  constructor(control: ControlWords | undefined) {
    this.#control = control;
  }

  /** A message has come. */
  add(chunks: readonly WireChunk[]): void {
    if (this.#head === this.#queue.length) [this.#queue, this.#head] = [[], 0];
    this.#queue.push(...chunks);
  }

  /** On Deno messages may arrive after the exit: what they bring belongs to another worker. */
  clear(): void {
    [this.#queue, this.#head] = [[], 0];
  }

  look(): typeof NOTHING | typeof CHUNK {
    const chunk = this.#queue[this.#head];
    if (chunk === undefined) return NOTHING;
    this.slot = chunk.slot;
    this.task = chunk.task;
    this.kind = BY_MESSAGE | (chunk.mode === "apply" ? APPLY : chunk.mode === "map" ? MAP : STARMAP) |
      (chunk.keepGoing ? KEEP_GOING : 0);
    return CHUNK;
  }

  claim(): boolean {
    if (this.#control?.claim(this.slot) !== false) return true;
    this.#head++;
    return false;
  }

  value(): never {
    throw new TypeError("The value of a message is its ticket.");
  }

  ticket(): Payload {
    return (this.#queue[this.#head++] as WireChunk).items;
  }

  spin(): boolean {
    return false;
  }

  sleep(): boolean {
    return true;
  }

  wake(): void {}
}
