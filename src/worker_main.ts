/**
 * The root of every worker. It listens before anything else happens, so that no message is missed.
 * @module
 */
import { birth } from "./process/current.ts";
import { runtime } from "./runtime/current.ts";
import { runProcess } from "./process/child.ts";
import { becomeWorker } from "./process/worker.ts";
import { runPoolWorker } from "./pool/worker.ts";

runtime.whenBorn(() => {
  const own = birth();
  if (own === undefined) {
    throw new Error("worker_main is the entry of the workers of @manycore/multiprocessing; it does nothing by itself.");
  }
  const side = becomeWorker(own);
  if (own.role === "pool") runPoolWorker(side);
  else runProcess(side);
});
