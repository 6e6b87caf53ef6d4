// The web's form of two_lines.mjs.
globalThis.onmessage = ({ data }) => postMessage(data + 1);
