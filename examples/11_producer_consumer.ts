// Two producers and three consumers on one queue.
//
// What the guide teaches: put on one side, get on the other; a sentinel (None) for each consumer tells it that no more will
// come. If a sentinel is forgotten, a consumer waits for ever; and whoever joins a process before its items have been
// read waits for ever, too.
//
// Other than in Python:
// - close() says that no more will come. Consumers get what is left, and their loop ends: no sentinels to count.
// - What put() has put is in the queue. There is no feeder thread behind it, so a producer can be joined at any time.
// - The queue holds at most ten items: producers that are faster wait. `put` and `get` wait without blocking the thread,
//   `putSync` and `getSync` block it; both work on the same queue, on any thread.
// - A consumer that dies takes at most the item with it that it was just getting.

import { isMain, Process, Queue } from "@manycore/multiprocessing";

interface Order {
  readonly from: string;
  readonly amount: number;
}

/** Puts ten orders. */
export function produce(orders: Queue<Order>, from: string): void {
  for (let amount = 1; amount <= 10; amount++) orders.putSync({ from, amount });
}

/** Adds up orders until there are no more, and says what it has got. */
export function consume(orders: Queue<Order>, totals: Queue<number>): void {
  let total = 0;
  for (const { amount } of orders.itemsSync()) total += amount;
  totals.putSync(total);
}

if (isMain(import.meta)) {
  const orders = new Queue<Order>(10);
  const totals = new Queue<number>();
  const consumers = [1, 2, 3].map(() => new Process(consume, [orders, totals]));
  const producers = ["Ann", "Bob"].map((name) => new Process(produce, [orders, name]));
  for (const process of [...consumers, ...producers]) process.start();

  for (const process of producers) await process.join();
  orders.close();
  for (const process of consumers) await process.join();
  totals.close();

  let sum = 0;
  let parts = 0;
  for await (const total of totals) {
    sum += total;
    parts++;
  }
  console.log(`${parts} consumers got orders of ${sum} in all`);
  console.log(`left in the queue: ${orders.size}`);
}
