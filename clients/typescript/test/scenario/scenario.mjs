// The scenario, against a server of its own: a conversation in Node and in Chromium, and a workspace and realtime sessions in
// Chromium, for which the server is killed and started again. Prints a line for each thing that is so. With an argument, only parts with
// that in their name: `npm run scenario -- "credits run out"`.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { Browser } from "../browser.js";
import { Door } from "../door.js";
import { Server } from "../server.js";
import { conversation } from "./conversation.js";

/** How long one part may take, in seconds. */
const PATIENCE = 300;
const OPERATOR = "the-key-of-the-operator";
const CREDITS = 1_000;
const CONFIG = `
[auth]
api_keys = ["${OPERATOR}"]

[[realtime.models]]
name = "small"
width = 320
height = 180
fps = 15
credits_per_second = 1
`;

/** A UDP port that nobody has. */
async function freePort() {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

let passed = 0;
let failed = 0;

function ok(what) {
  passed += 1;
  console.log(`ok ${what}`);
}

/** Does it: it tells what is so, and comes back with what is not. */
async function part(name, work) {
  if (!name.includes(process.argv[2] ?? "")) return;
  const told = (what) => ok(`${name}: ${what}`);
  let timer;
  const tooLong = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took longer than ${PATIENCE} s`)), PATIENCE * 1000);
  });
  try {
    await Promise.race([work(told), tooLong]);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${error.stack}`);
  } finally {
    clearTimeout(timer);
  }
}

/** The example, as somebody with a camera would use it. */
async function example(url, key, ok) {
  const html = await readFile(new URL("../../examples/page.html", import.meta.url), "utf8");
  const query = new URLSearchParams({ url, key, model: "small" });
  const page = await browser.open("../examples/page.js", { html, query: `?${query}` });
  const state = (text) =>
    page.waitForFunction((text) => document.getElementById("state").textContent.includes(text), text);
  await state("generating, 2 seconds");
  await page.fill("#prompt", "mirror");
  await page.click("text=Change");
  await page.waitForFunction(() => document.getElementById("video").videoWidth > 0);
  await page.click("text=Stop");
  await state("credits");
  await page.context().close();
  ok("it shows the camera, changed, and what that cost");
}

const server = await Server.start(CONFIG, await freePort());
const browser = await Browser.start();
const door = await Door.to(server.port);
try {
  const key = async (credits) =>
    (await server.ask("POST", "/v1/keys", { key: OPERATOR, body: { name: "test", credits: String(credits) } })).secret;
  const given = { url: server.url, through: door.url, credits: CREDITS };
  await part("Node, a conversation", async (ok) =>
    conversation({ ...given, key: await key(CREDITS), cut: () => door.cut() }, ok),
  );

  const window = {
    killServer: () => server.kill(),
    startServer: () => server.run(),
    endSession: (id) => server.ask("DELETE", `/v1/sessions/${id}`, { key: OPERATOR }).then(() => {}),
    cut: () => door.cut(),
    setPercent: (id, percent) =>
      server.ask("PUT", `/conversations/${id}/compact-percent`, { key: OPERATOR, body: { percent } }),
  };
  const names = await (await browser.open("./scenario/page.js")).evaluate(() => Object.keys(window.checks));
  for (const name of names) {
    await part(`Chromium, ${name}`, async (ok) => {
      const page = await browser.open("./scenario/page.js", { given: { ...window, ok } });
      await page.exposeFunction("setOffline", (isOffline) => page.context().setOffline(isOffline));
      const problems = [];
      page.on("pageerror", (error) => problems.push(error));
      if (process.env.TRACE) page.on("console", (line) => console.error(line.text()));
      const keys = { key: await key(CREDITS), broke: await key(3) };
      const check = ([name, given]) =>
        window.checks[name](given, window.ok).then(
          () => null,
          (error) => String(error.stack ?? error),
        );
      const failure = await page.evaluate(check, [name, { ...given, ...keys }]);
      if (failure) throw new Error(failure);
      if (problems.length > 0) throw problems[0];
      await page.context().close();
    });
  }
  await part("Chromium, the example page", async (ok) => example(server.url, await key(CREDITS), ok));
  await part("the server", async (ok) => {
    const { sessions, connections } = await server.ask("GET", "/metrics/realtime", { key: OPERATOR });
    if (sessions + connections > 0) throw new Error(`it holds ${sessions} sessions and ${connections} connections`);
    ok("it holds nothing at the end");
  });
} finally {
  door.close();
  await browser.close();
  await server[Symbol.asyncDispose]();
}
console.log(`${passed + failed} checks, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
