/**
 * Which module called us, from the call stack. `Error.prepareStackTrace` gives the places as data on V8 and on Bun.
 * @module
 */
import { url as urls } from "./builtins.ts";

interface Place {
  getFileName(): string | null | undefined;
  getLineNumber(): number | null | undefined;
  getColumnNumber(): number | null | undefined;
}
interface StackApi {
  prepareStackTrace?: ((error: Error, places: Place[]) => unknown) | undefined;
  stackTraceLimit?: number;
}

/**
 * The folder of this library's modules, in the source and in the npm package (`scripts/build_package.ts`). A bundle of the
 * user's has none: there, this file and the program's are one.
 */
const OWN_ROOT = /^(.*\/)(?:runtime\/stack\.[jt]s|manycore[\w-]*\.js)$/.exec(import.meta.url)?.[1];

/** The URL of the module whose code called into this library; undefined in a REPL and in evaluated code. */
export function callerModule(): string | undefined {
  for (const place of currentStack()) {
    const url = moduleUrl(place.getFileName());
    if (url !== undefined && (OWN_ROOT === undefined || !url.startsWith(OWN_ROOT))) return url;
  }
  return undefined;
}

/**
 * Where in a module we were called from: the places of all its calls on the stack, the innermost first, as in `12:7<30:14`. The same
 * program has the same places in every thread. Empty where the stack does not show the module.
 */
export function callSite(module: string): string {
  const sites: string[] = [];
  for (const place of currentStack()) {
    if (moduleUrl(place.getFileName()) === module) sites.push(`${place.getLineNumber()}:${place.getColumnNumber()}`);
  }
  return sites.join("<");
}

function currentStack(): readonly Place[] {
  const api = Error as unknown as StackApi;
  const { prepareStackTrace, stackTraceLimit } = api;
  try {
    api.stackTraceLimit = 50;
    api.prepareStackTrace = (_error, places) => places;
    const places = (new Error() as unknown as { stack: Place[] }).stack;
    return Array.isArray(places) ? places : [];
  } finally {
    api.prepareStackTrace = prepareStackTrace;
    if (stackTraceLimit !== undefined) api.stackTraceLimit = stackTraceLimit;
  }
}

function moduleUrl(file: string | null | undefined): string | undefined {
  if (!file) return undefined;
  if (/^(?:file|https?|data|blob):/.test(file)) return file;
  // Bun gives paths, and so does Node for CommonJS. Names such as `node:internal/…` and `[eval]` are no modules.
  return /^(?:\/|[A-Za-z]:[\\/]|\\\\)/.test(file) ? urls().pathToFileURL(file).href : undefined;
}

/** How a module is shown in messages: its path for a file, else its URL. */
export function displayUrl(url: string): string {
  try {
    return url.startsWith("file:") ? urls().fileURLToPath(url) : url;
  } catch {
    return url;
  }
}
