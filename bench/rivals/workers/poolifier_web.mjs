import { ThreadWorker } from "poolifier-web-worker";
import { burn, echo, fibonacci, increment, rest, roots, squares, toil } from "../../work.mjs";

export default new ThreadWorker({ burn, echo, fibonacci, increment, rest, roots, squares, toil });
