/**
 * What a pool does in the loop of its host: it sends what its workers were given, takes what came from them, and moves what is stuck.
 * @module
 */
import { now } from "../memory/park.ts";
import { type BackgroundTimer, backgroundTimer } from "../runtime/host.ts";
import type { LoopClient } from "../transport/host_loop.ts";
import type { Crew } from "./crew.ts";
import type { Member } from "./member.ts";
import type { Placement } from "./placement.ts";
import type { JobQueue } from "./queue.ts";

/** What waits at one worker while another has nothing to do is moved when the one has not got on for that long, in ms. */
const PATIENCE = 1;

/** Calls of one turn that are sent together before its end. */
const BURST = 128;

/** Calls that take less, in ms, may be waited for by spinning. */
const SOON = 0.02;

/** Whose turns these are. */
export interface ShiftOwner {
  /** Whether nothing but single calls is awaited: then no code of the user's runs while results are taken. */
  readonly hasOnlyCalls: boolean;
  /** Everything was sent that there was. */
  afterFlush(): void;
  /** There is something to send. */
  request(): void;
}

/** The turns of one pool. */
export class Shift implements LoopClient {
  looped = false;
  readonly #crew: Crew;
  readonly #queue: JobQueue;
  readonly #placement: Placement;
  readonly #workers: number;
  /** Whether somebody wants to know since when a worker is idle. */
  readonly #notesIdle: boolean;
  readonly #owner: ShiftOwner;
  #burst = 0;
  #patience: BackgroundTimer | undefined;
  /** What waits at one worker could not be given to another. */
  #stuck = false;

  /** @param workers how many there are at most, @param notesIdle whether members note since when they are idle */
  constructor(
    crew: Crew,
    queue: JobQueue,
    placement: Placement,
    workers: number,
    notesIdle: boolean,
    owner: ShiftOwner,
  ) {
    this.#crew = crew;
    this.#queue = queue;
    this.#placement = placement;
    this.#workers = workers;
    this.#notesIdle = notesIdle;
    this.#owner = owner;
  }

  /** A call was given to a worker. In the middle of a long burst, what was given is sent and what has come is taken. */
  gave(): void {
    // It may wait behind a long one, and may be one that can be moved.
    this.#stuck = false;
    if (++this.#burst < BURST) return;
    this.#burst = 0;
    this.#placement.sendEarly();
    // It makes room, and is no longer carried along by the garbage collector. A map or a stream has listeners, which are not to
    // run inside of somebody's `apply`.
    if (!this.#owner.hasOnlyCalls) return;
    const { open } = this.#crew;
    for (let i = 0; i < open.length; i++) {
      if ((open[i] as Member).ring?.drain()) this.#stuck = false;
    }
  }

  /** Whether results or room are still to come through shared memory. */
  get expects(): boolean {
    const { open } = this.#crew;
    for (let i = 0; i < open.length; i++) {
      const { ring, count } = open[i] as Member;
      if (ring !== undefined && (count > 0 || (ring.isHungry && !this.#queue.isEmpty))) return true;
    }
    return false;
  }

  /** Whether results may come within microseconds. */
  get soon(): boolean {
    const { open } = this.#crew;
    for (let i = 0; i < open.length; i++) {
      const { count, backlog, isWaking } = open[i] as Member;
      if (count > 0 && backlog < SOON * count && !isWaking) return true;
    }
    return false;
  }

  hasNews(): boolean {
    const { open } = this.#crew;
    for (let i = 0; i < open.length; i++) if ((open[i] as Member).ring?.hasNews) return true;
    return false;
  }

  drain(): boolean {
    let some = false;
    const { open } = this.#crew;
    for (let i = 0; i < open.length; i++) {
      const member = open[i] as Member;
      if (member.ring?.drain()) some = true;
      if (this.#notesIdle && member.count === 0 && member.idleSince < 0) member.idleSince = now();
    }
    if (!some) return false;
    this.#stuck = false;
    // Where nothing waits there is time for the rest after what awaited these results has run.
    if (!this.#queue.isEmpty || this.#placement.unbalanced() !== undefined) this.flush();
    return true;
  }

  flush(): void {
    this.#burst = 0;
    const crew = this.#crew;
    if (crew.open.length < this.#workers) crew.spawnMissing();
    if (!this.#queue.isEmpty && this.#placement.fill()) this.#stuck = false;
    if (crew.open.length > 1) this.#placement.balance(false);
    for (let i = 0; i < crew.open.length; i++) (crew.open[i] as Member).flush();
    this.#owner.afterFlush();
  }

  /** One worker waits with work while another has none: if it does not get on soon, the work is moved. */
  beforeSleep(): void {
    if (this.#patience !== undefined || this.#stuck || this.#placement.unbalanced() === undefined) return;
    const before = new Map(this.#crew.open.map((member) => [member, member.returned]));
    this.#patience = backgroundTimer(() => {
      this.#patience = undefined;
      if (this.#crew.open.some((member) => member.count > 0 && member.returned === before.get(member))) {
        // What cannot be moved now cannot be moved before something has come back, or was given, either.
        this.#stuck = !this.#placement.balance(true);
      }
      this.#owner.request();
    }, PATIENCE);
  }

  /** The pool is stopped. */
  end(): void {
    this.#patience?.clear();
  }
}
