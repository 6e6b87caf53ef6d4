import workerpool from "workerpool";
import { burn, echo, fibonacci, increment, rest, roots, squares, toil } from "../../work.mjs";

function moved(buffer) {
  return new workerpool.Transfer(buffer, [buffer]);
}

workerpool.worker({ burn, echo, fibonacci, increment, moved, rest, roots, squares, toil });
