// The pool's chaos once more, in small, over messages instead of rings in shared memory.

import process from "node:process";
import { EXTENSION } from "../kit/runtime.ts";

process.env["MANYCORE_TRANSPORT"] = "messages";

await import(`./chaos_test${EXTENSION}`);
