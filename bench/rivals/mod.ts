/**
 * All rivals, in the order of the tables.
 * @module
 */
import type { Contestant } from "../contestant.ts";
import { coincident } from "./coincident.ts";
import { comlink } from "./comlink.ts";
import { multithreading } from "./multithreading.ts";
import { piscina } from "./piscina.ts";
import { poolifier } from "./poolifier.ts";
import { poolifierWebWorker } from "./poolifier_web_worker.ts";
import { synckit } from "./synckit.ts";
import { threads } from "./threads.ts";
import { tinypool } from "./tinypool.ts";
import { workerpool } from "./workerpool.ts";

/** The rivals. */
export const RIVALS: readonly Contestant[] = [
  piscina,
  tinypool,
  poolifier,
  poolifierWebWorker,
  workerpool,
  threads,
  comlink,
  coincident,
  synckit,
  multithreading,
];
