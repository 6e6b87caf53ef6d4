/** How tests look into the memory of a shared object. */
import { pack } from "../../src/transport/handles.ts";

/** The words of an object: those of the first memory in its description. */
export function wordsOf(object: object): Int32Array<SharedArrayBuffer> {
  const find = (part: unknown): SharedArrayBuffer | undefined => {
    if (part instanceof SharedArrayBuffer) return part;
    if (typeof part !== "object" || part === null) return undefined;
    for (const inner of Object.values(part)) {
      const found = find(inner);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return new Int32Array(find(pack(object, "object").value) as SharedArrayBuffer);
}
