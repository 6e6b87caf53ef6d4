/**
 * Waiting in tests: for a condition, and never for ever. Limits are far away: the machine may be busy.
 * @module
 */

/** How long anything may take, in ms, before it counts as a hang. */
export const LIMIT = 45_000;

/** The promise's value; an error that names `what` when it does not settle. */
export async function within<T>(promise: PromiseLike<T>, what: string, limit = LIMIT): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not settle within ${limit} ms: a hang`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `check` says yes. It looks again and again: nothing is inferred from how long it took. */
export async function eventually(check: () => boolean, what: string, limit = LIMIT): Promise<void> {
  const end = Date.now() + limit;
  while (!check()) {
    if (Date.now() > end) throw new Error(`${what}: not so after ${limit} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** What a promise rejects with; an error when it is fulfilled or hangs. */
export async function failure(promise: PromiseLike<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await within(promise, "the promise");
  } catch (error) {
    if (error instanceof Error && error.message.endsWith(": a hang")) throw error;
    return error;
  }
  throw new Error(`expected a rejection, got the value ${String(value)}`);
}

/** The same for one class of errors. */
export async function failureOf<T extends Error>(
  promise: PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- any constructor of the class
  type: (new (...args: any[]) => T) & { prototype: T },
): Promise<T> {
  const error = await failure(promise);
  if (error instanceof type) return error;
  throw new Error(`expected a rejection with ${type.name}, got: ${String(error)}`, { cause: error });
}
