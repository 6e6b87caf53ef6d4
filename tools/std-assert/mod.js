// @ts-self-types="./mod.d.ts"
// Deno's std assertions under their JSR name, from the npm package that carries plain JS builds of them.
// With JSR in reach, delete this folder and map "@std/assert" to "jsr:@std/assert@1" in deno.json.
export * from "deno-std/assert/mod.js";
