import { expose, Transfer } from "threads/worker";
import { burn, echo, fibonacci, increment, rest, roots, squares, toil } from "../../work.mjs";

function moved(buffer) {
  return Transfer(buffer, [buffer]);
}

expose({ burn, echo, fibonacci, increment, moved, rest, roots, squares, toil });
