// Fetching pages concurrently, from a server that this program starts on loopback.
//
// What the guide teaches: work that waits (for a network, a disk) overlaps well even on one core. Python uses asyncio, a pool
// of threads, or a pool with many more processes than cores.
//
// Other than in Python:
// - A worker here has an event loop, so one worker can wait for many pages at a time: { concurrency: 10 } lets ten calls of
//   an async function be in flight in each of the two workers. More workers would only cost memory.
// - If waiting is all there is, Promise.all() on one thread does it as fast, with no pool. The pool pays as soon as what
//   was fetched is parsed, compressed or searched; and it bounds how many requests are open, which Promise.all() does not.
// - imapUnordered() gives each page as soon as it is there.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { isMain, Pool } from "@manycore/multiprocessing";

/** How long the server takes for a page, in ms. */
const DELAY = 50;
const PAGES = 20;

/** What is kept of a page. */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly title: string;
}

/** Fetches a page and finds its title. */
export async function fetchTitle(url: string): Promise<Page> {
  const response = await fetch(url);
  const html = await response.text();
  return { url, status: response.status, title: /<title>(.*?)<\/title>/.exec(html)?.[1] ?? "(none)" };
}

if (isMain(import.meta)) {
  const server = createServer((request, response) => {
    setTimeout(() => {
      const found = request.url !== "/page/13";
      response.writeHead(found ? 200 : 404, { "content-type": "text/html" });
      response.end(`<title>${found ? `Page ${request.url?.slice(6)}` : "Not found"}</title>`);
    }, DELAY);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const urls = Array.from({ length: PAGES }, (_, i) => `http://127.0.0.1:${port}/page/${i + 1}`);

  try {
    await new Pool(2, { concurrency: 10 }).run(async (pool) => {
      await pool.map(fetchTitle, urls.slice(0, 2), { chunkSize: 1 }); // The workers are there now.

      let start = performance.now();
      for (const url of urls) await fetchTitle(url);
      const series = performance.now() - start;

      start = performance.now();
      const pages = await pool.map(fetchTitle, urls, { chunkSize: 1 });
      const pooled = performance.now() - start;

      for (const page of pages) console.log(`${page.status} ${page.title}`);
      console.log(
        `${PAGES} pages one after the other: ${series.toFixed(0)} ms, by two workers: ${pooled.toFixed(0)} ms`,
      );

      let first = "";
      for await (const page of pool.imapUnordered(fetchTitle, urls)) {
        first = page.title;
        break; // Ends the iteration; pages that nobody asked for yet are not fetched.
      }
      console.log(`the first to arrive was a page: ${first !== ""}`);
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
