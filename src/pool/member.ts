/**
 * One worker of a pool, as its host sees it: the child, the lane to it, and exactly what is out there.
 *
 * ```
 *   starting ──ready──▶ serving ──has had its tasks, idle too long, pool closed──▶ retiring ──exit──▶ gone
 *      └────────────────── death ────────────────────────────────────────────────────────────────────▶
 * ```
 * @module
 */
import { Child, type ChildExit, type ChildOptions } from "../process/supervisor.ts";
import type { TaskReference } from "../tasks/reference.ts";
import { type Lane, MessageLane } from "../transport/lane.ts";
import type { InitializeMessage, WorkerMessage } from "../transport/protocol.ts";
import type { EncodingError } from "../errors.ts";
import type { Chunk } from "./job.ts";

/** What a member tells its scheduler. */
export interface MemberEvents {
  onMessage(member: Member, message: WorkerMessage): void;
  onExit(member: Member, exit: ChildExit): void;
  onRefused(member: Member, chunk: Chunk, error: EncodingError): void;
}

/** One worker. */
export class Member {
  readonly child: Child;
  /** What was sent and has not come back, oldest first. */
  readonly out: Map<number, Chunk> = new Map();
  /** Its life so far; it only goes forward. */
  state: "starting" | "serving" | "retiring" | "gone" = "starting";
  /** Calls that it was given. */
  assigned = 0;
  /** When it last had nothing to do, in ms of `performance.now()`. */
  idleSince: number = performance.now();
  /** What the watch over `taskTimeout` last saw: how many calls had begun, and since when it was that many. */
  seenItems = -1;
  seenAt = 0;
  /** The error that ends it, where it told one. */
  cause: unknown;
  /** Why the host ends it by force, if it does: the error for what is running there. */
  verdict: unknown;

  readonly #lane: Lane<TaskReference>;
  #dirty = false;

  /** Starts it. */
  constructor(options: ChildOptions, first: InitializeMessage<TaskReference>, events: MemberEvents) {
    this.child = new Child(options, {
      onMessage: (message) => events.onMessage(this, message),
      onExit: (exit) => events.onExit(this, exit),
    });
    this.child.post(first);
    this.#lane = new MessageLane<TaskReference>(
      (message, transfer) => this.child.post(message, transfer),
      this.child.control,
      (sequence, error) => {
        const chunk = this.settle(sequence);
        if (chunk !== undefined) events.onRefused(this, chunk, error);
      },
    );
  }

  /** Whether it takes work. */
  get isOpen(): boolean {
    return this.state === "starting" || this.state === "serving";
  }

  /** Gives it a chunk, in the next batch. */
  send(chunk: Chunk): void {
    const { job } = chunk;
    const { items, transfer } = job.data(chunk);
    const sequence = this.#lane.send({
      reference: job.reference,
      mode: job.mode,
      keepGoing: job.keepGoing,
      items,
      transfer,
    });
    this.out.set(sequence, chunk);
    this.assigned += chunk.count;
    job.outstanding++;
    this.#dirty = true;
  }

  /** Sends the batch. */
  flush(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#lane.flush();
  }

  /** A chunk came back. */
  settle(sequence: number): Chunk | undefined {
    const chunk = this.out.get(sequence);
    if (chunk === undefined) return undefined;
    this.out.delete(sequence);
    this.#lane.settle(sequence);
    chunk.job.outstanding--;
    if (this.out.size === 0) this.idleSince = performance.now();
    return chunk;
  }

  /** Takes back up to `most` chunks that have not started and that `wanted` names, the last sent first. */
  takeBack(most: number, wanted: (chunk: Chunk) => boolean): Chunk[] {
    const taken: Chunk[] = [];
    for (const [sequence, chunk] of [...this.out].reverse()) {
      if (taken.length >= most) break;
      if (!wanted(chunk) || !this.#lane.revoke(sequence)) continue;
      this.assigned -= chunk.count;
      this.settle(sequence);
      taken.push(chunk);
    }
    return taken.reverse();
  }

  /** What has started and not come back, as far as can be known. */
  running(): Chunk[] {
    return [...this.out].filter(([sequence]) => this.#lane.hasStarted(sequence)).map(([, chunk]) => chunk);
  }

  /** Everything that was out when it died, in two parts. */
  remains(): { readonly started: Chunk[]; readonly waiting: Chunk[] } {
    const started: Chunk[] = [];
    const waiting: Chunk[] = [];
    for (const [sequence, chunk] of this.out) {
      chunk.job.outstanding--;
      (this.#lane.hasStarted(sequence) ? started : waiting).push(chunk);
    }
    this.out.clear();
    return { started, waiting };
  }

  /** Whether it can hold another chunk. */
  get hasRoom(): boolean {
    return this.#lane.hasRoom;
  }

  /** Lets it end in order. */
  retire(): void {
    if (!this.isOpen) return;
    this.state = "retiring";
    this.child.post({ kind: "stop" });
  }
}
