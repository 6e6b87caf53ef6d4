/** See layout.mjs. */
export const REQUESTS: number, ANSWERS: number, PARKED: number, TASK: number, KIND: number, LENGTH: number;
/** How many words a worker has, and the bell. */
export const WORDS: number, BELL_WORDS: number;
/** Words of the bell. */
export const RUNG: number, WAITING: number;
/** How many requests may be out. */
export const SLOTS: number;
/** How many looks before sleeping. */
export const LOOKS: number;
/** The tasks that it can do. */
export const TASKS: readonly string[];
/** Makes a double that is an integer one that the engine treats as such. */
export function asInteger(value: number): number;
