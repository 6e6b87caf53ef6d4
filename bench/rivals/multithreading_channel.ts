/**
 * The channels of `multithreading`, the only rival that has any: https://github.com/W4G1/multithreading
 * @module
 */
interface Result {
  readonly ok: boolean;
  readonly value?: unknown;
}

interface Sender {
  clone(): Sender;
  blockingSend(value: unknown): Result;
}

interface Receiver {
  clone(): Receiver;
  blockingRecv(): Result;
}

interface Module {
  readonly initRuntime: (options: { maxWorkers: number }) => void;
  readonly channel: (capacity: number) => [Sender, Receiver];
  readonly move: (...args: unknown[]) => unknown;
  readonly spawn: (payload: unknown, fn: (...args: never[]) => unknown) => { join(): Promise<Result> };
}

/** One writer, one reader, `count` messages. */
export interface Channel {
  integers(count: number): Promise<void>;
  /** Undefined where not all of them arrive. */
  readonly objects: ((count: number) => Promise<void>) | undefined;
}

/** How many messages a trial sends, and how long it may take, in ms. */
const TRIAL = 10_000;
const PATIENCE = 15_000;

/** Its channel, ready to be measured; undefined where it does not load or does not work. */
export async function openChannel(): Promise<Channel | undefined> {
  try {
    const name = "multithreading";
    const { channel, initRuntime, move, spawn } = await import(name) as Module;
    initRuntime({ maxWorkers: 2 });
    const run = async (count: number, objects: boolean): Promise<void> => {
      const [sender, receiver] = channel(100);
      // Functions travel as their source text, and see only their arguments.
      const writing = spawn(move(sender, count, objects), (sender: Sender, count: number, objects: boolean) => {
        for (let i = 0; i < count; i++) sender.blockingSend(objects ? { id: i, name: "item" } : i);
      });
      const reading = spawn(move(receiver, count), (receiver: Receiver, count: number) => {
        let wrong = 0;
        for (let i = 0; i < count; i++) if (!receiver.blockingRecv().ok) wrong++;
        return wrong;
      });
      const [, result] = await Promise.all([writing.join(), reading.join()]);
      if (!result.ok || result.value !== 0) throw new Error(`${String(result.value)} messages did not arrive`);
    };
    const trial = (objects: boolean): Promise<void> =>
      Promise.race([
        run(TRIAL, objects),
        new Promise<void>((_, reject) => setTimeout(() => reject(new Error("it hangs")), PATIENCE)),
      ]);
    await trial(false);
    const objects = await trial(true).then(() => true, (error) => {
      console.log(`multithreading: no figures for objects (${String(error)})\n`);
      return false;
    });
    return { integers: (count) => run(count, false), objects: objects ? (count) => run(count, true) : undefined };
  } catch (error) {
    console.log(`multithreading: no figures (${String(error)})\n`);
    return undefined;
  }
}
