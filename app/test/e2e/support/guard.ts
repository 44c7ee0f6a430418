// What goes wrong on a page besides what a test looks at.

import type { Page } from "playwright-core";

/** Lost connections, as Chromium words them. */
const LOST = /net::ERR_(CONNECTION|INTERNET|EMPTY|INCOMPLETE|NETWORK|SOCKET|ADDRESS|ABORTED|FAILED)|WebSocket connection to/;

export class Guard {
  readonly #faults: string[] = [];
  readonly #expected: RegExp[] = [];
  readonly #pages = new Set<Page>();

  /** Watches a page that may talk to that origin alone. Before it goes anywhere. */
  async watch(page: Page, origin: string): Promise<void> {
    this.#pages.add(page);
    const host = new URL(origin).host;
    const isOther = (address: string) => {
      const url = new URL(address);
      return /^(https?|wss?):$/.test(url.protocol) && url.host !== host;
    };
    page.on("console", (message) => {
      if (message.type() === "error") this.#found(`console: ${message.text()} ${message.location().url}`);
    });
    page.on("pageerror", (error) => this.#found(`uncaught: ${error.stack ?? error.message}`));
    page.on("crash", () => this.#found("the page crashed"));
    page.on("request", (request) => {
      if (isOther(request.url())) this.#found(`a request to another host: ${request.url()}`);
    });
    page.on("websocket", (socket) => {
      if (isOther(socket.url())) this.#found(`a WebSocket to another host: ${socket.url()}`);
    });
    page.on("requestfailed", (request) => {
      const why = request.failure()?.errorText ?? "";
      // The page's own doing: it went elsewhere, or did not want the rest.
      if (why !== "net::ERR_ABORTED") this.#found(`failed: ${request.method()} ${request.url()} ${why}`);
    });
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) => {
        console.error(`Content-Security-Policy: ${violatedDirective} forbids ${blockedURI} (${sourceFile}:${lineNumber})`);
      });
    });
  }

  get pages(): readonly Page[] {
    return [...this.#pages].filter((page) => !page.isClosed());
  }

  /** Faults like that are part of the test. */
  expects(pattern: RegExp): void {
    this.#expected.push(pattern);
  }

  /** From now on connections get lost. */
  expectsLostConnections(): void {
    this.expects(LOST);
  }

  /** All that nobody expected. */
  get faults(): readonly string[] {
    return this.#faults.filter((fault) => !this.#expected.some((pattern) => pattern.test(fault)));
  }

  #found(fault: string): void {
    this.#faults.push(fault);
  }
}
