/**
 * Loads every module whose objects may be passed anywhere, so that a worker can attach those that it receives.
 * @module
 */
export {};
