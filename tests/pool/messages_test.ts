// The pool's suite once more, over messages instead of rings in shared memory: that is how workers of type "process" are reached.

import process from "node:process";
import { EXTENSION } from "../kit/runtime.ts";

process.env["MANYCORE_TRANSPORT"] = "messages";

for (const suite of ["calls", "bad_input", "imap", "window", "shared_objects", "failure"]) {
  await import(`./${suite}_test${EXTENSION}`);
}
