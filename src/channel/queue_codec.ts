/**
 * Items as bytes: with the codec, and the courier for shared memory in them.
 * @module
 */
import { decode, Encoder, MissingMemoryError } from "../transport/codec.ts";
import { courier, fetchMemory, fetchMemorySync } from "../transport/courier.ts";
import { EncodingError } from "../errors.ts";
import { inbox, MOST_ITEM_BYTES } from "./queue_records.ts";

const encoder = new Encoder(courier);
let length = 0;

/**
 * Encodes an item; the result is at {@linkcode encodedBytes}, until the next one is encoded.
 * @throws {EncodingError} when it cannot be sent
 */
export function encodeItem(item: unknown): void {
  length = encoder.encode(item, "item");
  if (length > MOST_ITEM_BYTES) {
    throw new EncodingError(
      `Cannot put an item of ${length} bytes: the most is ${MOST_ITEM_BYTES}. Put its parts, or a SharedArray.`,
      "item",
    );
  }
}

/** The encoding of the last item. */
export function encodedBytes(): Uint8Array {
  return encoder.bytes;
}

/** How many bytes it has. */
export function encodedLength(): number {
  return length;
}

/** Decodes what was taken, blocking the thread if shared memory in it has to be fetched. */
export function decodeItemSync(): unknown {
  try {
    return decode(inbox.bytes, 0, inbox.length, courier);
  } catch (error) {
    if (!(error instanceof MissingMemoryError)) throw error;
    const bytes = inbox.bytes.slice(0, inbox.length);
    for (let missing = error;;) {
      fetchMemorySync(missing.id);
      try {
        return decode(bytes, 0, bytes.length, courier);
      } catch (error) {
        if (!(error instanceof MissingMemoryError) || error.id === missing.id) throw error;
        missing = error;
      }
    }
  }
}

/** Decodes what was taken; a promise when shared memory in it has to be fetched. No item is a promise. */
export function decodeItem(): unknown {
  try {
    return decode(inbox.bytes, 0, inbox.length, courier);
  } catch (error) {
    if (!(error instanceof MissingMemoryError)) throw error;
    return decodeLater(inbox.bytes.slice(0, inbox.length), error);
  }
}

async function decodeLater(bytes: Uint8Array, missing: MissingMemoryError): Promise<unknown> {
  for (let next = missing;;) {
    await fetchMemory(next.id);
    try {
      return decode(bytes, 0, bytes.length, courier);
    } catch (error) {
      if (!(error instanceof MissingMemoryError) || error.id === next.id) throw error;
      next = error;
    }
  }
}
