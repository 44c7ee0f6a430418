// A headless Chromium with a page that has the client.

import { once } from "node:events";
import { createServer } from "node:http";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export class Browser {
  static async start() {
    const browser = new Browser();
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    browser.chromium = await chromium.launch({ executablePath, args: FLAGS });
    browser.pages = new Map();
    browser.server = createServer((request, response) => {
      const page = browser.pages.get(request.url.replace(/\?.*/, ""));
      response.writeHead(page ? 200 : 404, { "content-type": page?.type ?? "text/plain" });
      response.end(page?.text);
    });
    browser.server.listen(0, "127.0.0.1");
    await once(browser.server, "listening");
    return browser;
  }

  /** Opens a page that runs that script, which is bundled with what it imports. `window` gets what is given. */
  async open(script, { given = {}, html = "<!doctype html><title>test</title>", query = "" } = {}) {
    const path = new URL(script, import.meta.url).pathname;
    const { outputFiles } = await build({
      entryPoints: [path],
      bundle: true,
      format: "esm",
      write: false,
      logLevel: "error",
    });
    this.pages.set("/page.js", { type: "text/javascript", text: outputFiles[0].text });
    this.pages.set("/", { type: "text/html", text: `${html}<script type="module" src="/page.js"></script>` });
    const context = await this.chromium.newContext();
    const page = await context.newPage();
    for (const [name, value] of Object.entries(given)) {
      if (typeof value === "function") await page.exposeFunction(name, value);
      else await page.addInitScript(([name, value]) => (window[name] = value), [name, value]);
    }
    await page.goto(`http://127.0.0.1:${this.server.address().port}/${query}`);
    return page;
  }

  async close() {
    await this.chromium.close();
    this.server.close();
  }
}
