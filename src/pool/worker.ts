/**
 * A pool's worker.
 *
 * ```
 *  ring or messages ──▶ Inbox ──claim──▶ run (one chunk, or `concurrency` of them while they await) ──▶ Replies ──flush──▶ host
 *        ▲                                                                                             │
 *        └── spin a little, then sleep on the event loop, until the host rings ◀────── nothing more ───┘
 * ```
 *
 * The pump runs in one go while there is work, and lets the event loop turn every {@linkcode TURN} ms, for the timers and sockets
 * of user code. Every result is shown to the host before the next call begins: nobody knows how long that will take, or whether
 * it ends the worker. That costs one store and one look at the host's bell.
 * @module
 */
import { now } from "../memory/park.ts";
import { runtime } from "../runtime/current.ts";
import { onExit } from "../runtime/host.ts";
import { nextTurn } from "../runtime/turn.ts";
import { receive, type WorkerSide } from "../process/worker.ts";
import type { TaskReference } from "../tasks/reference.ts";
import { explainMissing, type ResolvedTask, resolveTask, TaskTable } from "../tasks/resolve.ts";
import { BY_MESSAGE, CARRIER_BITS, DESCRIBED } from "../transport/lane_memory.ts";
import { APPLY, APPLY_ONE, MODE_BITS } from "../transport/lane_memory.ts";
import { AWAITS_MESSAGE, CHUNK, LanePort } from "../transport/lane_port.ts";
import type { InitializeMessage } from "../transport/protocol.ts";
import { encodeError } from "../transport/remote_error.ts";
import { Calls, failed, isThenable, type Outcome } from "./calls.ts";
import { enter, enterSpread, keepSeveral } from "./enter.ts";
import { type Inbox, MessageInbox } from "./inbox.ts";
import { MessageReplies, type Replies, RingReplies } from "./replies.ts";

/** How long the worker may keep its event loop from turning between two chunks, in ms. */
const TURN = 4;

/** A chunk that takes longer, in ms, is long: it is measured each time. */
const LONG = 0.02;

/** Of short chunks one in so many is measured: a look at the clock takes as long as a third of the rest. */
const MEASURE_ONE_IN = 16;

/** After so many results the host gets the room of what was read. */
const RELEASE_EVERY = 16;

/** A function, and how its chunks are measured. */
interface Known {
  readonly id: number;
  readonly task: ResolvedTask;
  /** One in so many is measured. */
  every: number;
  /** So many until the next one. */
  left: number;
}

/** Runs chunks until it is told to stop. */
export function runPoolWorker(side: WorkerSide): void {
  new PoolWorker(side);
}

class PoolWorker {
  readonly #side: WorkerSide;
  readonly #tasks = new TaskTable();
  readonly #messages: MessageInbox;
  #inbox: Inbox;
  #port: LanePort | undefined;
  #replies: Replies;
  #ring: RingReplies | undefined;
  #calls = new Calls(undefined, true, undefined);
  #ready = false;
  #concurrency = 1;
  #running = 0;
  #pumping = false;
  #queued = false;
  #flushing = false;
  #known: Known | undefined;
  readonly #allKnown = new Map<number, Known>();
  #unreleased = 0;
  #empties = 0;
  #turnEnd = 0;
  readonly #enter = (): void => {
    this.#queued = false;
    if (this.#ready) this.#pump();
  };
  readonly #enterTurn = (): void => {
    this.#turnEnd = now() + TURN;
    this.#enter();
  };

  constructor(side: WorkerSide) {
    this.#side = side;
    this.#messages = this.#inbox = new MessageInbox(side.control);
    this.#replies = new MessageReplies((message, moved) => side.post(message, moved));
    side.listen((message) => {
      if (typeof message === "string") {
        this.#port?.addTicket({ value: [message], handles: false }, undefined);
        return this.#pumpSoon(true);
      }
      switch (message.kind) {
        case "run":
          for (const reference of message.references) this.#tasks.learn(reference);
          this.#messages.add(message.chunks);
          return this.#pumpSoon(true);
        case "ticket":
          this.#port?.addTicket(message.items, message.memories);
          return this.#pumpSoon(true);
        case "forget":
          return this.#port?.forget(message.ids);
        case "memory":
          this.#port?.addMemory(message);
          return this.#pumpSoon(true);
        case "initialize":
          return void this.#initialize(message);
      }
    });
    onExit(() => {
      this.#replies.flushAll();
      this.#messages.clear();
      this.#ready = false;
    });
    const { first } = side.birth;
    if (first !== undefined) void this.#initialize(first as InitializeMessage<TaskReference>);
  }

  async #initialize(message: InitializeMessage<TaskReference>): Promise<void> {
    const side = this.#side;
    const { concurrency, taskTimeout, lane, initializer } = message;
    this.#concurrency = concurrency;
    this.#calls = new Calls(taskTimeout, concurrency === 1, side.control);
    if (lane !== undefined) {
      this.#port = new LanePort(lane, () => this.#pumpSoon(true), (made) => side.post(made));
      this.#inbox = this.#port;
      this.#replies = this.#ring = new RingReplies(this.#port, (reply, moved) => side.post(reply, moved));
    }
    if (initializer !== undefined) {
      let task: ResolvedTask | undefined;
      try {
        task = await resolveTask(initializer.reference);
        await task.call(...await receive(initializer.args) as unknown[]);
      } catch (error) {
        const shown = task === undefined ? error : explainMissing(error, task);
        side.post({ kind: "initializer-failed", error: encodeError(shown) });
        side.exit(1);
      }
    }
    this.#ready = true;
    side.post({ kind: "ready" });
    this.#pumpSoon(true);
  }

  /** `fresh`: this is the beginning of a turn of the event loop, and no continuation of what the pump itself began. */
  #pumpSoon(fresh: boolean): void {
    if (!this.#ready || this.#queued || this.#pumping) return;
    const start = now();
    if (fresh) this.#turnEnd = start + TURN;
    else if (start > this.#turnEnd) return this.#pumpNextTurn();
    this.#queued = true;
    runtime.enterUserCode(this.#enter);
  }

  #pumpNextTurn(): void {
    if (this.#queued) return;
    this.#queued = true;
    nextTurn(this.#enterTurn);
  }

  #pump(): void {
    this.#pumping = true;
    const inbox = this.#inbox;
    inbox.wake();
    keepSeveral();
    const blocked = this.#flush() ? this.#runAll(inbox) : BLOCKED;
    this.#pumping = false;
    if (blocked === YIELD || !inbox.sleep(blocked === NO_WORK)) this.#pumpNextTurn();
  }

  /** Runs what there is; why it stopped. */
  #runAll(inbox: Inbox): typeof YIELD | typeof NO_WORK | typeof BLOCKED {
    for (;;) {
      while (this.#running < this.#concurrency) {
        const found = inbox.look();
        if (found !== CHUNK) {
          if (!this.#flush() || found === AWAITS_MESSAGE) return BLOCKED;
          if ((++this.#empties & 15) === 0 && now() > this.#turnEnd) return YIELD;
          if (!inbox.spin()) return NO_WORK;
          continue;
        }
        const known = this.#find(inbox.task);
        if (known === undefined) {
          // Its reference is in a message that has not arrived, or it is still being looked for.
          const task = this.#tasks.find(inbox.task);
          if (task === undefined) return this.#flush(), BLOCKED;
          if (inbox.claim()) this.#startAsync(inbox, task);
          continue;
        }
        if (!inbox.claim()) continue;
        if (!this.#start(inbox, known)) return this.#flush() ? YIELD : BLOCKED;
      }
      this.#flush();
      return BLOCKED;
    }
  }

  /** Shows the host what is done, and gives it the room of what was read; false when it has no room itself. */
  #flush(): boolean {
    this.#unreleased = 0;
    return this.#replies.flush();
  }

  #find(id: number): Known | undefined {
    let known = this.#known;
    if (known?.id === id) return known;
    known = this.#allKnown.get(id);
    if (known === undefined) {
      const task = this.#tasks.find(id);
      if (task === undefined || task instanceof Promise) return undefined;
      this.#allKnown.set(id, known = { id, task, every: 1, left: 1 });
    }
    return this.#known = known;
  }

  /** Runs a chunk that was claimed. False: it is time to let the event loop turn, or there is no room for results. */
  #start(inbox: Inbox, known: Known): boolean {
    const { slot, kind } = inbox;
    let items: unknown;
    const measured = --known.left <= 0;
    const start = measured ? now() : 0;
    try {
      items = take(inbox, kind);
      if (items instanceof Promise) {
        this.#finishLater(slot, kind, items.then((live) => this.#enterCall(kind, known.task, live)), start);
        return true;
      }
    } catch (error) {
      this.#replies.send(slot, kind, failed(error), 0, 1);
      this.#replies.show();
      return true;
    }
    const ring = this.#ring;
    let outcome: Outcome | Promise<Outcome> | undefined;
    let value: unknown;
    const mode = kind & MODE_BITS;
    if (ring !== undefined && !this.#calls.isWatched && (mode === APPLY_ONE || mode === APPLY)) {
      const { task } = known;
      try {
        value = mode === APPLY_ONE ? enter(task.call, items) : enterSpread(task.call, items as readonly unknown[]);
        if (isThenable(value)) outcome = this.#calls.settle(value, task);
      } catch (error) {
        outcome = failed(error, task);
      }
    } else {
      outcome = this.#calls.run(kind, known.task, items);
    }
    if (outcome instanceof Promise) {
      this.#finishLater(slot, kind, outcome, start);
      return true;
    }
    let elapsed = 0;
    let inTime = true;
    if (measured) {
      const end = now();
      elapsed = Math.max(end - start, 1e-5);
      known.every = elapsed > LONG ? 1 : Math.min(known.every * 2, MEASURE_ONE_IN);
      known.left = known.every;
      inTime = end < this.#turnEnd;
    }
    const count = mode === APPLY_ONE || mode === APPLY ? 1 : (items as ArrayLike<unknown>).length;
    if (outcome === undefined) (ring as RingReplies).sendValue(slot, kind, value, elapsed);
    else this.#replies.send(slot, kind, outcome, elapsed, count);
    if (this.#replies.show() && !measured) {
      // The host had fallen asleep over it: this one was long, or the one before.
      known.left = 1;
      inTime = now() < this.#turnEnd;
    }
    if (++this.#unreleased >= RELEASE_EVERY) inTime = this.#flush() && inTime;
    return inTime;
  }

  /** A chunk that was claimed, whose function is still being looked for. */
  #startAsync(inbox: Inbox, task: ResolvedTask | Promise<ResolvedTask>): void {
    const { slot, kind } = inbox;
    let items: unknown;
    try {
      items = take(inbox, kind);
    } catch (error) {
      this.#replies.send(slot, kind, failed(error), 0, 1);
      this.#replies.show();
      return;
    }
    const outcome = Promise.all([task, items]).then(
      ([found, live]) => this.#enterCall(kind, found, live),
      (error) => failed(error),
    );
    this.#finishLater(slot, kind, outcome, 0);
  }

  /** Runs a chunk from a continuation. */
  #enterCall(kind: number, task: ResolvedTask, items: unknown): Promise<Outcome> {
    return new Promise((resolve) => {
      runtime.enterUserCode(() => resolve(this.#calls.run(kind, task, items)));
    });
  }

  /** `start`: when it began; 0, that is of no interest. */
  #finishLater(slot: number, kind: number, outcome: Promise<Outcome>, start: number): void {
    this.#running++;
    void outcome.catch((error) => failed(error)).then((settled) => {
      this.#running--;
      const { value } = settled;
      const count = (kind & MODE_BITS) % 3 !== 0 && Array.isArray(value) ? value.length : 1;
      this.#replies.send(slot, kind, settled, start === 0 ? 0 : now() - start, count);
      this.#flushSoon();
    });
  }

  /** While tasks await, theirs and those that are done go together at the end of the turn; and only then the next ones begin. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
      this.#pumpSoon(false);
    });
  }
}

/** What came with a chunk, live; a promise, where the classes of its shared objects have to be loaded. */
function take(inbox: Inbox, kind: number): unknown {
  if ((kind & CARRIER_BITS) === BY_MESSAGE) return receive(inbox.ticket());
  return (kind & DESCRIBED) === 0 ? inbox.value() : receive({ value: inbox.value(), handles: true });
}

const YIELD = 0;
const NO_WORK = 1;
const BLOCKED = 2;
