import { answer } from "./answer.mjs";

const post = (value, transfer) => transfer === undefined ? postMessage(value) : postMessage(value, transfer);
globalThis.onmessage = ({ data }) => answer(data, post);
