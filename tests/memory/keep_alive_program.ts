/** A program whose only pending thing is an asynchronous wait: it must not end before that is over. */
import { setTimeout } from "node:timers";
import { Event } from "../../src/sync/event.ts";
import { Lock } from "../../src/sync/lock.ts";

const lock = new Lock();
const event = new Event();
const guard = lock.acquireSync();
setTimeout(() => guard.release(), 100).unref();
(await lock.acquire()).release();
setTimeout(() => event.set(), 100).unref();
await event.wait();
console.log(`then ${await event.wait({ timeout: 5 })}, ${await lock.acquire({ timeout: 5 }) !== null}`);
