// What the client costs a page, and what the workspace adds to it: everything that they export, bundled, minified and
// compressed, but for what is loaded only when an option asks for it.

import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const CLIENT = 12_000;
const WORKSPACE = 3_000;

const src = new URL("../src", import.meta.url).pathname;
const both = `export * from "./client.js"; export * from "./workspace.js";`;

/** The bytes of a page that has all of that, and those that each file has in it. */
async function bundled(page) {
  const bundle = await build({
    ...page,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    splitting: true,
    outdir: "/",
    chunkNames: "[name]",
    write: false,
    metafile: true,
    logLevel: "error",
  });
  const { outputs } = bundle.metafile;
  const paths = Object.keys(outputs);
  const loaded = new Set(paths.slice(0, 1));
  // Those that are added are looked at as well.
  for (const path of loaded) {
    for (const { kind, path: other } of outputs[path].imports) if (kind === "import-statement") loaded.add(other);
  }
  const inputs = {};
  let [plain, compressed] = [0, 0];
  bundle.outputFiles.forEach(({ contents }, index) => {
    if (!loaded.has(paths[index])) return;
    plain += contents.length;
    compressed += gzipSync(contents, { level: 9 }).length;
    Object.assign(inputs, outputs[paths[index]].inputs);
  });
  return { plain, compressed, inputs };
}

const client = await bundled({ entryPoints: [`${src}/client.ts`] });
const workspace = await bundled({ stdin: { contents: both, resolveDir: src } });
if (process.argv.includes("--files")) {
  for (const [file, { bytesInOutput }] of Object.entries(workspace.inputs))
    console.log(`${String(bytesInOutput).padStart(6)} ${file}`);
}
const added = workspace.compressed - client.compressed;
console.log(`the client: ${client.plain} bytes, ${client.compressed} compressed; ${CLIENT} at most`);
console.log(`the workspace: ${workspace.plain - client.plain} more, ${added} compressed; ${WORKSPACE} at most`);
process.exitCode = client.compressed > CLIENT || added > WORKSPACE ? 1 : 0;
