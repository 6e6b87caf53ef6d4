/**
 * The workers of a pool: how many there are, and when they are started and let go.
 * @module
 */
import { now } from "../memory/park.ts";
import { runtime } from "../runtime/current.ts";
import { type BackgroundTimer, backgroundTimer } from "../runtime/host.ts";
import type { Member } from "./member.ts";

/** How long a worker that was told to end may take, in ms. */
const STOP_GRACE = 2000;

/**
 * The second worker and the following ones wait for that long, in ms, as long as those that were made are enough for the calls that
 * there are: they would take the cores from the first one while it starts, and on Deno, where making one blocks for 20 ms, the
 * first result would come when all have been made.
 */
const SPAWN_PATIENCE = 40;

/**
 * From the moment that a worker is up until the next one is made, in ms, where those that were made are enough. Its first result
 * comes before that, 1 to 3 ms later, and a pool that is closed after it has made no worker that it must wait for.
 */
const SPAWN_PAUSE = 10;

/** What the crew asks its scheduler. */
export interface CrewOwner {
  /** Makes a worker; undefined: it could not be made. */
  makeMember(): Member | undefined;
  /** How many workers there is use for. */
  wanted(): number;
  /** How many of them have something to do: calls wait for them, or run. */
  needed(): number;
  /** New workers take work. */
  onSpawned(): void;
}

/** The workers of one pool. */
export class Crew {
  /** All that live. */
  readonly members = new Set<Member>();
  /** Those that take work. */
  open: Member[] = [];
  readonly #owner: CrewOwner;
  /** The timer of the next one. */
  #spawning: BackgroundTimer | undefined;
  /** That one is not needed yet. */
  #patient = false;
  #held = false;
  #reaper: BackgroundTimer | undefined;

  /** @param owner the scheduler */
  constructor(owner: CrewOwner) {
    this.#owner = owner;
  }

  /** The state of a member has changed. */
  refresh(): void {
    this.open = [...this.members].filter((member) => member.isOpen);
  }

  /** A member is gone. */
  remove(member: Member): void {
    this.members.delete(member);
    if (this.#held) member.child.letGo();
    this.refresh();
  }

  /** Starts as many as there is use for. */
  spawnMissing(): void {
    if (this.#spawning !== undefined) {
      if (this.#patient && this.#owner.needed() > this.open.length) this.#spawnLater(0, false);
      return;
    }
    while (this.open.length < this.#owner.wanted()) {
      const member = this.#owner.makeMember();
      if (member === undefined) return;
      if (this.#held) member.child.hold();
      this.members.add(member);
      this.refresh();
      if (this.open.length >= this.#owner.wanted()) return;
      // The first one alone; and where it blocks, one in a turn, so that the event loop runs in between.
      if (this.open.length === 1 || runtime.capabilities.blocksToSpawn) return this.#spawnLater(0, false);
    }
  }

  /** A worker has started. */
  isUp(): void {
    if (this.#patient) this.#spawnLater(SPAWN_PAUSE, false);
  }

  #spawnLater(ms: number, patient: boolean): void {
    this.#spawning?.clear();
    this.#patient = patient;
    this.#spawning = backgroundTimer(() => {
      const needed = this.#owner.needed();
      if (ms === 0 && needed > 0 && needed <= this.open.length) return this.#spawnLater(SPAWN_PATIENCE, true);
      this.#spawning = undefined;
      this.#patient = false;
      this.spawnMissing();
      this.#owner.onSpawned();
    }, ms);
  }

  /** Keeps the program alive while the workers live, or not. */
  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    for (const member of this.members) {
      if (held) member.child.hold();
      else member.child.letGo();
    }
  }

  /** Ends those by and by that have had nothing to do for `idleTimeout` ms, down to `least`. */
  reap(idleTimeout: number, least: number): void {
    if (this.#reaper !== undefined || this.open.length <= least) return;
    this.#reaper = backgroundTimer(() => {
      this.#reaper = undefined;
      const time = now();
      let left = this.open.length;
      for (const member of this.open) {
        if (left <= least) break;
        if (member.count > 0) continue;
        if (member.idleSince < 0) member.idleSince = time;
        if (time - member.idleSince < idleTimeout) continue;
        member.retire();
        left--;
      }
      this.refresh();
      this.reap(idleTimeout, least);
    }, Math.max(1, idleTimeout));
  }

  /** Lets all end in order, and by force those that take too long; `stopped` settles when all are gone. */
  retireAll(stopped: Promise<void>): void {
    for (const member of this.members) member.retire();
    this.refresh();
    const late = [...this.members];
    if (late.length === 0) return;
    const timer = backgroundTimer(() => late.forEach((member) => member.child.force(-9)), STOP_GRACE);
    void stopped.then(() => timer.clear());
  }

  /** Nothing is left to do. */
  end(): void {
    this.#reaper?.clear();
    this.#spawning?.clear();
  }
}
