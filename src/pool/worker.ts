/**
 * A pool's worker.
 *
 * ```
 *  messages ──▶ queue ──claim──▶ run (one chunk, or `concurrency` of them while they await) ──▶ outbox ──flush──▶ host
 * ```
 *
 * Results go back in batches: when the queue is empty, when {@linkcode FLUSH_AFTER} has passed, and at the exit, so that
 * work that is done is not lost when a later task ends the worker.
 * @module
 */
import { TimeoutError } from "../errors.ts";
import { runtime } from "../runtime/current.ts";
import { onExit } from "../runtime/host.ts";
import { receive, type WorkerSide } from "../process/worker.ts";
import type { TaskReference } from "../tasks/reference.ts";
import { explainMissing, type ResolvedTask, resolveTask, TaskTable } from "../tasks/resolve.ts";
import { WorkerState } from "../transport/control.ts";
import { pack } from "../transport/handles.ts";
import type { InitializeMessage, Payload, WireChunk, WireResult } from "../transport/protocol.ts";
import { encodeError, type WireError } from "../transport/remote_error.ts";

/** The longest that a finished result waits for others while more chunks run, in ms. */
const FLUSH_AFTER = 1;

/** Runs chunks until it is told to stop. */
export function runPoolWorker(side: WorkerSide): void {
  const tasks = new TaskTable();
  let queue: WireChunk[] = [];
  let head = 0;
  let ready = false;
  let concurrency = 1;
  let taskTimeout: number | undefined;
  let timed = false;
  let running = 0;
  let outbox: WireResult[] = [];
  let lastFlush = 0;
  let flushing = false;
  let pumping = false;

  side.listen((message) => {
    if (message.kind === "run") {
      for (const reference of message.references) tasks.learn(reference);
      if (head === queue.length) [queue, head] = [[], 0];
      queue.push(...message.chunks);
      pumpSoon();
    } else if (message.kind === "initialize") {
      ({ concurrency, taskTimeout } = message);
      timed = taskTimeout !== undefined;
      void initialize(message).then(() => {
        ready = true;
        side.post({ kind: "ready" });
        pumpSoon();
      });
    }
  });
  onExit(() => {
    flush();
    // On Deno messages may still arrive: what they bring belongs to another worker.
    queue = [];
    ready = false;
  });

  async function initialize({ initializer }: InitializeMessage<TaskReference>): Promise<void> {
    if (initializer === undefined) return;
    let task: ResolvedTask | undefined;
    try {
      task = await resolveTask(initializer.reference);
      await task.call(...await receive(initializer.args) as unknown[]);
    } catch (error) {
      const shown = task === undefined ? error : explainMissing(error, task);
      side.post({ kind: "initializer-failed", error: encodeError(shown) });
      side.exit(1);
    }
  }

  function pumpSoon(): void {
    if (!ready || pumping) return;
    pumping = true;
    runtime.enterUserCode(() => {
      pumping = false;
      if (ready) pump();
    });
  }

  function pump(): void {
    while (running < concurrency && head < queue.length) {
      const chunk = queue[head++] as WireChunk;
      if (side.control?.claim(chunk.slot) === false) continue;
      running++;
      const result = execute(chunk);
      if (result instanceof Promise) {
        void result.then((settled) => {
          finish(settled);
          flushSoon();
          pumpSoon();
        });
        continue;
      }
      finish(result);
      if (performance.now() - lastFlush > FLUSH_AFTER) flush();
    }
    // While tasks await, theirs and those that are done go together at the end of the turn.
    if (running === 0) flush();
    else flushSoon();
  }

  function finish(result: WireResult): void {
    running--;
    outbox.push(result);
  }

  function flushSoon(): void {
    if (flushing || outbox.length === 0) return;
    flushing = true;
    queueMicrotask(() => {
      flushing = false;
      flush();
    });
  }

  function flush(): void {
    lastFlush = performance.now();
    if (outbox.length === 0) return;
    const results = outbox;
    outbox = [];
    try {
      side.post({ kind: "done", results });
    } catch {
      for (const result of results) postAlone(result);
    }
  }

  function postAlone(result: WireResult): void {
    try {
      side.post({ kind: "done", results: [result] });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const failure = encodeError(new TypeError(`Cannot send the result to another process: ${reason}`));
      side.post({ kind: "done", results: [{ ...result, result: undefined, errors: [[0, failure]] }] });
    }
  }

  function execute(chunk: WireChunk): WireResult | Promise<WireResult> {
    const start = performance.now();
    const task = tasks.get(chunk.task);
    const items = receive(chunk.items);
    if (task instanceof Promise || items instanceof Promise) {
      return Promise.all([task, items]).then(
        ([found, live]) =>
          new Promise<WireResult>((resolve) => {
            runtime.enterUserCode(() => resolve(watched(chunk, found, live, start)));
          }),
        (error) => failed(chunk, error, start),
      );
    }
    return watched(chunk, task, items, start);
  }

  /** Tells the host's clock when it may run: not while a module is imported, or nothing is there to do. */
  function watched(
    chunk: WireChunk,
    task: ResolvedTask,
    items: unknown,
    start: number,
  ): WireResult | Promise<WireResult> {
    if (!timed || side.control === undefined) return call(chunk, task, items, start);
    side.control.addInside(1);
    const result = call(chunk, task, items, start);
    if (result instanceof Promise) return result.finally(() => side.control?.addInside(-1));
    side.control.addInside(-1);
    return result;
  }

  function call(chunk: WireChunk, task: ResolvedTask, items: unknown, start: number): WireResult | Promise<WireResult> {
    const errors: [number, WireError][] = [];
    const done = (result: Payload | undefined): WireResult => ({
      sequence: chunk.sequence,
      elapsed: performance.now() - start,
      result,
      errors,
    });
    const failure = (index: number, error: unknown): void =>
      void errors.push([index, encodeError(explainMissing(error, task))]);
    if (chunk.mode === "apply") {
      try {
        const value = begin(task, items as readonly unknown[]);
        if (!isThenable(value)) return done(pack(value, "result"));
        return limited(value, task).then((settled) => pack(settled, "result")).then(done, (error) => {
          failure(0, error);
          return done(undefined);
        });
      } catch (error) {
        failure(0, error);
        return done(undefined);
      }
    }
    const inputs = items as ArrayLike<unknown>;
    const floats = items instanceof Float64Array || items instanceof Float32Array;
    const results: unknown[] = new Array(inputs.length);
    let handles = false;
    const keep = (index: number, value: unknown): void => {
      const packed = pack(value, `result[${index}]`);
      handles ||= packed.handles;
      results[index] = packed.value;
    };
    const from = (first: number): WireResult | Promise<WireResult> => {
      enter();
      for (let i = first; i < inputs.length; i++) {
        if (timed) side.control?.beginItem();
        try {
          const input = floats ? integral(inputs[i] as number) : inputs[i];
          const value = chunk.mode === "map" ? task.call(input) : task.call(...input as readonly unknown[]);
          if (typeof value === "number" || typeof value === "string") {
            results[i] = value;
          } else if (isThenable(value)) {
            leave();
            return limited(value, task).then((settled) => keep(i, settled)).catch((error) => failure(i, error)).then(
              () => errors.length > 0 && !chunk.keepGoing ? done(undefined) : from(i + 1),
            );
          } else {
            keep(i, value);
          }
        } catch (error) {
          failure(i, error);
          if (!chunk.keepGoing) return leave(), done(undefined);
        }
      }
      leave();
      return done({ value: results, handles });
    };
    return from(0);
  }

  /** User code begins to run. */
  function enter(): void {
    if (side.control !== undefined) side.control.state = WorkerState.RUNNING;
  }

  /** User code returned, or awaits. */
  function leave(): void {
    if (side.control !== undefined) side.control.state = WorkerState.IDLE;
  }

  function begin(task: ResolvedTask, args: readonly unknown[]): unknown {
    if (timed) side.control?.beginItem();
    enter();
    try {
      return task.call(...args);
    } finally {
      leave();
    }
  }

  /** Where several tasks share the worker, one that takes too long is given up alone; otherwise the host ends the worker. */
  async function limited(value: PromiseLike<unknown>, task: ResolvedTask): Promise<unknown> {
    if (taskTimeout === undefined || concurrency === 1) return await value;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new TimeoutError(`${task.name || "The task"} took longer than taskTimeout (${taskTimeout} ms).`)),
        taskTimeout,
      );
    });
    try {
      return await Promise.race([value, limit]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function failed(chunk: WireChunk, error: unknown, start: number): WireResult {
  return {
    sequence: chunk.sequence,
    elapsed: performance.now() - start,
    result: undefined,
    errors: [[0, encodeError(error)]],
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as PromiseLike<unknown>).then === "function";
}

/** An integer out of a float array is a double to the engine, and slows integer code by 1.8 ×; −0 stays what it is. */
function integral(x: number): number {
  const k = x | 0;
  return k === x && (k !== 0 || 1 / x > 0) ? k : x;
}
