/**
 * What crosses between a host and its worker: types, no logic.
 * @module
 */
import type { WasmMemory } from "../memory/wasm_memory.ts";
import type { WorkerType } from "../runtime/adapter.ts";
import type { NamedMemory } from "./lane_memories.ts";
import type { LaneMemory } from "./lane_memory.ts";
import type { WireError } from "./remote_error.ts";

/** What a worker is told at its birth, before any message. */
export interface Birth {
  /** What it is for. */
  readonly role: "process" | "pool";
  /** Its name, as in `currentProcess().name`. */
  readonly name: string;
  /** The numbers in its default name: `[1, 2]` is the second child of the first child of the main process. */
  readonly identity: readonly number[];
  /** Its number. */
  readonly id: number;
  /** Whether it ends with its parent, and may have no children. */
  readonly daemon: boolean;
  /** How it was made. */
  readonly type: WorkerType;
  /** Whether it runs one task at a time: then a task that awaits a lock can be part of a deadlock. */
  readonly oneTask: boolean;
  /** Its parent. */
  readonly parent: { readonly name: string; readonly id: number };
  /** The program's main module. */
  readonly mainModule: string | undefined;
  /** CPUs that the program may use, if its parent has counted them. */
  readonly cpus: number | undefined;
  /** Its place in the agent table, the table, and its control words: for threads. */
  readonly shared?: {
    readonly slot: number;
    readonly generation: number;
    readonly agents: SharedArrayBuffer;
    readonly control: SharedArrayBuffer;
    /** Its link, see `links.ts`. */
    readonly link: unknown;
  } | undefined;
  /** Of a pool's thread: what it would be told first, where nothing has to be run for it. A message of its own would cost it a turn. */
  readonly first?: InitializeMessage<unknown> | undefined;
}

/** Plain data, and whether it holds descriptions of shared objects (see `handles.ts`). */
export interface Payload {
  readonly value: unknown;
  readonly handles: boolean;
}

/** To a process: run this and end. `R` is a reference to a function, see `tasks/reference.ts`. */
export interface StartMessage<R> {
  readonly kind: "start";
  readonly reference: R;
  readonly args: Payload;
  /** `R` refers to a subclass of `Process`: the fields of its object, whose `run` is called. */
  readonly fields?: Payload | undefined;
}

/** To a worker: end, in order. */
export interface StopMessage {
  readonly kind: "stop";
}

/** To a pool worker, first: what to run before anything else. */
export interface InitializeMessage<R> {
  readonly kind: "initialize";
  readonly initializer: { readonly reference: R; readonly args: Payload } | undefined;
  readonly concurrency: number;
  /** Where several tasks are in flight: how long one may take, in ms. */
  readonly taskTimeout: number | undefined;
  /** The lane in shared memory, where there is one; else chunks come by message. */
  readonly lane?: LaneMemory | undefined;
}

/** How the items of a chunk become arguments. */
export type ChunkMode = "apply" | "map" | "starmap";

/** Some calls of one function. */
export interface WireChunk {
  /** Its number while it is out; also that of its claim word, see `control.ts`. */
  readonly slot: number;
  /** The number of the function's reference. */
  readonly task: number;
  readonly mode: ChunkMode;
  /** Whether the items after one that fails are still run. */
  readonly keepGoing: boolean;
  /** `apply`: the arguments of one call. `map`: an array or typed array of items. `starmap`: an array of arguments. */
  readonly items: Payload;
}

/** To a pool worker: references it has not seen yet, then chunks. */
export interface RunMessage<R> {
  readonly kind: "run";
  readonly references: readonly R[];
  readonly chunks: readonly WireChunk[];
}

/** To a pool worker: the value of a record in its work ring, for each such record one, in their order. */
export interface TicketMessage {
  readonly kind: "ticket";
  readonly items: Payload;
  /** Memory in it that later records name by a number. */
  readonly memories?: readonly NamedMemory[];
}

/**
 * A long string by itself, where threads share those (see `isSharedString`): inside of anything else it would be copied. To a pool
 * worker: a ticket, with the one argument of a call. From it: the result that a {@linkcode TextMessage} has just announced.
 */
export type BareText = string;

/** From a pool worker: the result of this call comes next, as {@linkcode BareText}. */
export interface TextMessage {
  readonly kind: "text";
  readonly slot: number;
  readonly elapsed: number;
}

/** To a pool worker: those numbers name nothing any more. */
export interface ForgetMessage {
  readonly kind: "forget";
  readonly ids: readonly number[];
}

/** Between host and pool worker: the memory for values that are too large for the ring, which its writer has made. */
export interface MemoryMessage {
  readonly kind: "memory";
  readonly memory: WasmMemory;
}

/** Everything that a host says. */
export type HostMessage<R> =
  | StartMessage<R>
  | StopMessage
  | InitializeMessage<R>
  | RunMessage<R>
  | TicketMessage
  | BareText
  | ForgetMessage
  | MemoryMessage;

/** From a pool worker: it is ready for chunks. */
export interface ReadyMessage {
  readonly kind: "ready";
}

/** From a pool worker: its initializer failed; it ends. From any worker: nobody caught this; it ends. */
export interface FailedMessage {
  readonly kind: "initializer-failed" | "uncaught";
  readonly error: WireError;
}

/** From any worker: its exit has begun; its last messages follow. */
export interface ExitingMessage {
  readonly kind: "exiting";
  readonly code: number;
}

export type { WireError };

/** What became of one chunk. */
export interface WireResult {
  readonly slot: number;
  /** How long `count` calls like it took, in ms; 0 when that was not measured. */
  readonly elapsed: number;
  readonly count: number;
  /** `apply`: the result; else an array of results, of which those that failed are undefined. */
  readonly result: Payload | undefined;
  /** What failed: the place in the chunk, and the error. */
  readonly errors: readonly (readonly [number, WireError])[];
}

/** From a pool worker: chunks that are done. */
export interface DoneMessage {
  readonly kind: "done";
  readonly results: readonly WireResult[];
}

/** Everything that a worker says. */
export type WorkerMessage =
  | ReadyMessage
  | FailedMessage
  | DoneMessage
  | TextMessage
  | BareText
  | MemoryMessage
  | ExitingMessage;
