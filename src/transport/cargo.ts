/**
 * The books of what travels beside the bytes of a message: shared memory, by the courier, and the right to use something,
 * such as the end of a pipe. It was set aside when the message was encoded; what becomes of it depends on what becomes of the
 * message. `parcel.ts` opens and closes the books.
 * @module
 */

/** Something set aside for a message, that is more than memory. */
export interface Ticket {
  /** The message is on its way: whatever happens to its sender, it may be read. */
  sent(): void;
  /** The message is not going to be sent. */
  undo(): void;
}

/** What was set aside for one message: numbers of memory, and tickets. */
export type Cargo = readonly (number | Ticket)[];

let keeping = false;
let items: (number | Ticket)[] | undefined;
let taken: number[] | undefined;

/** Called while a value is encoded: writes down what was set aside. False: nobody keeps books, it is sent for certain. */
export function note(item: number | Ticket): boolean {
  if (keeping) (items ??= []).push(item);
  return keeping;
}

/** Called while a message is decoded: memory with this number was in it. */
export function noteTaken(id: number): void {
  if (keeping) (taken ??= []).push(id);
}

/** Opens the books for one encoding or decoding; calls may be nested, since getters are called while a value is encoded. */
export function keepBooks<A, B, C, R>(work: (a: A, b: B, c: C) => R, a: A, b: B, c: C, close: Closing): R {
  const before = keeping;
  const itemsBefore = items;
  const takenBefore = taken;
  keeping = true;
  items = undefined;
  taken = undefined;
  let failure: unknown;
  let failed = true;
  try {
    const result = work(a, b, c);
    failed = false;
    return result;
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    const [cargo, ids] = [items, taken];
    keeping = before;
    items = itemsBefore;
    taken = takenBefore;
    if (cargo !== undefined || ids !== undefined) close(cargo, ids, failed ? failure : undefined);
  }
}

/** Gets what was written down, if anything was, and why the work failed. */
export type Closing = (cargo: Cargo | undefined, taken: readonly number[] | undefined, failure: unknown) => void;

let dropping = false;

/** Whether what is decoded now is not wanted, so that an object should not take what it holds. */
export function isDropping(): boolean {
  return dropping;
}

/** Calls something that decodes what is not wanted. */
export function whileDropping(work: () => void): void {
  const before = dropping;
  dropping = true;
  try {
    work();
  } finally {
    dropping = before;
  }
}
