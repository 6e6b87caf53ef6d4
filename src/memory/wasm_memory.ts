/**
 * `WebAssembly.Memory`, as far as this library uses it. TypeScript knows the name only together with the web's or Deno's
 * types, which neither this project nor its users need to have.
 * @module
 */

/** A memory that can grow. */
export interface WasmMemory {
  /** Its bytes; another buffer after it has grown. */
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /** Grows it by so many pages of 64 KB; returns how many it had. */
  grow(pages: number): number;
}

/** The class. */
export interface WasmMemoryClass {
  new (options: { initial: number; maximum: number; shared: boolean }): WasmMemory;
  readonly prototype: WasmMemory;
}

/** `WebAssembly.Memory`, the class. */
export const WasmMemory: WasmMemoryClass =
  (globalThis as unknown as { WebAssembly: { Memory: WasmMemoryClass } }).WebAssembly.Memory;
