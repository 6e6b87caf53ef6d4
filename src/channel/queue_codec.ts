/**
 * Items as bytes: by the codec, with the books kept of what travels beside them (`transport/parcel.ts`).
 * @module
 */
import { EncodingError } from "../errors.ts";
import { decode, Encoder, MissingMemoryError } from "../transport/codec.ts";
import { courier } from "../transport/courier.ts";
import {
  type Cargo,
  encodeParcel,
  openParcel,
  openParcelLater,
  openParcelSync,
  sentCargo,
  takeCargo,
  undoCargo,
} from "../transport/parcel.ts";
import { BYTES, inbox, MOST_ITEM_BYTES, PARCEL } from "./queue_records.ts";

const encoder = new Encoder(courier);
let length = 0;
let cargo: Cargo | undefined;

/**
 * Encodes an item. What came of it is told by the functions below, until the next one is encoded.
 * @throws {EncodingError} when it cannot be sent
 */
export function encodeItem(item: unknown): void {
  if (typeof item === "string") {
    cargo = undefined;
    length = encoder.encode(item, "item");
  } else {
    // Getters of the item may encode others: what belongs to this one is read when it is done.
    length = encodeParcel(encoder, item, "item");
    cargo = takeCargo();
  }
  if (length <= MOST_ITEM_BYTES) return;
  settleCargo(cargo, false);
  throw new EncodingError(
    `Cannot put an item of ${length} bytes: the most is ${MOST_ITEM_BYTES}. Put its parts, or a SharedArray.`,
    "item",
  );
}

/** The encoding. */
export function encodedBytes(): Uint8Array {
  return encoder.bytes;
}

/** How many bytes it has. */
export function encodedLength(): number {
  return length;
}

/** What travels beside it. */
export function itemCargo(): Cargo | undefined {
  return cargo;
}

/** Says what became of an item. */
export function settleCargo(cargo: Cargo | undefined, sent: boolean): void {
  if (cargo === undefined) return;
  if (sent) sentCargo(cargo);
  else undoCargo(cargo);
}

/** The kind of its record. */
export function encodedKind(): typeof BYTES | typeof PARCEL {
  return cargo === undefined ? BYTES : PARCEL;
}

/** Decodes what was taken, blocking the thread if shared memory in it has to be fetched. */
export function decodeItemSync(): unknown {
  if (inbox.kind === BYTES) return decodeBytes();
  // Fetching may let others in, who use the inbox.
  const bytes = takenBytes();
  return openParcelSync(bytes, 0, bytes.length);
}

/** Decodes what was taken; a promise when shared memory in it has to be fetched. No item is a promise. */
export function decodeItem(): unknown {
  if (inbox.kind === BYTES) return decodeBytes();
  const bytes = takenBytes();
  try {
    return openParcel(bytes, 0, bytes.length);
  } catch (failure) {
    if (!(failure instanceof MissingMemoryError)) throw failure;
    return openParcelLater(bytes, 0, bytes.length);
  }
}

function decodeBytes(): unknown {
  try {
    return decode(inbox.bytes, 0, inbox.length);
  } finally {
    inbox.done();
  }
}

function takenBytes(): Uint8Array {
  const bytes = inbox.bytes.slice(0, inbox.length);
  inbox.done();
  return bytes;
}
