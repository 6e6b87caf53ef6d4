/**
 * The links of the courier (`courier.ts`): each thread that this library starts has a pair of message ports with the root,
 * the first thread of the program, wherever in the tree it is born.
 *
 * ```
 *   root ◀──── link ────▶ worker ──starts──▶ worker of the worker
 *    ▲                       │ posts the near port up its own link, before the thread exists
 *    └───────────────── link ┴──────────────────────▶ gets the far port with its birth data
 * ```
 *
 * A pair costs 5 to 60 µs; the courier itself is loaded when somebody needs it.
 * @module
 */
import { type AgentSlot, tokenOf } from "../memory/agents.ts";
import { selfAgent } from "../memory/self.ts";
import { makePorts, type Port } from "../runtime/ports.ts";
import { sharedState } from "../runtime/shared_state.ts";

/** What is said on a link. An array, since every runtime clones it fastest. */
export type LinkMessage =
  /** Up: a new thread's near port and token. */
  | readonly [kind: typeof LINK, token: number, port: Port]
  /** Up: keep this memory until so many more have taken it. */
  | readonly [kind: typeof EXPORT, id: number, count: number, memory: object]
  /** Up: so many have taken these: pairs of id and count. */
  | readonly [kind: typeof RELEASE, ...pairs: number[]]
  /** Up: who has this memory? */
  | readonly [kind: typeof FETCH, id: number]
  /** Up: here is a message that nobody is going to read; let go of what is in it. */
  | readonly [kind: typeof DISCARD, bytes: ArrayBuffer]
  /** Down: here it is; undefined, nobody has it. */
  | readonly [kind: typeof ANSWER, id: number, memory: object | undefined];

export const LINK = 0;
export const EXPORT = 1;
export const RELEASE = 2;
export const FETCH = 3;
export const DISCARD = 4;
export const ANSWER = 5;

/** A link, as the root sees it. */
export interface Link {
  readonly token: number;
  readonly port: Port;
}

const state = sharedState("links", () => ({
  /** In the root: all links, and what to do when there is a first one. */
  links: [] as Link[],
  onLink: undefined as (() => void) | undefined,
  /** In a worker: its own end. */
  up: undefined as Port | undefined,
}));

/** The root's ends of all links; other threads have none. */
export function links(): Link[] {
  return state.links;
}

/** This thread's link to the root; undefined in the root, and in a thread that somebody else started. */
export function uplink(): Port | undefined {
  return state.up;
}

/** Has `handler` called in the root when a link is made. */
export function onLink(handler: () => void): void {
  state.onLink = handler;
}

/**
 * Makes the link of a thread that is about to start. The result is to be transferred to it, with its birth data, and given
 * to {@linkcode takeLink} there. Undefined: this thread has no link itself.
 */
export function linkFor(child: AgentSlot): unknown {
  const token = tokenOf(child);
  if (state.up === undefined) {
    if (selfAgent().slot !== 0) return undefined;
    const { near, far } = makePorts();
    state.links.push({ token, port: near });
    state.onLink?.();
    return far;
  }
  const { near, far } = makePorts();
  state.up.postMessage([LINK, token, near] satisfies LinkMessage, [near]);
  return far;
}

/** In a new thread, first of all: takes the end that {@linkcode linkFor} made. */
export function takeLink(port: unknown): void {
  state.up = port as Port | undefined;
}
