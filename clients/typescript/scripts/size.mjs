// What the client costs a page: everything that it exports, bundled, minified and compressed.

import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const MOST = 12_000;

const entry = new URL("../src/client.ts", import.meta.url).pathname;
const bundle = await build({
  entryPoints: [entry],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  write: false,
  metafile: true,
  logLevel: "error",
});
const { contents } = bundle.outputFiles[0];
const compressed = gzipSync(contents, { level: 9 }).length;
if (process.argv.includes("--files")) {
  const [{ inputs }] = Object.values(bundle.metafile.outputs);
  for (const [file, { bytesInOutput }] of Object.entries(inputs))
    console.log(`${String(bytesInOutput).padStart(6)} ${file}`);
}
console.log(`${contents.length} bytes, ${compressed} compressed; ${MOST} at most`);
process.exitCode = compressed > MOST ? 1 : 0;
