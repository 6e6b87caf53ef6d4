// The pool's suite once more, over messages instead of rings in shared memory: that is how workers of type "process" are reached.

import process from "node:process";
import { EXTENSION } from "../kit/runtime.ts";

process.env["MANYCORE_TRANSPORT"] = "messages";

const SUITES = [
  "calls",
  "bad_input",
  "imap",
  "window",
  "shared_objects",
  "failure",
  "lifecycle",
  "lanes",
  "placement",
  "shown_results",
  "traps",
];

for (const suite of SUITES) {
  await import(`./${suite}_test${EXTENSION}`);
}
