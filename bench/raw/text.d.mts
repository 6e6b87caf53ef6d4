/** Writes a value, and says what it is and how long: [kind, length]. */
export function write(value: unknown, box: Uint8Array): [kind: number, length: number];
/** Reads a value that {@linkcode write} wrote. */
export function read(kind: number, length: number, box: Uint8Array): unknown;
