/**
 * Where the worker's module is. The one place that builds its URL, in a form that survives `tsc`, `dnt` and bundlers:
 * none of them rewrites it, so the worker has to lie beside this file, or beside the bundle, as `worker_main`.
 * @module
 */

/** The URL of `worker_main`. */
export const WORKER_URL: URL = new URL(
  import.meta.url.endsWith(".ts") ? "./worker_main.ts" : "./worker_main.js",
  import.meta.url,
);
