/**
 * Where the worker's module is. The one place that builds its URL, in a form that survives `tsc`, `dnt` and bundlers:
 * none of them rewrites it, so the worker has to lie beside this file, or beside the bundle, as `worker_main`.
 * @module
 */

const ENDING = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** The URL of `worker_main`. */
export const WORKER_URL: URL = new URL(`./worker_main.${ENDING}`, import.meta.url);

/** The URL of the root that Node uses, `worker_cached`; a bundle of the user's has only `worker_main`. */
export const CACHED_WORKER_URL: URL = /\/(?:worker_url\.[jt]s|manycore[\w-]*\.js)$/.test(import.meta.url)
  ? new URL(`./worker_cached.${ENDING}`, import.meta.url)
  : WORKER_URL;
