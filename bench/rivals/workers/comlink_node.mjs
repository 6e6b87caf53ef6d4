import { parentPort } from "node:worker_threads";
import { expose, transfer } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import * as work from "../../work.mjs";

function moved(buffer) {
  return transfer(buffer, [buffer]);
}

expose({ ...work, moved }, nodeEndpoint(parentPort));
