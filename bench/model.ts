/**
 * When do more workers pay? Amdahl's law with the measured cost of a task.
 *
 * A batch of n tasks of d ns each, with p workers, takes
 *
 *   T(n, p, d) = f + n · max( h,                       the host's part of a task, which nobody can share: Amdahl's serial part
 *                             (d + w) / min(p, c),     the workers' part
 *                             (h + d + w) / c )        all of it on all CPUs: the host needs one too
 *
 * where h, w, f, and of how many CPUs the machine really gives the work (c: others use it too) are fitted to measured batches
 * (question scaling/size). From it follow the speed-up n · d / T, the number of
 * workers behind which the host is the bottleneck, and the smallest task that is worth a worker.
 *
 * SOURCE  G. M. Amdahl, "Validity of the single processor approach to achieving large scale computing capabilities" (1967); the cost
 *         per task on both sides, and the host as one of the CPUs' users, are ours.
 * @module
 */

/** What a task costs beyond its own work, in ns. */
export interface Model {
  /** On the host, per task. */
  readonly host: number;
  /** In the worker, per task. */
  readonly worker: number;
  /** Per batch. */
  readonly batch: number;
  readonly cores: number;
  /** Of how many CPUs the work really had the use. */
  readonly capacity: number;
  /** The typical factor between a prediction and its measurement, 1 is perfect. */
  readonly error: number;
}

/** A batch that was measured. */
export interface Point {
  readonly tasks: number;
  readonly workers: number;
  /** What a task takes by itself, ns. */
  readonly size: number;
  /** What the batch took, ns. */
  readonly elapsed: number;
}

type Costs = Omit<Model, "error">;

/** What a batch takes, in ns. */
export function predict(costs: Costs, tasks: number, workers: number, size: number): number {
  const { host, worker, batch, capacity } = costs;
  const shared = (size + worker) / Math.min(workers, capacity);
  return batch + tasks * Math.max(host, shared, (host + size + worker) / capacity);
}

/** How much faster many tasks are than one thread that does them alone. */
export function speedUp(model: Costs, workers: number, size: number, tasks = Infinity): number {
  if (tasks === Infinity) return size / predict({ ...model, batch: 0 }, 1, workers, size);
  return tasks * size / predict(model, tasks, workers, size);
}

/** How many workers pay for tasks of that size: with one more, the host or the machine is what limits. */
export function usefulWorkers(model: Costs, size: number): number {
  let useful = 1;
  while (useful < model.cores && speedUp(model, useful + 1, size) > 1.05 * speedUp(model, useful, size)) useful++;
  return useful;
}

/** The smallest task, in ns, of which many are `factor` times faster with so many workers; undefined when none is. */
export function smallestTask(model: Costs, workers: number, factor = 1): number | undefined {
  let [low, high] = [0.1, 1e10];
  if (speedUp(model, workers, high) < factor) return undefined;
  for (let i = 0; i < 100; i++) {
    const middle = Math.sqrt(low * high);
    if (speedUp(model, workers, middle) < factor) low = middle;
    else high = middle;
  }
  return high;
}

function errorOf(costs: Costs, points: readonly Point[]): number {
  let sum = 0;
  for (const { tasks, workers, size, elapsed } of points) {
    sum += Math.log(predict(costs, tasks, workers, size) / elapsed) ** 2;
  }
  return Math.sqrt(sum / points.length);
}

/**
 * Fits the costs to measurements: a coarse search over their magnitudes, refined around the best.
 *
 * @throws {RangeError} without measurements
 */
export function fit(points: readonly Point[], cores: number): Model {
  if (points.length === 0) throw new RangeError("There is nothing to fit the model to.");
  // A batch costs no more than half of the quickest one that was measured, so that costs per task are not taken for it.
  const mostBatch = Math.min(...points.map(({ elapsed }) => elapsed)) / 2;
  let best: Costs = { host: 300, worker: 300, batch: mostBatch / 100, cores, capacity: cores };
  let least = errorOf(best, points);
  let factor = 10;
  const around = (value: number, low: number, high: number): number[] => [
    ...new Set([-3, -2, -1, 0, 1, 2, 3].map((step) => Math.min(high, Math.max(low, value * factor ** (step / 2))))),
  ];
  for (let round = 0; round < 60 && factor > 1.003; round++) {
    const before = least;
    const hosts = around(best.host, 1, 1e8);
    const workers = around(best.worker, 1, 1e8);
    const batches = around(best.batch, 1, mostBatch);
    for (const capacity of around(best.capacity, 0.5, cores)) {
      for (const host of hosts) {
        for (const worker of workers) {
          for (const batch of batches) {
            const costs = { host, worker, batch, cores, capacity };
            const error = errorOf(costs, points);
            if (error < least) [best, least] = [costs, error];
          }
        }
      }
    }
    if (least > 0.999 * before) factor = Math.sqrt(factor);
  }
  return { ...best, error: Math.exp(least) };
}
