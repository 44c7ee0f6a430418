// Drives a headless Chromium through the checks of page.js, each in a page of its own.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import net from "node:net";
import tls from "node:tls";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { launch } from "./browser.mjs";

const text = { type: "string", default: "" };
const { values: options } = parseArgs({
  options: {
    url: text,
    key: { type: "string", default: "good" },
    "broke-key": text,
    "broke-seconds": { type: "string", default: "0" },
    "operator-key": text,
    model: { type: "string", default: "mirage_v2" },
    chromium: text,
    only: text,
    skip: text,
  },
});

const SECONDS = 120;

/** A door in front of the server, so that its lines can be cut. */
async function openDoor(address) {
  const lines = new Set();
  const server = net.createServer((inner) => {
    const port = Number(address.port || (address.protocol === "https:" ? 443 : 80));
    const host = address.hostname.replace(/^\[|\]$/g, "");
    const outer =
      address.protocol === "https:" ? tls.connect({ host, port, servername: host }) : net.connect({ host, port });
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ]) {
      lines.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        lines.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  const port = await listen(server);
  const cut = () => {
    for (const line of lines) line.resetAndDestroy?.() ?? line.destroy();
  };
  return { url: `ws://127.0.0.1:${port}`, cut, close: () => (cut(), server.close()) };
}

function listen(server) {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}

async function operatorEnds(session) {
  const key = options["operator-key"] || options.key;
  const headers = { "X-API-KEY": key, Authorization: `Bearer ${key}` };
  const answer = await fetch(`${options.url}/v1/sessions/${session}`, { method: "DELETE", headers });
  if (!answer.ok) throw new Error(`DELETE /v1/sessions/{id} answered ${answer.status}`);
}

async function sdkVersion() {
  return JSON.parse(await readFile(new URL("node_modules/@decartai/sdk/package.json", import.meta.url))).version;
}

async function check(page, name) {
  const given = {
    url: options.url,
    key: options.key,
    brokeKey: options["broke-key"],
    brokeSeconds: Number(options["broke-seconds"]),
    model: options.model,
  };
  const run = page.evaluate(
    ([name, given]) =>
      window.checks[name](given).then(
        () => null,
        (error) => String(error?.message ?? error),
      ),
    [name, given],
  );
  let timer;
  const tooLong = new Promise((resolve) => {
    timer = setTimeout(() => resolve(`it took longer than ${SECONDS} s`), SECONDS * 1000);
  });
  try {
    return await Promise.race([run, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

const bundle = await build({
  entryPoints: [new URL("page.js", import.meta.url).pathname],
  bundle: true,
  format: "esm",
  write: false,
  logLevel: "error",
});
const pages = createServer((request, response) => {
  const isScript = request.url === "/page.js";
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
  const html = '<!doctype html><title>compat</title><body><script type="module" src="/page.js"></script></body>';
  response.end(isScript ? bundle.outputFiles[0].text : html);
});
const pagePort = await listen(pages);
const door = await openDoor(new URL(options.url));
const socketScript = await readFile(new URL("sockets.js", import.meta.url), "utf8");
const browser = await launch(options.chromium);

const [only, skip] = [options.only, options.skip].map((names) => new Set(names.split(",").filter(Boolean)));
const sums = { passed: 0, failed: 0, skipped: 0 };
let names;
try {
  for (let index = 0; names === undefined || index < names.length; index += 1) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    if (process.env.COMPAT_TRACE) page.on("console", (line) => console.error(line.text()));
    await page.addInitScript((url) => {
      window.door = url;
    }, door.url);
    await page.addInitScript(socketScript);
    await page.exposeFunction("operatorEnds", operatorEnds);
    await page.exposeFunction("cut", door.cut);
    await page.goto(`http://127.0.0.1:${pagePort}/`);
    await page.waitForFunction(() => window.checks !== undefined);
    names ??= await page.evaluate(() => Object.keys(window.checks));
    const name = names[index];
    if ((only.size > 0 && !only.has(name)) || skip.has(name)) {
      await context.close();
      continue;
    }
    if (name === "credits" && options["broke-key"] === "") {
      sums.skipped += 1;
      console.log(`skipped ${name}: it needs a --broke-key for this client`);
      await context.close();
      continue;
    }
    const failure = (await check(page, name)) ?? (problems.length > 0 ? problems.join("; ") : null);
    if (failure === null) {
      sums.passed += 1;
      console.log(`ok ${name}`);
    } else {
      sums.failed += 1;
      const why = failure.replace(/\s+/g, " ").replace(/api_key=[^&\s"']*/g, "api_key=…");
      console.log(`FAILED ${name}: ${why}`);
    }
    await context.close();
  }
} finally {
  await browser.close();
  door.close();
  pages.close();
}
const rest = sums.skipped > 0 ? `, ${sums.skipped} skipped` : "";
console.log(`compat javascript ${await sdkVersion()}: ${sums.passed} passed, ${sums.failed} failed${rest}`);
process.exitCode = sums.failed > 0 ? 1 : 0;
