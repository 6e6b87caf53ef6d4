/**
 * One worker of a pool, as its host sees it: the child, the lane to it, and exactly what is out there.
 *
 * ```
 *   starting ──ready──▶ serving ──has had its tasks, idle too long, pool closed──▶ retiring ──exit──▶ gone
 *      └────────────────── death ────────────────────────────────────────────────────────────────────▶
 * ```
 * @module
 */
import type { EncodingError } from "../errors.ts";
import { now } from "../memory/park.ts";
import { Child, type ChildExit, type ChildOptions } from "../process/supervisor.ts";
import type { TaskReference } from "../tasks/reference.ts";
import { type Errors, FULL, type Lane, type LaneEvents } from "../transport/lane.ts";
import { MessageLane } from "../transport/message_lane.ts";
import { RingLane } from "../transport/ring_lane.ts";
import { unpack } from "../transport/handles.ts";
import type { InitializeMessage, TextMessage, WireResult, WorkerMessage } from "../transport/protocol.ts";
import { UNKNOWN } from "./chunking.ts";
import type { Chunk } from "./job.ts";

/** What a worker says about itself. */
export type OtherMessage = Exclude<WorkerMessage, string | { readonly kind: "done" | "text" | "memory" }>;

/** What a member tells its scheduler. */
export interface MemberEvents {
  onMessage(member: Member, message: OtherMessage): void;
  onExit(member: Member, exit: ChildExit): void;
  onRefused(member: Member, chunk: Chunk, error: EncodingError): void;
  /** Chunks came back by message; each has been told by {@linkcode onResult}. */
  onResults(): void;
  onResult(
    member: Member,
    chunk: Chunk,
    value: unknown,
    errors: Errors | undefined,
    elapsed: number,
    count: number,
  ): void;
  onUnreadable(member: Member, chunk: Chunk, error: unknown): void;
}

/** One worker. */
export class Member implements LaneEvents {
  readonly child: Child;
  /** Its lane, where that is in shared memory. */
  readonly ring: RingLane<TaskReference> | undefined;
  /** Its life so far; it only goes forward. */
  state: "starting" | "serving" | "retiring" | "gone" = "starting";
  /** Calls that it was given. */
  assigned = 0;
  /** Chunks that were sent and have not come back. */
  count = 0;
  /** How long they will take, in ms, as far as that is known. */
  backlog = 0;
  /** The part of it that it may not know of yet. */
  fresh = 0;
  /** Chunks that have come back. */
  returned = 0;
  #returnedAtWake = -1;
  /** When it last had nothing to do, in ms of `performance.now()`; −1: it has had nothing since it was last looked at. */
  idleSince: number = now();
  /** What the watch over `taskTimeout` last saw: how many calls had begun, and since when it was that many. */
  seenItems = -1;
  seenAt = 0;
  /** It saw a call that takes too long, and looks once more before it ends the worker. */
  overdue = false;
  /** The error that ends it, where it told one. */
  cause: unknown;
  /** Why the host ends it by force, if it does: the error for what is running there. */
  verdict: unknown;

  readonly #lane: Lane<TaskReference>;
  /** The result of which the text comes next. */
  #announced: TextMessage | undefined;
  readonly #events: MemberEvents;
  /** By slot: what is out, how long each will take, as far as that was known when it was sent, and in what order they were. */
  readonly #out: (Chunk | undefined)[] = [];
  readonly #costs: number[] = [];
  readonly #orders: number[] = [];
  #order = 0;

  /** Starts it. `ring`: with a lane in shared memory. */
  constructor(
    options: ChildOptions,
    first: InitializeMessage<TaskReference>,
    ring: boolean,
    events: MemberEvents,
  ) {
    this.#events = events;
    if (ring) this.ring = new RingLane<TaskReference>((message, transfer) => this.child.post(message, transfer), this);
    const told = this.ring === undefined ? first : { ...first, lane: this.ring.memory };
    // A program's birth data are text, and user data are slow to get along with them on Deno.
    const atBirth = this.ring !== undefined && first.initializer === undefined;
    try {
      this.child = new Child(atBirth ? { ...options, first: told } : options, {
        onMessage: (message) => {
          if (typeof message === "string") {
            this.#receiveText(message);
          } else if (message.kind === "text") {
            this.#announced = message;
          } else if (message.kind === "done") {
            this.#receive(message.results);
          } else if (message.kind === "memory") {
            this.ring?.addMemory(message);
            events.onResults();
          } else events.onMessage(this, message);
        },
        onExit: (exit) => {
          // What it had shown before its end counts.
          this.ring?.drain();
          this.ring?.close();
          events.onExit(this, exit);
        },
      });
    } catch (error) {
      this.ring?.close();
      throw error;
    }
    if (!atBirth) this.child.post(told);
    this.#lane = this.ring ?? new MessageLane<TaskReference>(
      (message, transfer) => this.child.post(message, transfer),
      this.child.control,
      (slot, error) => this.onRefused(slot, error),
    );
  }

  /** Whether it takes work. */
  get isOpen(): boolean {
    return this.state === "starting" || this.state === "serving";
  }

  /** Gives it a chunk, in the next batch; false when its lane is full. */
  send(chunk: Chunk): boolean {
    const { job } = chunk;
    const slot = job.send(this.#lane, chunk);
    if (slot === FULL) return false;
    this.#out[slot] = chunk;
    chunk.holder = this;
    chunk.slot = slot;
    this.#orders[slot] = this.#order++;
    const { itemMs } = job.pace;
    const cost = itemMs === undefined ? UNKNOWN : itemMs * chunk.count;
    this.#costs[slot] = cost;
    this.backlog += cost;
    this.fresh += cost;
    this.count++;
    this.assigned += chunk.count;
    job.outstanding++;
    return true;
  }

  /** Sends the batch. */
  flush(): void {
    this.fresh = 0;
    if (this.#lane.flush()) this.#returnedAtWake = this.returned;
  }

  onResult(slot: number, value: unknown, errors: Errors | undefined, elapsed: number, count: number): void {
    const chunk = this.#settle(slot);
    if (chunk !== undefined) this.#events.onResult(this, chunk, value, errors, elapsed, count);
  }

  onUnreadable(slot: number, error: unknown): void {
    const chunk = this.#settle(slot);
    if (chunk !== undefined) this.#events.onUnreadable(this, chunk, error);
  }

  onRefused(slot: number, error: EncodingError): void {
    const chunk = this.#settle(slot);
    if (chunk !== undefined) this.#events.onRefused(this, chunk, error);
  }

  /** Takes one chunk back; false when it has started. */
  revoke(chunk: Chunk): boolean {
    if (chunk.holder !== this || !this.#lane.revoke(chunk.slot)) return false;
    this.assigned -= chunk.count;
    this.#forget(chunk);
    return true;
  }

  /** Takes back up to `most` chunks that have not started and that `wanted` names, the last sent first. */
  takeBack(most: number, wanted: (chunk: Chunk) => boolean): Chunk[] {
    const taken: Chunk[] = [];
    for (const chunk of this.chunks().reverse()) {
      if (taken.length >= most) break;
      if (wanted(chunk) && this.revoke(chunk)) taken.push(chunk);
    }
    return taken.reverse();
  }

  /** What has started and not come back, as far as can be known. */
  running(): Chunk[] {
    return this.chunks().filter((chunk) => this.#lane.hasStarted(chunk.slot));
  }

  /** Calls that were sent and have not come back. */
  get calls(): number {
    return this.chunks().reduce((sum, chunk) => sum + chunk.count, 0);
  }

  /** Everything that was out when it died, in two parts. */
  remains(): { readonly started: Chunk[]; readonly waiting: Chunk[] } {
    const started: Chunk[] = [];
    const waiting: Chunk[] = [];
    for (const chunk of this.chunks()) {
      (this.#lane.hasStarted(chunk.slot) ? started : waiting).push(chunk);
      this.#forget(chunk);
    }
    return { started, waiting };
  }

  /** Whether it was woken and nothing has come back since: it may be not up yet. */
  get isWaking(): boolean {
    return this.returned === this.#returnedAtWake;
  }

  /** Whether it may hold another chunk. */
  get hasRoom(): boolean {
    return this.#lane.hasRoom;
  }

  /** Lets it end in order. */
  retire(): void {
    if (!this.isOpen) return;
    this.state = "retiring";
    this.child.post({ kind: "stop" });
  }

  #receiveText(text: string): void {
    const { slot, elapsed } = this.#announced as TextMessage;
    this.onResult(slot, text, undefined, elapsed, 1);
    this.#events.onResults();
  }

  #receive(results: readonly WireResult[]): void {
    for (const { slot, elapsed, count, result, errors } of results) {
      let value: unknown;
      try {
        value = result === undefined ? undefined : result.handles ? unpack(result.value) : result.value;
      } catch (error) {
        this.onUnreadable(slot, error);
        continue;
      }
      this.onResult(slot, value, errors.length === 0 ? undefined : errors, elapsed, count);
    }
    this.#events.onResults();
  }

  #settle(slot: number): Chunk | undefined {
    const chunk = this.#out[slot];
    if (chunk === undefined) return undefined;
    this.#lane.settle(slot);
    this.#forget(chunk);
    this.returned++;
    return chunk;
  }

  #forget(chunk: Chunk): void {
    this.#out[chunk.slot] = undefined;
    chunk.holder = undefined;
    chunk.job.outstanding--;
    if (--this.count === 0) {
      this.backlog = 0;
      this.idleSince = -1;
    } else {
      this.backlog -= this.#costs[chunk.slot] as number;
    }
  }

  /** What was sent and has not come back, oldest first. */
  chunks(): Chunk[] {
    const chunks: Chunk[] = [];
    for (const chunk of this.#out) if (chunk !== undefined) chunks.push(chunk);
    const orders = this.#orders;
    return chunks.sort((a, b) => (orders[a.slot] as number) - (orders[b.slot] as number));
  }
}
