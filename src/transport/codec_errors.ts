/**
 * Errors in the codec: class, name, message, stack, cause, `errors` and fields.
 *
 * ```
 * ERROR      class (string), parts (a byte), message, stack, name (strings), cause, errors (values), as the parts say; count, and
 *            keys and values of the fields, each complete in itself
 * ```
 *
 * The error itself must always arrive: a field that cannot be sent arrives as a sentence about it. That is found out before the
 * field is written, since what the shared objects in it have set aside cannot be taken back.
 * @module
 */
import { Tag } from "./codec_tags.ts";
import { refuseFirst } from "./handles.ts";
import { classOf, describeUnsent, fieldsOf, readField } from "./remote_error.ts";

/** What an error has beside its class: one bit each. */
export const ErrorPart = { MESSAGE: 1, STACK: 2, NAME: 4, CAUSE: 8, ERRORS: 16 } as const;

/** A writer, as far as errors need it. */
export interface ErrorWriter {
  readonly courier: unknown;
  byte(value: number): void;
  count(value: number): void;
  string(value: string): void;
  value(value: unknown, depth: number): void;
  scope(value: unknown, depth: number): void;
}

/** Writes an error. */
export function writeError(writer: ErrorWriter, error: Error, depth: number): void {
  const type = classOf(error);
  const name = readField(error, "name");
  const isDom = type === "DOMException";
  const message = isDom || Object.hasOwn(error, "message") ? readField(error, "message") : undefined;
  const stack = readField(error, "stack");
  const cause = Object.hasOwn(error, "cause");
  const errors = Object.hasOwn(error, "errors") && !Object.prototype.propertyIsEnumerable.call(error, "errors");
  writer.byte(Tag.ERROR);
  writer.string(type);
  writer.byte(
    (typeof message === "string" ? ErrorPart.MESSAGE : 0) | (typeof stack === "string" ? ErrorPart.STACK : 0) |
      (typeof name === "string" ? ErrorPart.NAME : 0) | (cause ? ErrorPart.CAUSE : 0) | (errors ? ErrorPart.ERRORS : 0),
  );
  for (const part of [message, stack, name]) if (typeof part === "string") writer.string(part);
  if (cause) writer.value(readField(error, "cause"), depth);
  if (errors) writer.value(readField(error, "errors"), depth);
  const fields = fieldsOf(error);
  writer.count(fields.length);
  for (const key of fields) {
    writer.string(key);
    writer.scope(sendable(readField(error, key), key, writer.courier !== undefined), depth);
  }
}

function sendable(value: unknown, key: string, bytes: boolean): unknown {
  try {
    refuseFirst(value, key, bytes);
    return value;
  } catch (failure) {
    return describeUnsent(value, failure);
  }
}
