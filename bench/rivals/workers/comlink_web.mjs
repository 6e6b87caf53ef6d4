import { expose, transfer } from "comlink";
import * as work from "../../work.mjs";

function moved(buffer) {
  return transfer(buffer, [buffer]);
}

expose({ ...work, moved });
