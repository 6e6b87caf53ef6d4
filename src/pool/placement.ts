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

/** Gives the work of one pool to its workers. */
export class Placement {
  readonly #options: PlacementOptions;
  readonly #crew: Crew;
  readonly #queue: JobQueue;
  readonly #share: { readonly parallel: number; limit: number };
  /** The worker that gets short calls first. */
  #favourite: Member | undefined;

  /** @param options limits, @param crew the workers, @param queue the work */
  constructor(options: PlacementOptions, crew: Crew, queue: JobQueue) {
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

  /**
   * Gives workers what waits, as far as they have room for it.
   * @param give sends a chunk; false: there is no room after all, @param refuse told of one that cannot be sent
   */
  fill(give: (member: Member, chunk: Chunk) => boolean, refuse: (chunk: Chunk, error: unknown) => void): void {
    const share = this.#share;
    for (let job = this.#queue.next(); job !== undefined; job = this.#queue.next()) {
      const member = this.memberFor(job.pace);
      if (member === undefined) return;
      share.limit = this.#room(member);
      const chunk = this.#queue.take(share);
      if (chunk === undefined) return;
      let given: boolean;
      try {
        given = give(member, chunk);
      } catch (error) {
        // It was changed after it was given to the pool.
        refuse(chunk, error);
        continue;
      }
      if (!given) return this.#queue.addFirst(chunk);
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

  /** A worker that has nothing to do gets half of what waits at the one that has most, if that is `forced` or worth it. */
  balance(forced: boolean): void {
    const { concurrency, maxTasksPerChild } = this.#options;
    for (let tries = this.#crew.open.length; tries > 0; tries--) {
      const pair = this.unbalanced();
      if (pair === undefined || (!forced && pair.fullest.backlog < WORTH_MOVING)) return;
      const { idle, fullest } = pair;
      const room = maxTasksPerChild - idle.assigned;
      const moved = fullest.takeBack(
        Math.ceil((fullest.count - concurrency) / 2),
        (chunk) => chunk.count <= room && chunk.job.canResend(chunk),
      );
      if (moved.length === 0) return;
      let at = 0;
      for (; at < moved.length; at++) {
        const chunk = moved[at] as Chunk;
        if (chunk.count > maxTasksPerChild - idle.assigned || !idle.send(chunk)) break;
      }
      for (let rest = moved.length - 1; rest >= at; rest--) this.#queue.addFirst(moved[rest] as Chunk);
      if (at === 0) return;
    }
  }
}
