/**
 * The model of model.ts, fitted to the rows of scaling_bench.ts.
 * @module
 */
import { time } from "./format.ts";
import { fit, type Model, type Point, smallestTask, speedUp, usefulWorkers } from "./model.ts";
import type { Row } from "./rows.ts";

/** The two ways to give work to a pool that are modelled. */
export const WAYS = ["Pool", "Pool.map"] as const;

/** The measured batches of one way, of one runtime's rows. */
export function pointsOf(rows: readonly Row[], way: string): Point[] {
  const sizes = rows.filter(({ question, times }) => question === "scaling/size" && times !== undefined);
  const alone = new Map(
    sizes.filter(({ kind }) => kind === "serial").map(({ x, times, per = 1 }) => [x, (times?.p50 ?? 0) / per]),
  );
  return sizes.filter(({ who, x }) => who === way && alone.has(x)).map((row) => ({
    tasks: row.per ?? 1,
    workers: row.workers,
    size: alone.get(row.x) as number,
    elapsed: row.times?.p50 as number,
  }));
}

/** The fitted model, or undefined when nothing was measured. */
export function modelOf(rows: readonly Row[], way: string, cores: number): Model | undefined {
  const points = pointsOf(rows, way);
  return points.length === 0 ? undefined : fit(points, cores);
}

/** What the model says, as lines of a table: header, then one for each size. */
export function predictions(model: Model, points: readonly Point[], workers: number): string[][] {
  const measured = points.filter((point) => point.workers === workers);
  return [
    ["Task", "Measured", "Predicted", "Workers that pay"],
    ...measured.map(({ tasks, size, elapsed }) => [
      time(size),
      `${(tasks * size / elapsed).toFixed(2)} ×`,
      `${speedUp(model, workers, size, tasks).toFixed(2)} ×`,
      String(usefulWorkers(model, size)),
    ]),
  ];
}

/** The smallest tasks that are worth it, as text. */
export function worthIt(model: Model, workers: number): { even: string; most: string } {
  const shown = (factor: number): string => {
    const size = smallestTask(model, workers, factor);
    return size === undefined ? "none" : time(size);
  };
  return { even: shown(1), most: shown(0.9 * Math.min(workers, model.capacity)) };
}
