/**
 * Numbers about a pool.
 * @module
 */

/** Numbers about a pool. */
export interface PoolStats {
  /** Workers that live. */
  readonly workers: number;
  /** Workers of those that have nothing to do. */
  readonly idle: number;
  /** Calls that wait to be started, as far as their number is known. */
  readonly queued: number;
  /** Calls that are at a worker. */
  readonly running: number;
  /** Calls that succeeded. */
  readonly completed: number;
  /** Calls that threw, or whose arguments or result could not be sent. */
  readonly failed: number;
  /** Workers that died. */
  readonly crashed: number;
  /** Calls that were run again because their worker died. */
  readonly retried: number;
  /** Workers that were replaced after `maxTasksPerChild` calls. */
  readonly recycled: number;
}
