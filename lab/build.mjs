// Bundles the lab into one classic script, which a page opened from the disk may load too.
//
//   node build.mjs [OUT]      dist/lab.js by default

import { build } from "esbuild";
import { mkdir, readFile, rename } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const out = resolve(process.argv[2] ?? fileURLToPath(new URL("dist/lab.js", import.meta.url)));
const wasm = createRequire(import.meta.url).resolve("@mujoco/mujoco/mujoco.wasm");

const packedEngine = {
  name: "packed-engine",
  setup(build) {
    build.onResolve({ filter: /^mujoco\.wasm\.gz$/ }, () => ({ path: wasm, namespace: "packed" }));
    build.onLoad({ filter: /.*/, namespace: "packed" }, async () => ({
      contents: gzipSync(await readFile(wasm), { level: 9 }),
      loader: "binary",
    }));
  },
};

await mkdir(dirname(out), { recursive: true });
await build({
  entryPoints: [fileURLToPath(new URL("src/index.js", import.meta.url))],
  outfile: `${out}.part`,
  bundle: true,
  format: "iife",
  globalName: "DrocoLab",
  minify: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "eof",
  loader: { ".css": "text" },
  // MuJoCo's module asks for these in Node alone, and for its own address, which is not needed.
  external: ["module", "fs", "path", "crypto"],
  define: { "import.meta.url": '"file:///"' },
  banner: { js: "/* The live lab, with MuJoCo (Apache-2.0, Google DeepMind) packed in. */" },
  plugins: [packedEngine],
  logLevel: "warning",
});
await rename(`${out}.part`, out);
console.log(out);
