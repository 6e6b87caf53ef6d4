// A pipe has two ends, one for each of two processes.
//
// What the guide teaches: Pipe() gives two connections; what is sent on one is received from the other, in order. Pass
// one to a process, and close your own copy of it: an end is closed when every process that has it has closed it, or has
// ended, and that is how the other side learns that nothing more will come. wait() waits for the first of several.
//
// Other than in Python:
// - recv() and send() are awaited; recvSync() and sendSync() block the thread. All four go with one another.
// - `for await` receives until the end of file, which is an EndOfFileError for recv().
// - A process that dies is the end of file, too, at the latest 250 ms later, whatever it was doing.
// - A connection can be sent anywhere at any time: as an argument, in a queue, through another connection.

import { type Connection, isMain, Pipe, Process, wait } from "@manycore/multiprocessing";
import process from "node:process";

/** Answers every number with its square, until nobody asks any more. */
export async function square(questions: Connection<number>): Promise<void> {
  for await (const n of questions) await questions.send(n * n);
  console.log("  the clerk goes home");
}

/** Sends readings, and may break down on the way. */
export function report(readings: readonly number[], breaksAfter: number, sink: Connection<number>): void {
  for (const [i, reading] of readings.entries()) {
    if (i === breaksAfter) process.exit(1);
    sink.sendSync(reading);
  }
}

/** Asks over a pipe that goes both ways. */
async function askAndAnswer(): Promise<void> {
  console.log("questions and answers:");
  const [mine, theirs] = Pipe<number>();
  const clerk = new Process(square, [theirs]);
  clerk.start();
  theirs.close();
  for (const n of [3, 4, 5]) {
    await mine.send(n);
    console.log(`  ${n} squared is ${await mine.recv()}`);
  }
  mine.close();
  await clerk.join();
}

/** Collects from several pipes that go one way, whichever has something. */
async function collect(): Promise<void> {
  console.log("three stations, one of which breaks down:");
  const stations = new Map<Connection<number>, { name: string; readings: number[] }>();
  const processes = (["north", "east", "south"] as const).map((name, i) => {
    const [source, sink] = Pipe<number>({ duplex: false });
    const station = new Process(report, [[10 + i, 20 + i, 30 + i], name === "east" ? 1 : 3, sink], { name });
    station.start();
    sink.close();
    stations.set(source, { name, readings: [] });
    return station;
  });
  const open = new Set(stations.keys());
  while (open.size > 0) {
    for (const source of await wait(open)) {
      try {
        stations.get(source)?.readings.push(source.recvSync());
      } catch {
        open.delete(source);
        source.close();
      }
    }
  }
  for (const { name, readings } of stations.values()) console.log(`  ${name}: ${readings.join(", ")}, end of file`);
  for (const station of processes) {
    await station.join();
    console.log(`  ${station.name} ended with exit code ${station.exitCode}`);
  }
}

if (isMain(import.meta)) {
  await askAndAnswer();
  await collect();
}
