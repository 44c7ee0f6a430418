// A server as a process of its own, with a data directory that nobody else has.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** The variables that configure a server, without the `DISPATCH_` in front. */
export type Settings = Readonly<Record<string, string>>;

/** Media on any free port, and nothing in a prompt that depends on the machine. */
const DEFAULTS: Settings = { REALTIME__UDP: "127.0.0.1:0", SYSTEM_PROMPT: "You work with tools." };

/** How much of what the server logged is kept for those who look for a fault. */
const LOG_LINES = 60;

export class Server {
  readonly #log: string[] = [];
  #process: ChildProcess | undefined;
  #port = 0;

  private constructor(
    readonly binary: string,
    readonly folder: string,
    private readonly settings: Settings,
  ) {}

  static async start(binary: string, settings: Settings = {}): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), "dispatch-app-"));
    const server = new Server(binary, folder, settings);
    await mkdir(server.work);
    await server.run();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Where tools work. */
  get work(): string {
    return join(this.folder, "work");
  }

  /** What it logged last. */
  get log(): string {
    return this.#log.join("\n");
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  /** Starts it, or starts it again: with the same data, at the same address. */
  async run(): Promise<void> {
    const { PATH = "", HOME = "" } = process.env;
    const settings = Object.entries({ ...DEFAULTS, DATA: join(this.folder, "data"), ...this.settings });
    const server = spawn(this.binary, ["serve", "--http", `127.0.0.1:${this.#port}`, "--ws", "none"], {
      cwd: this.work,
      env: { PATH, HOME, TZ: "UTC", ...Object.fromEntries(settings.map(([name, value]) => [`DISPATCH_${name}`, value])) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = server;
    createInterface({ input: server.stderr }).on("line", (line) => {
      this.#log.push(line);
      if (this.#log.length > LOG_LINES) this.#log.shift();
    });
    await this.#listening(server);
    while (!(await fetch(`${this.url}/health`).catch(() => undefined))?.ok) {
      if (!this.isRunning) throw new Error(`The server ended before it answered:\n${this.log}`);
      await sleep(20);
    }
  }

  /** Ends it without a warning. */
  async kill(): Promise<void> {
    const server = this.#process;
    if (!server || !this.isRunning) return;
    const gone = once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  }

  /** Ends it and removes what it wrote. */
  async end(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #listening(server: ChildProcess): Promise<void> {
    for await (const line of createInterface({ input: server.stdout! })) {
      const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port === undefined) continue;
      this.#port = Number(port);
      // A server whose output nobody reads would block on it some day.
      server.stdout!.resume();
      return;
    }
    throw new Error(`The server ended before it said where it listens:\n${this.log}`);
  }
}
