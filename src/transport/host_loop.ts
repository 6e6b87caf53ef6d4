/**
 * The loop of a host: it sends what was given to its lanes, takes what came, and sleeps where there is nothing to do. One for each
 * thread, for all pools and lanes in it.
 *
 * ```
 *   request ──microtask──▶ flush ─▶ drain ──something came──▶ microtask (what awaited it runs in between) ─▶ flush ─▶ …
 *                                     │
 *                                     └─nothing─▶ spin, if it must come soon ─▶ sleep on the doorbell ──rung──▶ drain ─▶ …
 *                  every few ms (`turn_clock.ts`): through the event loop's next turn, for timers and sockets
 * ```
 *
 * A burst of calls is sent at its end, in a microtask: one publish and at most one wake for each worker. While the loop is
 * awake, workers leave their results without a wake; whatever it sleeps through rings once.
 *
 * What one client throws is reported as an uncaught error, and stops no other: they may belong to programs that know nothing of each
 * other.
 *
 * LOST WAKE  while a client expects something, one of these holds: a microtask is due, a turn is due, or the doorbell is announced and
 *            `hasNews` of every client was asked after that (`memory/doorbell.ts`)
 * @module
 */
import { load, type SharedWords, store } from "../memory/atomics.ts";
import { BriefSpin } from "../memory/brief_spin.ts";
import { Doorbell } from "../memory/doorbell.ts";
import { microtask, nextTurn } from "../runtime/turn.ts";
import { CORES, hasFreeCore, HOST_BELL, HOST_WORDS, PLACES, PLACES_USED, RUNNING } from "./lane_memory.ts";
import { TurnClock } from "./turn_clock.ts";

/** Who has lanes. */
export interface LoopClient {
  /** Set by the loop: it is among those that are served. */
  looped: boolean;
  /** Whether something has still to come, or to be sent. */
  readonly expects: boolean;
  /** Whether it may come within microseconds. */
  readonly soon: boolean;
  /** Sends what there is. */
  flush(): void;
  /** Takes what came, and sends what that makes room for; whether something came. */
  drain(): boolean;
  /** Whether something came. Only looks, at shared memory. */
  hasNews(): boolean;
  /** The loop is about to sleep, or has been awake for long: the last chance to give idle workers something. */
  beforeSleep(): void;
}

/** The loop of one thread. */
export class HostLoop {
  /** The words that all workers of this host see, see `lane_memory.ts`. */
  readonly words: SharedWords = new Int32Array(new SharedArrayBuffer(HOST_WORDS * 4));
  readonly #bell = new Doorbell(this.words, HOST_BELL, () => this.#turn());
  readonly #spin = new BriefSpin(true);
  #countCores: (() => number) | undefined;
  readonly #places = new Set(Array.from({ length: PLACES }, (_, place) => place));
  #clients: LoopClient[] = [];
  #queued = false;
  #hopping = false;
  /** The last lap found results without waiting for them: many, or the host is slower than its workers. */
  #found = false;
  readonly #clock = new TurnClock();
  readonly #report: (error: unknown) => void;
  readonly #run = (): void => this.#runQueued();
  readonly #look = (): boolean => this.#hasNews();
  /** Where the workers need all cores, spinning here would keep one of them away. */
  readonly #mayRun = (): boolean => hasFreeCore(this.words, 1);
  readonly #continue = (): void => {
    this.#hopping = false;
    // While one client keeps the loop awake, the others' workers may stand still as well.
    this.#beforeSleep();
    this.#turn();
  };

  /** @param report told of what a client throws, which is an error of this library */
  constructor(report: (error: unknown) => void = throwUncaught) {
    this.#report = report;
  }

  /** Has the cores that the program may use counted when that is needed; until then nobody spins. */
  countCores(count: () => number): void {
    if (load(this.words, CORES) === 0) this.#countCores = count;
  }

  /** Serves a client, soon and as long as it expects something. */
  request(client: LoopClient): void {
    if (!client.looped) {
      client.looped = true;
      this.#clients.push(client);
    }
    if (this.#queued) return;
    this.#queued = true;
    microtask(this.#run);
  }

  /** A place in the table of those who run; −1 when it is full. */
  takePlace(): number {
    for (const place of this.#places) {
      this.#places.delete(place);
      store(this.words, PLACES_USED, Math.max(load(this.words, PLACES_USED), place + 1));
      return place;
    }
    return -1;
  }

  /** The worker of that place is gone. One whose thread runs on all the same takes a core, and may say so. */
  leavePlace(place: number): void {
    if (place < 0) return;
    store(this.words, RUNNING + place, 0);
    this.#places.add(place);
  }

  #runQueued(): void {
    this.#queued = false;
    this.#bell.wake();
    this.#flush();
    if (this.#hopping) return;
    if (this.#clock.isOver(this.#found)) {
      this.#hopping = true;
      nextTurn(this.#continue);
      return;
    }
    this.#serve();
  }

  /** At the beginning of a turn of the event loop. */
  #turn(): void {
    this.#clock.begin();
    this.#flush();
    this.#serve();
  }

  #serve(): void {
    this.#found = this.#drain();
    if (this.#found) return this.#again();
    if (this.#clients.length === 0) return;
    if (this.#mayComeSoon() && this.#spin.until(this.#look, this.#mayRun)) {
      this.#drain();
      return this.#again();
    }
    this.#beforeSleep();
    if (!this.#bell.sleep(this.#look)) this.#again();
  }

  /** What awaited the results runs first. */
  #again(): void {
    if (this.#clients.length === 0 || this.#queued) return;
    this.#queued = true;
    microtask(this.#run);
  }

  #flush(): void {
    const clients = this.#clients;
    for (let i = 0; i < clients.length; i++) {
      try {
        (clients[i] as LoopClient).flush();
      } catch (error) {
        this.#report(error);
      }
    }
  }

  #beforeSleep(): void {
    for (const client of this.#clients) {
      try {
        client.beforeSleep();
      } catch (error) {
        this.#report(error);
      }
    }
  }

  #drain(): boolean {
    const clients = this.#clients;
    let some = false;
    let leaving = false;
    for (let i = 0; i < clients.length; i++) {
      const client = clients[i] as LoopClient;
      try {
        if (client.drain()) some = true;
        else if (!client.expects) leaving = true;
      } catch (error) {
        // There may be more of it.
        some = true;
        this.#report(error);
      }
    }
    // Who got something stays for another round, in which it can send.
    if (leaving && !some) {
      this.#clients = clients.filter((client) => client.looped = client.expects);
    }
    return some;
  }

  #mayComeSoon(): boolean {
    if (this.#countCores !== undefined) {
      store(this.words, CORES, this.#countCores());
      this.#countCores = undefined;
    }
    const clients = this.#clients;
    for (let i = 0; i < clients.length; i++) {
      if ((clients[i] as LoopClient).soon) return true;
    }
    return false;
  }

  #hasNews(): boolean {
    const clients = this.#clients;
    for (let i = 0; i < clients.length; i++) if ((clients[i] as LoopClient).hasNews()) return true;
    return false;
  }
}

/** Nobody can catch it here, and it is not to be silent. */
function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

let loop: HostLoop | undefined;

/** The loop of this thread. */
export function hostLoop(): HostLoop {
  return loop ??= new HostLoop();
}
