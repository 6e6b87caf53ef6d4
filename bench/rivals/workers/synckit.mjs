import { runAsWorker } from "synckit";
import * as work from "../../work.mjs";

runAsWorker((task, argument) => work[task](argument));
