import coincident from "coincident/worker";
import * as work from "../../work.mjs";

const { proxy } = await coincident();
for (const name of Object.keys(work)) proxy[name] = work[name];
proxy.ready(); // calls that come before the tasks are there would be refused
