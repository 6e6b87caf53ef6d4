// What the bare workers have in common. A worker is told once which task follows ({ use }), then gets bare arguments and sends
// bare results, in order. { items } is an array of arguments, { moved } a buffer that goes back as it came.
import * as work from "../work.mjs";

let task = work.echo;

export function answer(message, post) {
  if (typeof message === "object" && message !== null) {
    if (message.use !== undefined) {
      task = work[message.use];
      return;
    }
    if (message.items !== undefined) return post(message.items.map((item) => task(item)));
    if (message.moved !== undefined) return post(message.moved, [message.moved]);
  }
  post(task(message));
}
