import { move } from "piscina";
export { burn, echo, fibonacci, increment, rest, roots, squares, toil } from "../../work.mjs";

export function moved(buffer) {
  return move(buffer);
}
