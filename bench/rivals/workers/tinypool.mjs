import Tinypool from "tinypool";
export { burn, echo, fibonacci, increment, rest, roots, squares, toil } from "../../work.mjs";

export function moved(buffer) {
  return Tinypool.move(buffer);
}
