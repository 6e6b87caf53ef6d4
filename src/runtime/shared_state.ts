/**
 * State that all copies of this library in one thread have in common. There may be two of them: a bundle and its worker,
 * or the npm and the JSR package; a task that was named through one must be found through the other.
 * @module
 */

/** The state of that name, made by the first copy that asks for it. The number in the key changes with its shape. */
export function sharedState<T>(name: string, create: () => T): T {
  const key = Symbol.for(`@manycore/multiprocessing/${name}/1`);
  const registry = globalThis as unknown as Record<symbol, T | undefined>;
  return registry[key] ??= create();
}
