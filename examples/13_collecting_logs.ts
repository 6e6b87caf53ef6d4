// Many processes write to one log, and one of them crashes.
//
// What the guide teaches: do not let processes write to one file; give each a queue handler, and let one process write. In
// Python the records go through a feeder thread, so that what a crashing process has logged last (which is what one wants
// to read) is lost with it.
//
// Other than in Python:
// - A record that was put is in the queue before put() returns. The last words of a process that crashes are there.
// - The writer here is the main program, with `for await`: it can do other things meanwhile.
// - Records of one process come in the order in which it has put them; each has the time, to sort by.

import process from "node:process";
import { currentProcess, isMain, Process, Queue } from "@manycore/multiprocessing";

interface LogRecord {
  readonly time: number;
  readonly process: string;
  readonly level: "info" | "error";
  readonly text: string;
}

/** A logger for this process. */
function loggerFor(log: Queue<LogRecord>): (level: LogRecord["level"], text: string) => void {
  const { name } = currentProcess();
  return (level, text) => log.putSync({ time: Date.now(), process: name, level, text });
}

/** Does some work, and logs it. */
export function work(log: Queue<LogRecord>, steps: number, crashAt: number): void {
  const write = loggerFor(log);
  write("info", "starting");
  for (let step = 1; step <= steps; step++) {
    if (step === crashAt) {
      write("error", `step ${step}: no way to go on`);
      process.exit(70);
    }
    write("info", `step ${step} done`);
  }
  write("info", "finished");
}

if (isMain(import.meta)) {
  const log = new Queue<LogRecord>();
  const steps = 100;
  const workers = Array.from(
    { length: 6 },
    (_, i) => new Process(work, [log, steps, i === 3 ? 50 : 0], { name: `Worker-${i + 1}` }),
  );
  for (const worker of workers) worker.start();
  const ended = Promise.all(workers.map((worker) => worker.join())).then(() => log.close());

  const byProcess = new Map<string, LogRecord[]>();
  let errors = 0;
  for await (const record of log) {
    const records = byProcess.get(record.process) ?? [];
    records.push(record);
    byProcess.set(record.process, records);
    if (record.level === "error") {
      errors++;
      console.log(`${record.process} ${record.level.toUpperCase()} ${record.text}`);
    }
  }
  await ended;

  for (const [name, records] of [...byProcess].sort(([a], [b]) => a.localeCompare(b))) {
    const inOrder = records.every((record, i) => i === 0 || record.time >= (records[i - 1] as LogRecord).time);
    const code = workers.find((worker) => worker.name === name)?.exitCode;
    console.log(
      `${name}: ${records.length} records, in order: ${inOrder}, last "${records.at(-1)?.text}", exit code ${code}`,
    );
  }
  console.log(`errors: ${errors}`);
}
