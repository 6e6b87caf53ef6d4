/** The URL of a module of agents' functions beside a test: `.ts` from source, `.js` in the built package. */
export function besides(meta: { readonly url: string }, name: string): string {
  return new URL(`./${name}.${meta.url.endsWith(".ts") ? "ts" : "js"}`, meta.url).href;
}
