/**
 * What a caller is told when its worker died.
 * @module
 */
import { WorkerCrashedError } from "../errors.ts";
import type { ChildExit } from "../process/supervisor.ts";
import type { Chunk } from "./job.ts";
import type { Member } from "./member.ts";

/** The error of a chunk whose worker died. */
export function crashError(
  member: Member,
  exit: ChildExit,
  chunk: Chunk,
  cause: unknown,
  when = "while",
): WorkerCrashedError {
  const { name } = member.child;
  const task = chunk.job.reference.name || "a task";
  const how = exit.code < 0 ? `was killed (${exit.code})` : `ended with exit code ${exit.code}`;
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  const what = chunk.count === 1 ? task : `a chunk of ${chunk.count} calls of ${task}`;
  return new WorkerCrashedError(
    `${name} ${how} ${when} it ran ${what}${why}`,
    { exitCode: exit.code, processName: name },
    cause === undefined ? undefined : { cause },
  );
}
