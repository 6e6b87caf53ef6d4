/**
 * Is a recorded history of calls, made by several threads at the same time, one that a queue could have had if each call had
 * happened at one moment between its begin and its end?
 *
 * SOURCE  Wing and Gong's search (1993) with Lowe's memory of configurations that lead nowhere (2017)
 * @module
 */

/** One call. Begin and end are ticks of one clock for all threads. */
export interface Call {
  readonly begin: number;
  readonly end: number;
  readonly what: "put" | "get" | "size" | "close";
  /** What was put, or what the call returned: an item, a size, or "full", "empty", "closed", "ok". */
  readonly value: number | string;
  /** Of a put: what came of it. */
  readonly outcome?: string | undefined;
}

interface State {
  readonly items: readonly number[];
  readonly closed: boolean;
}

/** The state after a call; undefined when the call could not have gone like that. */
function apply(state: State, call: Call, most: number): State | undefined {
  const { items, closed } = state;
  switch (call.what) {
    case "put":
      if (call.outcome === "closed") return closed ? state : undefined;
      if (closed) return undefined;
      if (call.outcome === "full") return most > 0 && items.length >= most ? state : undefined;
      if (most > 0 && items.length >= most) return undefined;
      return { items: [...items, call.value as number], closed };
    case "get":
      if (call.value === "empty") return items.length === 0 && !closed ? state : undefined;
      if (call.value === "closed") return items.length === 0 && closed ? state : undefined;
      return items[0] === call.value ? { items: items.slice(1), closed } : undefined;
    case "size":
      return items.length === call.value ? state : undefined;
    case "close":
      return { items, closed: true };
  }
}

/**
 * Looks for an order that explains the history.
 * @param most the queue's maxSize; 0, no limit
 * @returns undefined when there is one; otherwise a text with the history
 */
export function linearize(history: readonly Call[], most: number): string | undefined {
  const calls = [...history].sort((a, b) => a.begin - b.begin);
  if (calls.length > 30) throw new RangeError("A history of at most 30 calls can be checked.");
  const all = 2 ** calls.length - 1;
  const dead = new Set<string>();
  const search = (done: number, state: State): boolean => {
    if (done === all) return true;
    const key = `${done} ${state.closed} ${state.items.join(",")}`;
    if (dead.has(key)) return false;
    // What may come next: calls that began before any other that is left has ended.
    let firstEnd = Infinity;
    for (let i = 0; i < calls.length; i++) {
      if ((done & (1 << i)) === 0) firstEnd = Math.min(firstEnd, (calls[i] as Call).end);
    }
    for (let i = 0; i < calls.length; i++) {
      const call = calls[i] as Call;
      if ((done & (1 << i)) !== 0 || call.begin > firstEnd) continue;
      const next = apply(state, call, most);
      if (next !== undefined && search(done | (1 << i), next)) return true;
    }
    dead.add(key);
    return false;
  };
  if (search(0, { items: [], closed: false })) return undefined;
  return calls.map(({ begin, end, what, value, outcome }) => `${begin}–${end} ${what} ${value} ${outcome ?? ""}`).join(
    "\n",
  );
}

/** How many pairs of calls of a history overlap: a history in which none do proves little. */
export function overlaps(history: readonly Call[]): number {
  let count = 0;
  for (const a of history) for (const b of history) if (a.begin < b.begin && b.begin < a.end) count++;
  return count;
}
