/**
 * Which worker gets what.
 *
 * Short calls go to one worker until it has enough for a while: another one is only woken for work that is worth its wake. Long ones go
 * to the worker that has fewest. What waits behind a long one at one worker is moved when another has nothing to do.
 * @module
 */
import type { Crew } from "./crew.ts";
import { AHEAD, HOST_SHARE, type Pace, WORTH_WAKING } from "./chunking.ts";
import type { Chunk } from "./job.ts";
import type { Member } from "./member.ts";
import type { JobQueue } from "./queue.ts";

/** Work that waits at one worker while another has nothing to do is moved when it is more than that, in ms. */
const WORTH_MOVING = 0.1;

/** What of the pool's options counts here. */
export interface PlacementOptions {
  readonly maxTasksPerChild: number;
  readonly taskTimeout: number | undefined;
  readonly concurrency: number;
  readonly workers: number;
}

/** Who sends it. */
export interface PlacementOwner {
  /** Sends a chunk; false: there is no room after all. @throws when it cannot be sent */
  give(member: Member, chunk: Chunk): boolean;
  /** Told of a chunk that cannot be sent: it was changed after it was given to the pool. */
  refuse(chunk: Chunk, error: unknown): void;
}

/** Gives the work of one pool to its workers. */
export class Placement {
  readonly #options: PlacementOptions;
  readonly #crew: Crew;
  readonly #queue: JobQueue;
  readonly #owner: PlacementOwner;
  readonly #share: { readonly parallel: number; limit: number };
  /** The worker that gets short calls first. */
  #favourite: Member | undefined;

  /** @param options limits, @param crew the workers, @param queue the work, @param owner sends it */
  constructor(options: PlacementOptions, crew: Crew, queue: JobQueue, owner: PlacementOwner) {
    this.#owner = owner;
    this.#options = options;
    this.#crew = crew;
    this.#queue = queue;
    this.#share = { parallel: options.workers * options.concurrency, limit: Infinity };
  }

  /** In the middle of a long burst: workers that are awake go on, and those that sleep are woken for what is worth it. */
  sendEarly(): void {
    for (const member of this.#crew.open) {
      // Of calls that are shorter than our own part a worker makes short work, and sleeps again: it is woken for many of them.
      const enough = member.backlog < HOST_SHARE * member.count ? 5 * WORTH_WAKING : WORTH_WAKING;
      if (member.fresh < enough) member.ring?.show();
      else member.flush();
    }
  }

  /** Gives workers what waits, as far as they have room for it; whether it gave something. */
  fill(): boolean {
    const share = this.#share;
    let some = false;
    for (let job = this.#queue.next(); job !== undefined; job = this.#queue.next()) {
      const member = this.memberFor(job.pace);
      if (member === undefined) return some;
      share.limit = this.#room(member);
      const chunk = this.#queue.take(share);
      if (chunk === undefined) return some;
      if (!this.#tryGive(member, chunk)) {
        this.#queue.addFirst(chunk);
        return some;
      }
      some = true;
    }
    return some;
  }

  /** False: there is no room. */
  #tryGive(member: Member, chunk: Chunk): boolean {
    try {
      return this.#owner.give(member, chunk);
    } catch (error) {
      this.#owner.refuse(chunk, error);
      return true;
    }
  }

  /** How many calls a worker may still be given. */
  #room(member: Member): number {
    const { maxTasksPerChild, taskTimeout } = this.#options;
    const once = member.child.control === undefined && taskTimeout !== undefined;
    return once ? 1 : maxTasksPerChild - member.assigned;
  }

  /** The worker that gets the next chunk; undefined: all have enough. */
  memberFor({ itemMs }: Pace): Member | undefined {
    const { maxTasksPerChild, concurrency } = this.#options;
    const favourite = this.#favourite;
    if (favourite?.ring !== undefined && itemMs !== undefined && favourite.isOpen) {
      const enough = itemMs < HOST_SHARE ? AHEAD : WORTH_WAKING;
      if (favourite.backlog < enough && favourite.assigned < maxTasksPerChild && favourite.hasRoom) return favourite;
    }
    const { open } = this.#crew;
    let best: Member | undefined;
    for (let i = 0; i < open.length; i++) {
      const member = open[i] as Member;
      if (member.assigned >= maxTasksPerChild || !member.hasRoom) continue;
      if (best === undefined || member.count < best.count) best = member;
      else if (member.count === best.count && member.state === "serving" && best.state === "starting") best = member;
    }
    if (best === undefined) return undefined;
    // Without control words what is out counts as started: then only what can run at once is sent.
    const most = best.child.control === undefined ? concurrency : concurrency + 1;
    if (best.count >= most && (best.child.control === undefined || itemMs === undefined || best.backlog >= AHEAD)) {
      return undefined;
    }
    return this.#favourite = best;
  }

  /** A worker that has nothing to do, and the one that has most waiting. */
  unbalanced(): { readonly idle: Member; readonly fullest: Member } | undefined {
    let idle: Member | undefined;
    let fullest: Member | undefined;
    const { open } = this.#crew;
    for (let i = 0; i < open.length; i++) {
      const member = open[i] as Member;
      if (member.count === 0 && member.state === "serving") idle = member;
      if (fullest === undefined || member.count > fullest.count) fullest = member;
    }
    if (idle === undefined || fullest === undefined || fullest.count <= this.#options.concurrency) return undefined;
    return { idle, fullest };
  }

  /** A worker that has nothing to do gets half of what waits at the one that has most, if that is `forced` or worth it; whether it did. */
  balance(forced: boolean): boolean {
    const { concurrency, maxTasksPerChild } = this.#options;
    let some = false;
    for (let tries = this.#crew.open.length; tries > 0; tries--) {
      const pair = this.unbalanced();
      if (pair === undefined || (!forced && !isWorthMoving(pair.fullest))) return some;
      const { idle, fullest } = pair;
      // The one that had it may be blocked: the next call would wait there as well, until it is moved.
      if (forced) this.#favourite = idle;
      const room = maxTasksPerChild - idle.assigned;
      const moved = this.#takeHalf(fullest, room);
      if (moved.length === 0 && forced) {
        // What is there cannot be moved; that of another one perhaps can.
        for (const member of this.#crew.open) {
          if (member !== fullest && member.count > concurrency) moved.push(...this.#takeHalf(member, room));
          if (moved.length > 0) break;
        }
      }
      if (moved.length === 0) return some;
      let at = 0;
      for (; at < moved.length; at++) {
        const chunk = moved[at] as Chunk;
        if (chunk.count > maxTasksPerChild - idle.assigned || !this.#tryGive(idle, chunk)) break;
      }
      for (let rest = moved.length - 1; rest >= at; rest--) this.#queue.addFirst(moved[rest] as Chunk);
      if (at === 0) return some;
      some = true;
    }
    return some;
  }

  /** Takes back half of what waits at a worker and can go to one that may have `room` calls more. */
  #takeHalf(member: Member, room: number): Chunk[] {
    return member.takeBack(
      Math.ceil((member.count - this.#options.concurrency) / 2),
      (chunk) => chunk.count <= room && chunk.job.canResend(chunk),
    );
  }
}

/** Calls that cost their host more than their worker are done no sooner by two workers, and moving them costs the host again. */
function isWorthMoving({ backlog, count }: Member): boolean {
  return backlog >= Math.max(WORTH_MOVING, HOST_SHARE * count);
}
