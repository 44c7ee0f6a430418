// The examples, as a reader would run them.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "../../dist/client.js";
import { Server } from "../server.js";

const example = (name) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));

let server;
let env;
before(async () => {
  server = await Server.start();
  env = { ...process.env, DISPATCH_URL: server.url };
});
after(async () => {
  await server[Symbol.asyncDispose]();
});

test("chat.mjs prints the answer and what it cost", async () => {
  const { stdout } = await promisify(execFile)("node", [example("chat.mjs"), "say hello"], { env });
  assert.match(stdout, /^hello\n\n\d+ tokens in, \d+ out\n$/);
});

for (const flags of [[], ["--experimental-websocket"]]) {
  test(`watch.mjs shows what is written and what is said ${flags.join("")}`, async () => {
    const child = spawn("node", [...flags, example("watch.mjs"), "shown"], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { conversations } = createClient({ baseUrl: server.url });
    const lines = [];
    const isOver = (line) => /^\d+ assistant: .*hello/.test(line);
    const shown = (async () => {
      for await (const line of createInterface({ input: child.stdout })) if (lines.push(line) && isOver(line)) return;
    })();
    await conversations.stream({ conversationId: "shown", message: "say hello" }).text();
    await shown;
    assert.ok(
      lines.some((line) => /^\d+ user: say hello$/.test(line)),
      lines.join("\n"),
    );
    child.kill();
    await once(child, "exit");
    await conversations.delete("shown");
  });
}
