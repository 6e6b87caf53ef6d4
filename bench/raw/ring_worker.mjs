// The other end of ring.ts: takes numbers until the host terminates it.
import { workerData } from "node:worker_threads";
import * as work from "../work.mjs";
import {
  ANSWERS,
  asInteger,
  KIND,
  LENGTH,
  LOOKS,
  PARKED,
  REQUESTS,
  RUNG,
  SLOTS,
  TASK,
  TASKS,
  WAITING,
} from "./layout.mjs";
import { read, write } from "./text.mjs";

const words = new Int32Array(workerData.words);
const bell = new Int32Array(workerData.bell);
const requests = new Float64Array(workerData.requests);
const answers = new Float64Array(workerData.answers);
const inbox = new Uint8Array(workerData.inbox);
const outbox = new Uint8Array(workerData.outbox);

function awaitRequest(done) {
  for (let i = 0; i < LOOKS; i++) {
    const put = Atomics.load(words, REQUESTS);
    if (put !== done) return put;
  }
  Atomics.store(words, PARKED, 1);
  while (Atomics.load(words, REQUESTS) === done) Atomics.wait(words, REQUESTS, done);
  Atomics.store(words, PARKED, 0);
  return Atomics.load(words, REQUESTS);
}

function publish(done) {
  Atomics.store(words, ANSWERS, done);
  if (Atomics.load(bell, WAITING) === 1) {
    Atomics.add(bell, RUNG, 1);
    Atomics.notify(bell, RUNG);
  }
}

for (let done = 0;;) {
  const put = awaitRequest(done);
  const task = work[TASKS[words[TASK]]];
  while (done !== put) {
    const argument = requests[done % SLOTS];
    if (argument === argument) {
      answers[done % SLOTS] = task(asInteger(argument));
    } else {
      [words[KIND], words[LENGTH]] = write(task(read(words[KIND], words[LENGTH], inbox)), outbox);
      answers[done % SLOTS] = NaN;
    }
    if ((++done & 31) === 0) publish(done);
  }
  publish(done);
}
