/**
 * A pool for the length of a test, which ends whatever happens in it.
 * @module
 */
import { Pool, type PoolOptions } from "@manycore/multiprocessing";
import { within } from "./wait.ts";

/** Calls `body` with a pool, and terminates and joins the pool. */
export async function withPool(
  workers: number,
  options: PoolOptions,
  body: (pool: Pool) => Promise<void>,
): Promise<void> {
  const pool = new Pool(workers, options);
  try {
    await within(body(pool), "the test");
  } finally {
    pool.terminate();
    await within(pool.join(), "join() after terminate()");
  }
}

/** Closes a pool, joins it and checks that it did end. */
export async function finish(pool: Pool): Promise<void> {
  pool.close();
  await within(pool.join(), "join() after close()");
}
