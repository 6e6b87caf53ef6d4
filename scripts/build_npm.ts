// Builds the npm package with dnt, for a machine that reaches JSR: `deno run -A scripts/build_npm.ts`. It is what a
// release publishes; continuous integration, which reaches npm only, builds the same package with tsc
// (scripts/build_package.ts), and both take their manifest and the bundles from there. This file is left out of deno.json's and
// tsconfig.json's file sets: its one import cannot be resolved offline.

import { build, emptyDir } from "jsr:@deno/dnt@^0.42.1";
import { bundlePackage, packageManifest } from "./build_package.ts";

const manifest = packageManifest();

await emptyDir("./npm");

await build({
  entryPoints: [
    "./mod.ts",
    // A builder transpiles what its entry points import; nothing imports the roots of workers, which are started by URL.
    { name: "./worker", path: "./src/worker_main.ts" },
    { name: "./worker_cached", path: "./src/worker_cached.ts" },
  ],
  outDir: "./npm",
  // The library brings no polyfills: it finds out by itself what a runtime has.
  shims: {},
  polyfills: { importMeta: false },
  // CommonJS forbids a top-level await; Node 20.19 and newer `require()` the ES modules anyway.
  scriptModule: false,
  declaration: "inline", // beside the JavaScript, where `exports` says the types are
  // The tests run from the checkout, and on Node 20 against the package built with tsc.
  test: false,
  typeCheck: "single",
  compilerOptions: { lib: ["ESNext"], target: "ES2022" },
  // `exports` is explicit, so that dnt's own choice cannot differ from what was tested.
  package: manifest as Parameters<typeof build>[0]["package"],
  async postBuild(): Promise<void> {
    await bundlePackage("npm/esm");
    for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) Deno.copyFileSync(name, `npm/${name}`);
  },
});
