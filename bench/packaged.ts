/**
 * This library from its npm package, as a contestant: JavaScript, where the sources are TypeScript that each worker strips. On
 * Node the first TypeScript module that a thread loads costs it 10 MB and 20 ms.
 * @module
 */
import { existsSync } from "node:fs";
import type { Pool as PoolOfSources, remote as remoteOfSources } from "../mod.ts";
import type { Contestant } from "./contestant.ts";
import { openPool, type work } from "./ours.ts";

const PACKAGE = new URL("../npm/esm/manycore.js", import.meta.url);

/** What a user of the npm package gets. */
export const packaged: Contestant = {
  name: "Pool, from the npm package",
  kind: "ours",
  refusal: () => existsSync(PACKAGE) ? undefined : "not built: npm run build",
  async open({ workers }) {
    const { Pool, remote } = await import(PACKAGE.href) as {
      Pool: typeof PoolOfSources;
      remote: typeof remoteOfSources;
    };
    const tasks = remote(new URL("./work.mjs", import.meta.url)) as typeof work;
    return openPool(new Pool(workers), tasks);
  },
};
