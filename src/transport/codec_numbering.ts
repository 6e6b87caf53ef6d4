/**
 * The numbers of a message's objects, which are given out in the order in which they begin: what is met again is named by its number.
 * @module
 */
import { Output } from "./codec_output.ts";

/** So many objects are looked for one by one; a map is faster for more. */
const FEW_OBJECTS = 48;

/** An output that knows the objects that went into it. */
export class NumberingOutput extends Output {
  /** The first objects, and all of them, in the order of their numbers, once there are more. */
  readonly #few: (object | undefined)[] = new Array<object | undefined>(FEW_OBJECTS).fill(undefined);
  #seen: Set<object> | undefined = undefined;
  /** The numbers of those objects, once one of them was met again. */
  #ids: Map<object, number> | undefined = undefined;
  /** The next object's number. */
  #next = 0;

  /** The number of an object that was there before; −1: it was not, and has the next one from now on. */
  numberOf(value: object): number {
    const next = this.#next;
    if (next <= FEW_OBJECTS) {
      const few = this.#few;
      for (let i = 0; i < next; i++) if (few[i] === value) return i;
      if (next < FEW_OBJECTS) few[next] = value;
      else {
        const seen = this.#seen = new Set(few as object[]);
        seen.add(value);
      }
    } else if (this.#ids === undefined) {
      const seen = this.#seen as Set<object>;
      if (seen.add(value).size === next) return this.#numberAgain(value);
    } else {
      const id = this.#ids.get(value);
      if (id !== undefined) return id;
      this.#ids.set(value, next);
    }
    this.#next = next + 1;
    return -1;
  }

  /** The first object that is met again: the numbers are looked up from now on, most messages have none. */
  #numberAgain(value: object): number {
    const ids = this.#ids = new Map<object, number>();
    for (const object of this.#seen as Set<object>) ids.set(object, ids.size);
    return ids.get(value) as number;
  }

  /** Lets go of the objects: a message has ended. */
  forgetObjects(): void {
    const few = this.#few;
    const { length } = few;
    // Not cleared but let go: on V8 each table of a map points to the next one, also to that after clear(). One of them that has
    // grown old would keep all later ones alive, with their objects, until the next full collection.
    this.#seen = undefined;
    this.#ids = undefined;
    for (let i = Math.min(this.#next, length) - 1; i >= 0; i--) few[i] = undefined;
    this.#next = 0;
  }
}
