// The other half of the pool's suite, over messages instead of rings in shared memory: that is how workers of type "process" are reached.

import process from "node:process";
import { EXTENSION } from "../kit/runtime.ts";

process.env["MANYCORE_TRANSPORT"] = "messages";

for (const suite of ["lifecycle", "lanes", "placement", "shown_results", "traps"]) {
  await import(`./${suite}_test${EXTENSION}`);
}
