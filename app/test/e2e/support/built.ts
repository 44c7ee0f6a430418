// The app as the tests see it: the one in the server, or one that is built for them.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { APP, PROJECT, changed } from "./programs.js";
import { Server } from "./server.js";

const SOURCES = ["src", "index.html", "vite.config.ts", "svelte.config.js", "package-lock.json"].map((name) => join(APP, name));
const CLIENT = join(PROJECT, "clients/typescript/src");
const CACHE = join(APP, "node_modules/.cache/app");

/**
 * A folder with the app, or nothing if the server's own is to be tested: because it is newer than all that the app is made
 * of, or because `DISPATCH_APP_EMBEDDED` is 1. `DISPATCH_APP_DIST` names a folder in which it was built.
 */
export async function built(binary: string): Promise<string | undefined> {
  if (process.env["DISPATCH_APP_EMBEDDED"] === "1") {
    if (await hasApp(binary)) return undefined;
    throw new Error(`There is no app in ${binary}, and DISPATCH_APP_EMBEDDED says that the one in it is to be tested.`);
  }
  const named = process.env["DISPATCH_APP_DIST"];
  if (named) return named;
  const sources = [...SOURCES, CLIENT].flatMap(files);
  const isNewer = changed(binary) > Math.max(...sources.map(changed));
  return isNewer && (await hasApp(binary)) ? undefined : buildOnce(sources);
}

async function hasApp(binary: string): Promise<boolean> {
  const server = await Server.start(binary);
  try {
    const page = await fetch(server.url).then((response) => response.text());
    return page.includes('<div id="app">') && page.includes("/assets/");
  } finally {
    await server.end();
  }
}

/** What was built of the same files is taken again. */
async function buildOnce(sources: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of sources) hash.update(`${path} ${changed(path)} ${statSync(path).size}\n`);
  const folder = join(CACHE, hash.digest("hex").slice(0, 16));
  if (existsSync(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const fresh = await mkdtemp(join(CACHE, "new-"));
  try {
    await build(fresh);
    // Another run may have built the same in the meantime.
    await rename(fresh, folder).catch(() => {});
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return folder;
}

/** In a process of its own: this one is a test, and what is built in it would be for tests too. */
async function build(folder: string): Promise<void> {
  const vite = join(APP, "node_modules/vite/bin/vite.js");
  const building = spawn(process.execPath, [vite, "build", "--logLevel", "warn", "--outDir", folder, "--emptyOutDir"], {
    cwd: APP,
    env: { ...process.env, NODE_ENV: "production" },
    stdio: "inherit",
  });
  const [code] = await once(building, "exit");
  if (code !== 0) throw new Error("The app could not be built: what is wrong stands above.");
}

function files(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".test.ts"))
    .map((entry) => join(entry.parentPath, entry.name));
}
