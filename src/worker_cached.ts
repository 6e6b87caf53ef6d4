/**
 * The root of every worker on Node: it switches the compile cache on, and only then loads `worker_main`. Node keeps
 * messages until somebody listens; Deno and Bun do not, so there `worker_main` itself is the root.
 * @module
 */
import { enableCompileCache } from "./runtime/compile_cache.ts";

enableCompileCache();
await import("./worker_main.ts");
