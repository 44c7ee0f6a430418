// A world for each test: a provider that says what the test wrote, a server with its own data, and browsers that look at it.

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { test as base, inject } from "vitest";
import { type Look, launch, options } from "./support/browser.js";
import { Command } from "./support/command.js";
import { Door } from "./support/door.js";
import { Front } from "./support/front.js";
import { Guard } from "./support/guard.js";
import { APP } from "./support/programs.js";
import { Provider } from "./support/provider.js";
import { Server, type Settings } from "./support/server.js";

export { expect } from "vitest";
export { type Beat, type Step, call, cut, fail, pause, say, think, until, usage } from "./support/script.js";

/** Where pictures of pages are left that failed their test. */
export const RESULTS = join(APP, "test-results");

/** How long a page may take for anything, on a busy machine. */
const PATIENCE = 30_000;

export interface WorldOptions {
  /** The operator's keys. Without any, nobody needs one. */
  readonly keys?: readonly string[];
  /** Variables of the server without the `DISPATCH_` in front. */
  readonly settings?: Settings;
}

export interface PageOptions extends Look {
  /** The key that the page has, as if it had been typed in. */
  readonly key?: string;
}

export class World {
  readonly #guard = new Guard();
  readonly #doors = new Map<BrowserContext, Door>();
  readonly #commands: Command[] = [];

  private constructor(
    readonly provider: Provider,
    readonly server: Server,
    private readonly front: Front | undefined,
    private readonly browser: Browser,
    private readonly key: string | undefined,
  ) {}

  static async start(browser: Browser, { keys = [], settings = {} }: WorldOptions = {}): Promise<World> {
    const provider = await Provider.start();
    const server = await Server.start(inject("binary"), {
      CREDENTIALS__SCRIPTED__KIND: "openai",
      CREDENTIALS__SCRIPTED__BASE_URL: provider.url,
      CREDENTIALS__SCRIPTED__REASONING_EFFORT: "true",
      CREDENTIALS__DEMO__KIND: "demo",
      CREDENTIALS__DEMO__TOKEN_DELAY: "1ms",
      DEFAULT_MODEL: "scripted/large",
      ...(keys.length > 0 && { AUTH__API_KEYS: keys.join(",") }),
      ...settings,
    });
    const app = inject("app");
    const front = app ? await Front.of(app, server.port) : undefined;
    return new World(provider, server, front, browser, keys[0]);
  }

  /** The directory that tools work in. */
  get folder(): string {
    return this.server.work;
  }

  /** Writes a file where tools find it. */
  async write(path: string, content: string | Uint8Array): Promise<void> {
    const file = join(this.folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }

  /** A page of somebody else: with storage of its own, and a connection of its own. */
  async page({ key, ...look }: PageOptions = {}): Promise<Page> {
    const door = await Door.to(this.front?.port ?? this.server.port);
    const context = await this.browser.newContext({ ...options(look), baseURL: door.url });
    this.#doors.set(context, door);
    context.setDefaultTimeout(PATIENCE);
    if (key !== undefined) await context.addInitScript((key) => sessionStorage.setItem("dispatch.key", key), key);
    return this.#page(context);
  }

  /** One more tab beside that page. */
  another(page: Page): Promise<Page> {
    return this.#page(page.context());
  }

  /** Takes the network away from a page and its neighbours, or gives it back. */
  async offline(page: Page, isOffline: boolean): Promise<void> {
    this.#guard.expectsLostConnections();
    const door = this.#door(page);
    if (isOffline) door.shut();
    else door.open();
    await page.context().setOffline(isOffline);
  }

  /** Cuts the connections of a page once. */
  cut(page: Page): void {
    this.#guard.expectsLostConnections();
    this.#door(page).cut();
  }

  /** Ends the server without a warning; `server.run()` starts it again. */
  async kill(): Promise<void> {
    this.#guard.expectsLostConnections();
    await this.server.kill();
  }

  /** Faults with that in them are part of the test. */
  expects(pattern: RegExp): void {
    this.#guard.expects(pattern);
  }

  /** What went wrong on the pages that nobody expected. */
  get faults(): readonly string[] {
    return this.#guard.faults;
  }

  /** Asks the server beside all pages, with the first of the operator's keys or the one that is given. */
  async ask<Answer = unknown>(method: string, path: string, body?: unknown, key = this.key): Promise<Answer> {
    const response = await fetch(this.server.url + path, {
      method,
      headers: { "content-type": "application/json", ...(key !== undefined && { authorization: `Bearer ${key}` }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (response.headers.get("content-type")?.includes("application/json") ? JSON.parse(text) : text) as Answer;
  }

  /** Says something in a conversation beside all pages, and comes back when the turn is over. */
  async turn(conversationId: string, message: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.ask("POST", "/chat", { conversationId, message, ...more });
  }

  /** Runs the command line against the server. */
  cli(...args: readonly string[]): Command {
    const command = new Command(this.server.binary, args, { server: this.server.url, key: this.key, cwd: this.folder });
    this.#commands.push(command);
    return command;
  }

  /** Leaves a picture of each page, and says what the server had to say. */
  async report(name: string): Promise<void> {
    await mkdir(RESULTS, { recursive: true });
    for (const [index, page] of this.#guard.pages.entries()) {
      const path = join(RESULTS, `${name.replaceAll(/[^\w-]+/g, "-").slice(0, 80)}-${index + 1}.png`);
      const isTaken = await page.screenshot({ path, timeout: 5_000 }).then(
        () => true,
        () => false,
      );
      if (isTaken) console.error(`${page.url()} looked like ${path}`);
    }
    if (this.faults.length > 0) console.error(`On its pages:\n${this.faults.join("\n")}`);
    if (this.server.log) console.error(`The server logged:\n${this.server.log}`);
  }

  /** Everything ends, and what was written is removed. */
  async end(): Promise<void> {
    await Promise.all(this.#commands.map((command) => command.kill()));
    await Promise.all([...this.#doors.keys()].map((context) => context.close()));
    for (const door of this.#doors.values()) door.close();
    this.front?.close();
    await this.server.end();
    this.provider.close();
  }

  #door(page: Page): Door {
    const door = this.#doors.get(page.context());
    if (!door) throw new Error("the page is of another world");
    return door;
  }

  async #page(context: BrowserContext): Promise<Page> {
    const page = await context.newPage();
    await this.#guard.watch(page, this.#doors.get(context)!.url);
    return page;
  }
}

interface Fixtures {
  $file: { browser: Browser };
  $test: { start: (options?: WorldOptions) => Promise<World> };
}

/** A test with `start`, which makes a world that is ended after it. What goes wrong on a page fails the test. */
export const test = base.extend<Fixtures>({
  browser: [
    async ({}, use) => {
      const browser = await launch(inject("chromium"));
      await use(browser);
      await browser.close();
    },
    { scope: "file" },
  ],
  start: async ({ browser, task }, use) => {
    const worlds: World[] = [];
    await use(async (options) => {
      const world = await World.start(browser, options);
      worlds.push(world);
      return world;
    });
    const faults = worlds.flatMap((world) => world.faults);
    const isFailed = task.result?.state === "fail" || faults.length > 0;
    if (isFailed) for (const world of worlds) await world.report(task.name);
    await Promise.all(worlds.map((world) => world.end()));
    if (faults.length > 0) throw new Error(`On the pages of this test:\n${faults.join("\n")}`);
  },
});
