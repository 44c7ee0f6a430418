// What measurements are done with: a server with the app, a provider that keeps its pace, and a browser.

import type { Browser } from "playwright-core";
import { launch } from "../e2e/support/browser.js";
import { built } from "../e2e/support/built.js";
import { Front } from "../e2e/support/front.js";
import { binary, chromium } from "../e2e/support/programs.js";
import { Provider } from "../e2e/support/provider.js";
import { Server } from "../e2e/support/server.js";

/** A figure, and what is promised of it. */
export interface Figure {
  readonly what: string;
  readonly measured: number;
  readonly unit: string;
  readonly most?: number;
  readonly least?: number;
}

export const isKept = ({ measured, most = Infinity, least = -Infinity }: Figure): boolean => measured <= most && measured >= least;

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}

export class Bench {
  readonly #ends: (() => unknown)[] = [];

  private constructor(
    private readonly binary: string,
    private readonly app: string | undefined,
    /** Whose pages a measurement looks at. */
    readonly browser: Browser,
    readonly provider: Provider,
  ) {}

  static async start(): Promise<Bench> {
    const server = binary();
    const app = await built(server);
    console.log(app === undefined ? `The app in ${server} is measured.` : `The app in ${app} is measured, in front of ${server}.`);
    const bench = new Bench(server, app, await launch(chromium()), await Provider.start());
    bench.#ends.push(() => bench.browser.close(), () => bench.provider.close());
    return bench;
  }

  /** A server, with the data directory that is given instead of an empty one; and where its app is. */
  async serve(data?: string): Promise<{ readonly server: Server; readonly url: string }> {
    const settings = {
      CREDENTIALS__SCRIPTED__KIND: "openai",
      CREDENTIALS__SCRIPTED__BASE_URL: this.provider.url,
      CREDENTIALS__DEMO__KIND: "demo",
      CREDENTIALS__DEMO__TOKEN_DELAY: "0ms",
      DEFAULT_MODEL: "scripted/large",
      LIMITS__COMPACT_PERCENT: "0",
      ...(data !== undefined && { DATA: data }),
    };
    const server = await Server.start(this.binary, settings);
    this.#ends.push(() => server.end());
    if (this.app === undefined) return { server, url: server.url };
    const front = await Front.of(this.app, server.port);
    this.#ends.push(() => front.close());
    return { server, url: `http://127.0.0.1:${front.port}` };
  }

  async end(): Promise<void> {
    for (const end of this.#ends) await end();
  }
}
