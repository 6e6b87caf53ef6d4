/**
 * Loads every class whose objects may be passed anywhere. A worker imports this when the first message with such an
 * object arrives, so that workers that get plain data only do not load it.
 * @module
 */
import "./sync/lock.ts";
import "./sync/rlock.ts";
import "./sync/rwlock.ts";
import "./sync/semaphore.ts";
import "./sync/condition.ts";
import "./sync/event.ts";
import "./sync/barrier.ts";
import "./shared/value.ts";
import "./shared/array.ts";
import "./shared/shared_memory.ts";
import "./shared/shareable_list.ts";
import "./channel/connection.ts";
import "./channel/queue.ts";
import "./channel/joinable_queue.ts";
import "./channel/simple_queue.ts";
