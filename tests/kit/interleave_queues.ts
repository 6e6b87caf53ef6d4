/** What the agents of the interleaving tests of queues do. Each function is one agent. */
import type { JoinableQueue } from "../../src/channel/joinable_queue.ts";
import { Queue } from "../../src/channel/queue.ts";
import { ITEMS, NOTHING, QueueCore } from "../../src/channel/queue_core.ts";
import type { QueueEnd } from "../../src/channel/queue_end.ts";
import { QueueWaiter } from "../../src/channel/queue_wait.ts";
import { exchange, load, notify } from "../../src/memory/atomics.ts";
import { blockOn } from "../../src/memory/park.ts";
import { COUNTER } from "./interleave.ts";
import type { Tools } from "./interleave_scenarios.ts";

interface Objects {
  readonly queue: Queue<number>;
}

/** Counts in the control words, as one step. */
function count(tools: Tools, n = 1): void {
  tools.control[COUNTER] = (tools.control[COUNTER] as number) + n;
}

function get(tools: Tools, queue: Queue<number>): void {
  try {
    count(tools, queue.getSync());
  } catch (error) {
    if ((error as Error).name !== "QueueClosedError") throw error;
  }
}

function coreOf(queue: Queue<number>): QueueCore {
  return (Queue.endOf(queue) as QueueEnd).core;
}

/** Gets one item through a core of one's own, as `getSync` does. */
function getThrough(tools: Tools, core: QueueCore): void {
  const waiter = new QueueWaiter(core, ITEMS);
  for (let item = core.take(Infinity);; item = core.take(Infinity)) {
    if (item !== NOTHING) {
      count(tools, item as number);
      break;
    }
    blockOn(waiter, Infinity);
  }
  waiter.leave();
}

/** Who has slept and goes does not hand the wake on. */
class Forgetful extends QueueCore {
  override leave(): void {}
}

/** Wakes, but leaves TURN as it is: who is about to sleep does not notice. */
class Quiet extends QueueCore {
  override wake(what: typeof ITEMS): void {
    const sleep = this.turnOf(what, true) - 3;
    if (exchange(this.control, sleep, 0) !== 0) notify(this.control, this.turnOf(what, true), 1);
  }
}

/** Looks, and only then says that it is about to sleep. */
class Hasty extends QueueWaiter {
  readonly #core: QueueCore;

  constructor(core: QueueCore) {
    super(core, ITEMS);
    this.#core = core;
  }

  override poll(): boolean {
    this.expected = load(this.words, this.index);
    if (this.#core.isReady(ITEMS)) return true;
    this.#core.announce(ITEMS, true);
    return false;
  }
}

function broken(queue: Queue<number>, type: typeof QueueCore): QueueCore {
  return new type(coreOf(queue).wire);
}

export const QUEUE_SCENARIOS: Record<string, (tools: Tools, objects: never) => void> = {
  queuePutOne(_tools, { queue }: Objects) {
    queue.putSync(1);
  },
  queuePutTwo(_tools, { queue }: Objects) {
    queue.putSync(1);
    queue.putSync(1);
  },
  queuePutThree(_tools, { queue }: Objects) {
    for (let i = 0; i < 3; i++) queue.putSync(1);
  },
  queueGetOne(tools, { queue }: Objects) {
    get(tools, queue);
  },
  queueGetTwo(tools, { queue }: Objects) {
    get(tools, queue);
    get(tools, queue);
  },
  queueGetTimed(tools, { queue }: Objects) {
    try {
      count(tools, queue.getSync({ timeout: 1000 }));
    } catch (error) {
      if ((error as Error).name !== "QueueEmptyError") throw error;
    }
  },
  queuePutTimed(_tools, { queue }: Objects) {
    try {
      queue.putSync(1, { timeout: 1000 });
    } catch (error) {
      if ((error as Error).name !== "QueueFullError") throw error;
    }
  },
  /** Counts 100 for an item that was put, nothing for one that was refused. */
  queuePutOrClosed(tools, { queue }: Objects) {
    try {
      queue.putSync(1);
      count(tools, 100);
    } catch (error) {
      if ((error as Error).name !== "QueueClosedError") throw error;
    }
  },
  queueDrain(tools, { queue }: Objects) {
    for (const item of queue.itemsSync()) count(tools, item);
  },
  queueClose(_tools, { queue }: Objects) {
    queue.close();
  },
  /** What it has put comes out in this order. */
  queuePutOneTwo(_tools, { queue }: Objects) {
    queue.putSync(1);
    queue.putSync(2);
  },
  queueGetInOrder(tools, { queue }: Objects) {
    const items = [queue.getSync(), queue.getSync()];
    if (items.join() !== "1,2") throw new Error(`got ${items.join()}`);
    count(tools);
  },
  queueWorkTwo(tools, { queue }: Objects) {
    for (let i = 0; i < 2; i++) {
      queue.getSync();
      count(tools);
      (queue as JoinableQueue<number>).taskDone();
    }
  },
  queuePutTwoAndJoin(tools, { queue }: Objects) {
    queue.putSync(1);
    queue.putSync(1);
    if (!(queue as JoinableQueue<number>).joinSync()) throw new Error("join() gave up");
    if (tools.control[COUNTER] !== 2) throw new Error("join() came back early");
  },
  queueSize(_tools, { queue }: Objects) {
    const { size } = queue;
    if (size < 0 || size > 2) throw new Error(`size ${size}`);
  },

  // Seeded bugs.

  queueGetForgetful(tools, { queue }: Objects) {
    getThrough(tools, broken(queue, Forgetful));
  },
  queuePutTwoQuiet(_tools, { queue }: Objects) {
    const core = broken(queue, Quiet);
    core.put(0, 1, undefined, 0, Infinity);
    core.put(0, 1, undefined, 0, Infinity);
  },
  queueGetHasty(tools, { queue }: Objects) {
    const core = coreOf(queue);
    const waiter = new Hasty(core);
    for (let item = core.take(Infinity);; item = core.take(Infinity)) {
      if (item !== NOTHING) return count(tools, item as number);
      blockOn(waiter, Infinity);
    }
  },
  /** Closes without waking anybody. */
  queueCloseQuietly(_tools, { queue }: Objects) {
    const core = coreOf(queue);
    core.wakeAll = () => {};
    core.close();
  },
};
