// A built app in front of a server that has none in it, or an older one: as the server itself would serve it.

import { once } from "node:events";
import { createReadStream, existsSync, statSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from "node:http";
import { type AddressInfo, type Socket, connect } from "node:net";
import { extname, join, normalize } from "node:path";
import type { Duplex } from "node:stream";

/** The addresses of the app's views, all of which are one page. */
const VIEWS = /^\/(c\/[^/]+|realtime|watch|usage|keys|settings)?$/;

/** What the server says about its pages. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob: https:; " +
  "media-src 'self' blob:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".woff2": "font/woff2",
};

export class Front {
  readonly #server: Server;

  private constructor(
    private readonly app: string,
    private readonly behind: number,
  ) {
    this.#server = createServer((asked, answer) => this.#answer(asked, answer));
    this.#server.on("upgrade", (asked: IncomingMessage, socket: Duplex, head: Buffer) => this.#upgrade(asked, socket, head));
  }

  static async of(app: string, behind: number): Promise<Front> {
    const front = new Front(app, behind);
    front.#server.listen(0, "127.0.0.1");
    await once(front.#server, "listening");
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(asked: IncomingMessage, answer: ServerResponse): void {
    const { pathname } = new URL(asked.url ?? "/", "http://front");
    const file = this.#file(pathname);
    if (file === undefined) return this.#pass(asked, answer);
    // Where the server is down, so is its app.
    const server: Socket = connect(this.behind, "127.0.0.1");
    server.once("error", () => answer.destroy());
    server.once("connect", () => {
      server.destroy();
      answer.writeHead(200, {
        "content-type": TYPES[extname(file)] ?? "application/octet-stream",
        "content-length": statSync(file).size,
        "cache-control": pathname.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      });
      if (asked.method === "HEAD") answer.end();
      else createReadStream(file).pipe(answer);
    });
  }

  #file(pathname: string): string | undefined {
    const path = VIEWS.test(pathname) ? "/index.html" : normalize(pathname);
    if (path !== "/index.html" && !path.startsWith("/assets/")) return undefined;
    const file = join(this.app, path);
    return existsSync(file) ? file : undefined;
  }

  #pass(asked: IncomingMessage, answer: ServerResponse): void {
    const passed = request(
      { host: "127.0.0.1", port: this.behind, method: asked.method, path: asked.url, headers: asked.headers },
      (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
        response.on("error", () => answer.destroy());
      },
    );
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  }

  #upgrade(asked: IncomingMessage, socket: Duplex, head: Buffer): void {
    const server = connect(this.behind, "127.0.0.1", () => {
      const headers = asked.rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${asked.rawHeaders[at + 1]}`] : []));
      server.write(`${asked.method} ${asked.url} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
      server.write(head);
      server.pipe(socket).pipe(server);
    });
    for (const [from, to] of [
      [server, socket],
      [socket, server],
    ] as const) {
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  }
}
