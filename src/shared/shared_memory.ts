/**
 * `SharedMemory`: bytes that processes share, with a name.
 * @module
 */
import { deadlineOf, type WaitOptions } from "../memory/park.ts";
import { TimeoutError } from "../errors.ts";
import { registerHandle } from "../transport/handles.ts";
import { addName, fetchBuffer, heldBuffer, keep, lookUp, NAME_CHARS, removeName } from "./names.ts";

/** Options of {@linkcode SharedMemory}. */
export interface SharedMemoryOptions {
  /** Its name; by default one that is not in use. */
  readonly name?: string | undefined;
  /** Whether to make new memory. Default: true when a size is given. */
  readonly create?: boolean | undefined;
  /** How many bytes. */
  readonly size?: number | undefined;
}

interface SharedMemoryWire {
  readonly name: string;
  readonly serial: number;
  readonly buffer: SharedArrayBuffer;
}

/**
 * A block of bytes that processes share. It may be passed to any process, or found by its name from any thread of the
 * program.
 *
 * Python: `multiprocessing.shared_memory.SharedMemory`. The memory is freed when nobody uses it any more and its name has
 * been unlinked. To attach by name waits for an answer from a process that has the memory, so it is asynchronous:
 * `await SharedMemory.attach(name)`. Names are known in one program: to programs of their own (`type: "process"`) nothing
 * is shared.
 *
 * @example
 * ```ts
 * import { SharedMemory } from "@manycore/multiprocessing";
 *
 * const shm = new SharedMemory({ name: "pixels", size: 1024 });
 * const same = await SharedMemory.attach("pixels");
 * same.buf![0] = 255;
 * console.log(shm.buf![0]); // 255
 * shm.unlink();
 * ```
 */
export class SharedMemory {
  readonly #name: string;
  readonly #serial: number;
  readonly #size: number;
  #buffer: SharedArrayBuffer | undefined;
  #buf: Uint8Array<SharedArrayBuffer> | undefined;

  static {
    registerHandle<SharedMemory, SharedMemoryWire>("SharedMemory", SharedMemory, {
      detach: (memory) => ({ name: memory.#name, serial: memory.#serial, buffer: memory.buffer }),
      attach: (wire) => {
        keep(wire.serial, wire.buffer);
        return new SharedMemory({}, wire);
      },
    });
  }

  /**
   * Makes new memory, filled with zeros; or, without a size, attaches memory that this process knows already. Never
   * blocks.
   * @param options name and size
   * @param wire for this library's own use
   * @throws {SharedMemoryError} when the name is taken, or, attaching, does not exist
   * @throws {RangeError} when the size is no positive integer
   */
  constructor(options: SharedMemoryOptions, wire?: SharedMemoryWire) {
    const found = wire ?? create(options);
    this.#name = found.name;
    this.#serial = found.serial;
    this.#size = found.buffer.byteLength;
    this.#buffer = found.buffer;
  }

  /**
   * Attaches memory by its name, which any thread of the program may have made. It waits, without blocking, until a
   * process that has the memory answers.
   * @throws {SharedMemoryError} when there is no memory of that name, or all processes that had it have ended
   * @throws {TimeoutError} when nobody has answered within the time limit
   */
  static async attach(name: string, options?: WaitOptions): Promise<SharedMemory> {
    const deadline = deadlineOf(options);
    checkMemoryName(name);
    const { serial } = lookUp(name);
    const buffer = await fetchBuffer(name, serial, deadline);
    if (buffer !== null) return new SharedMemory({}, { name, serial, buffer });
    throw new TimeoutError(`Cannot attach shared memory "${name}": no process that has it answered in time.`);
  }

  /** Its name. */
  get name(): string {
    return this.#name;
  }

  /** How many bytes it has. */
  get size(): number {
    return this.#size;
  }

  /** The bytes; `null` after {@linkcode close}. */
  get buf(): Uint8Array<SharedArrayBuffer> | null {
    if (this.#buffer === undefined) return null;
    return this.#buf ??= new Uint8Array(this.#buffer);
  }

  /** The memory itself, for other views. @throws {TypeError} after {@linkcode close} */
  get buffer(): SharedArrayBuffer {
    if (this.#buffer !== undefined) return this.#buffer;
    throw new TypeError(`Cannot use shared memory "${this.#name}": it has been closed here.`);
  }

  /** Ends this object's use of the memory; others keep theirs. The second and every later call does nothing. */
  close(): void {
    this.#buffer = undefined;
    this.#buf = undefined;
  }

  /** Removes the name: nobody can attach by it any more. @throws {SharedMemoryError} when that has been done */
  unlink(): void {
    removeName(this.#name, this.#serial);
  }

  /** Closes it at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Checks a name. */
export function checkMemoryName(name: unknown): asserts name is string {
  if (typeof name !== "string") throw new TypeError(`Cannot use ${String(name)} as a name of shared memory.`);
  if (name.length === 0 || name.length > NAME_CHARS) {
    throw new RangeError(
      `Cannot use "${name}" as a name of shared memory: it must have 1 to ${NAME_CHARS} characters.`,
    );
  }
}

let unnamed = 0;

function create({ name, size, create = size !== undefined }: SharedMemoryOptions): SharedMemoryWire {
  if (name !== undefined) checkMemoryName(name);
  if (!create) {
    if (name === undefined) {
      throw new TypeError("Cannot attach shared memory without a name; to make some, give a size.");
    }
    const { serial } = lookUp(name);
    const buffer = heldBuffer(serial);
    if (buffer !== undefined) return { name, serial, buffer };
    throw new TypeError(
      `Cannot attach shared memory "${name}" at once: this process has not seen it yet. ` +
        `Use await SharedMemory.attach("${name}").`,
    );
  }
  if (typeof size !== "number") throw new TypeError(`Cannot create shared memory: size is ${String(size)}.`);
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`Cannot create shared memory of ${size} bytes: give a positive integer.`);
  }
  const buffer = new SharedArrayBuffer(size);
  const own = name ?? `psm_${Math.random().toString(36).slice(2, 10)}_${++unnamed}`;
  return { name: own, serial: addName(own, buffer), buffer };
}
