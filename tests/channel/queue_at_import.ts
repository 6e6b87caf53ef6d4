/** A module that uses a queue while it is imported, in whatever process. */
import { Queue, task } from "@manycore/multiprocessing";

const queue = new Queue<string>();
queue.putSync("knock knock");
/** What came. */
export const got: string = queue.getSync({ timeout: 30_000 });
await queue.put("who is there?");
/** What came, without blocking. */
export const answer: string = await queue.get({ timeout: 30_000 });
queue.close();

/** What came in the process that runs it. */
export const tell = task(import.meta, (back: Queue<string>): void => back.putSync(`${got} ${answer}`));
