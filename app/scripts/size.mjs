// How much script a browser has to load before it shows anything: what index.html names, and all that this imports at once,
// compressed. Of the build in dist/, or in the folder that is named.

import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { gzipSync } from "node:zlib";
import { parseAst } from "vite";

const MOST = 120_000;

const folder = process.argv[2] ?? new URL("../dist", import.meta.url).pathname;
const page = readFileSync(join(folder, "index.html"), "utf8");

/** What a script imports statically. */
function imported(path) {
  const { body } = parseAst(readFileSync(join(folder, path), "utf8"));
  return body.filter(({ source }) => source?.value.startsWith(".")).map(({ source }) => normalize(join(dirname(path), source.value)));
}

const named = [...page.matchAll(/(?:src|href)="\/?([^"]+\.(?:js|css))"/g)].map(([, path]) => path);
const scripts = new Set(named.filter((path) => path.endsWith(".js")));
for (const path of scripts) for (const other of imported(path)) scripts.add(other);
const styles = new Set(named.filter((path) => path.endsWith(".css")));

const compressed = (path) => gzipSync(readFileSync(join(folder, path)), { level: 9 }).length;
const sum = (paths) => [...paths].reduce((total, path) => total + compressed(path), 0);
for (const path of [...scripts, ...styles]) console.log(`${String(compressed(path)).padStart(7)} ${path}`);
const total = sum(scripts);
console.log(`${total} bytes of script at first, ${MOST} at most; ${sum(styles)} bytes of style`);
process.exitCode = scripts.size === 0 || total > MOST ? 1 : 0;
