// A Dispatch server as a process, for tests.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

function binary() {
  const built = ["target/release/dispatch", "target/debug/dispatch"].map((path) => join(root, path));
  const found = process.env.DISPATCH_BINARY ?? built.find((path) => existsSync(path));
  if (!found) throw new Error("there is no server: build it, or say where it is with DISPATCH_BINARY");
  return found;
}

export class Server {
  /** Starts one with that configuration, on a free port; media on that port, or on any free one. */
  static async start(config = "", udp = 0) {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "dispatch-client-"));
    const realtime = `[realtime]\nudp = ["127.0.0.1:${udp}"]\n`;
    await writeFile(join(server.folder, "dispatch.toml"), config + realtime);
    server.port = 0;
    await server.run();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it again where it was. */
  async run() {
    const { PATH, HOME } = process.env;
    const listen = ["--http", `127.0.0.1:${this.port}`, "--ws", "none"];
    const files = ["--data", join(this.folder, "data"), "--config", join(this.folder, "dispatch.toml")];
    this.process = spawn(binary(), ["serve", ...listen, ...files], {
      cwd: this.folder,
      env: { PATH, HOME },
      stdio: ["ignore", "pipe", process.env.DISPATCH_LOG ? "inherit" : "ignore"],
    });
    const lines = createInterface({ input: this.process.stdout });
    for await (const line of lines) {
      const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port) {
        this.port = Number(port);
        break;
      }
    }
    if (this.port === 0) throw new Error("the server ended before it said where it listens");
    // A server whose output nobody reads would block on it some day.
    this.process.stdout.resume();
    for (;;) {
      const health = await fetch(`${this.url}/health`).catch(() => undefined);
      if (health?.ok) return;
      if (this.process.exitCode !== null) throw new Error("the server ended before it answered");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async kill() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }

  /** Ends it and removes what it wrote. */
  async [Symbol.asyncDispose]() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Asks the server without the client. */
  async ask(method, path, { key, body } = {}) {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...(key && { authorization: `Bearer ${key}` }), "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}
