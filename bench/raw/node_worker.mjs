import { parentPort } from "node:worker_threads";
import { answer } from "./answer.mjs";

const post = (value, transfer) => parentPort.postMessage(value, transfer);
parentPort.on("message", (message) => answer(message, post));
