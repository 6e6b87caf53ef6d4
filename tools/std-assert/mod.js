// @ts-self-types="./mod.d.ts"
// Deno's std assertions under their JSR name, from the npm package that carries plain JS builds of them.
// With JSR in reach, delete this folder and map "@std/assert" to "jsr:@std/assert@1" in deno.json.
export * from "deno-std/assert/mod.js";

// It compares sets by a method that Node 20 does not have.
if (!("symmetricDifference" in Set.prototype)) {
  Object.defineProperty(Set.prototype, "symmetricDifference", {
    configurable: true,
    writable: true,
    value(other) {
      const difference = new Set(this);
      for (const item of other.keys()) {
        if (this.has(item)) difference.delete(item);
        else difference.add(item);
      }
      return difference;
    },
  });
}
