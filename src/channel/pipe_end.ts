/**
 * One end of a pipe in one agent: what all connections of this agent to that end have in common.
 * @module
 */
import { type AgentTable, tokenOf } from "../memory/agents.ts";
import { load } from "../memory/atomics.ts";
import { StopRequested } from "../memory/park.ts";
import { type SelfAgent, selfAgent } from "../memory/self.ts";
import { deadlockInterval } from "../memory/wait_graph.ts";
import { Holds, type TicketPlace } from "./pipe_holds.ts";
import { Inbound } from "./pipe_in.ts";
import { DATA, ENDED, type EndView, PipeMemory, UNREAD } from "./pipe_memory.ts";
import { Outbound } from "./pipe_out.ts";

/** The ends that this agent holds, by the number of the pipe and the side. */
const ends = new Map<number, PipeEnd>();

/** One end of a pipe, in this agent. */
export class PipeEnd implements EndView {
  readonly memory: PipeMemory;
  /** 0 or 1. */
  readonly side: number;
  readonly table: AgentTable;
  /** This agent. */
  readonly token: number;
  /** What it is called in messages. */
  readonly label: string;
  /** Who holds this end, and who the other one. */
  readonly own: Holds;
  readonly other: Holds;
  /** Whether this agent has let go of it. */
  closed = false;
  readonly #self: SelfAgent;
  #copies = 0;
  #outbound: Outbound | undefined;
  #inbound: Inbound | undefined;

  private constructor(memory: PipeMemory, side: number) {
    const self = selfAgent();
    this.memory = memory;
    this.side = side;
    this.#self = self;
    this.table = self.table;
    this.token = tokenOf(self);
    this.label = `Connection #${memory.number}`;
    this.own = new Holds(memory, side);
    this.other = new Holds(memory, 1 - side);
  }

  /** The end of a new pipe. */
  static of(memory: PipeMemory, side: number): PipeEnd {
    return ends.get(memory.number * 2 + side) ?? new PipeEnd(memory, side);
  }

  /** The end of a pipe from elsewhere; its connection was on its way with a ticket, see {@linkcode arrived}. */
  static from(buffer: SharedArrayBuffer, side: number): PipeEnd {
    return PipeEnd.of(PipeMemory.from(buffer), side);
  }

  /** Whether messages can be received at this end. */
  get receives(): boolean {
    return this.memory.sends(1 - this.side);
  }

  /** Whether messages can be sent from this end. */
  get sends(): boolean {
    return this.memory.sends(this.side);
  }

  /** The sending side; only where {@linkcode sends}. */
  get outbound(): Outbound {
    return this.#outbound ??= new Outbound(this);
  }

  /** The receiving side; only where {@linkcode receives}. */
  get inbound(): Inbound {
    return this.#inbound ??= new Inbound(this);
  }

  /** Another connection of this agent is on this end. */
  add(): void {
    if (this.#copies++ > 0) return;
    this.own.take();
    ends.set(this.memory.number * 2 + this.side, this);
  }

  /** A connection that was on its way has arrived; `keep` is false when nobody here wants it. */
  arrived(ticket: TicketPlace, keep: boolean): void {
    if (keep) this.add();
    this.own.arrive(ticket);
    if (!keep) this.closeIfUnheld(this.side);
  }

  /** A connection of this agent is gone. */
  remove(): void {
    if (--this.#copies > 0) return;
    this.#outbound?.abandon();
    this.#inbound?.abandon();
    this.closed = true;
    ends.delete(this.memory.number * 2 + this.side);
    this.own.letGo();
    this.closeIfUnheld(this.side);
    this.#inbound?.letGo();
  }

  /** Whether nobody holds that end of the pipe any more; then it is marked as closed. */
  closeIfUnheld(side: number): boolean {
    const { memory } = this;
    const outgoing = memory.sends(side);
    const flags = load(memory.words, memory.direction(outgoing ? side : 1 - side) + DATA);
    if ((flags & (outgoing ? ENDED : UNREAD)) !== 0) return true;
    if ((side === this.side ? this.own : this.other).isHeld()) return false;
    memory.markClosed(side);
    if (memory.sends(1 - side)) {
      const inbound = side === this.side ? this.inbound : new PipeEnd(memory, side).inbound;
      if (inbound.hasData) inbound.drain();
    }
    return true;
  }

  /** Lets go of what is in a message that was sent to the other end after nobody held that any more. */
  drainUnread(): void {
    new PipeEnd(this.memory, 1 - this.side).inbound.drain();
  }

  /**
   * Throws if this agent was asked to stop. Where threads cannot be stopped (Deno), one that was asked to is taken for dead
   * 100 ms later: from then on others use its side of the ring. So it looks for that under the lock, before it touches the
   * ring; it would have to stand still just after that, for 100 ms, to do harm.
   */
  throwIfStopped(): void {
    if (this.table.isStopRequested(this.#self)) {
      throw new StopRequested("This process was asked to stop; it cannot use its connections any more.");
    }
  }

  /** Whether this thread, while it is blocked, waits for what only it could do. */
  isWaitingForItself(): boolean {
    return deadlockInterval(this.table) !== Infinity && this.other.isMineOnly();
  }
}
