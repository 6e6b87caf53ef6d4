/** Placeholder until the detector is written. @module */
import type { LockCore } from "../sync/lock_core.ts";
/** Where races are written down. */
export interface RacePlace {
  readonly buffer: SharedArrayBuffer;
}
/** The detector. */
export interface RaceDetector {
  read(place: RacePlace | undefined, core: LockCore, index: number): void;
  write(place: RacePlace | undefined, core: LockCore, index: number): void;
}
/** The detector of this agent, while races are detected. */
export let detector: RaceDetector | undefined;
/** Makes a place. */
export function makePlace(_buffer?: SharedArrayBuffer): RacePlace | undefined {
  return undefined;
}
