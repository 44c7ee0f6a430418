// The command line against a server.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Command {
  readonly #process: ChildProcess;
  #stdout = "";
  #stderr = "";
  /** When it is over, whatever its exit code. */
  readonly ended: Promise<Ended>;

  constructor(binary: string, args: readonly string[], { server, key, cwd }: { server: string; key?: string | undefined; cwd: string }) {
    const { PATH = "", HOME = "" } = process.env;
    this.#process = spawn(binary, args, {
      cwd,
      env: { PATH, HOME, TZ: "UTC", DISPATCH_SERVER: server, ...(key !== undefined && { DISPATCH_API_KEY: key }) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process.stdout!.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    this.#process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.ended = once(this.#process, "close").then(() => ({
      code: this.#process.exitCode,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#stdout;
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }
}
