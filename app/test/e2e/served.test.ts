// How the app comes to the browser: quickly, once, and with nothing in it that its policy forbids.

import { gzipSync } from "node:zlib";
import { inject } from "vitest";
import { composer } from "./support/views.js";
import { expect, test } from "./world.js";

/** What a browser may load before there is something to see, compressed. */
const MOST = 120_000;

/** Where the app has to be in the server itself. */
const isEmbedded = inject("app") === "";

test("the policy forbids all that the app does not need", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  const response = await page.goto("/");
  const policy = response?.headers()["content-security-policy"] ?? "";
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"]) {
    expect(policy.split("; ")).toContain(part);
  }
  expect(policy).not.toContain("unsafe");
});

test("a view that was looked at before is not loaded again", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  const loaded = () =>
    page.evaluate(() =>
      performance
        .getEntriesByType("resource")
        .filter(({ name }) => name.includes("/assets/"))
        .map((entry) => ({ name: entry.name, sent: (entry as PerformanceResourceTiming).transferSize })),
    );
  await page.goto("/");
  await composer(page).waitFor();
  // What comes later than the view may come with the second look only.
  const before = new Set((await loaded()).map(({ name }) => name));
  expect(before.size).toBeGreaterThan(0);
  await page.reload();
  await composer(page).waitFor();
  const again = (await loaded()).filter(({ name }) => before.has(name));
  expect(again.length).toBeGreaterThan(0);
  expect(again.filter(({ sent }) => sent > 0)).toEqual([]);
});

test("what the page loads at first is small", async ({ start }) => {
  const world = await start();
  const { request } = await world.page();
  const html = await (await request.get("/")).text();
  const scripts = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map(([, path]) => path!);
  const bodies = await Promise.all(scripts.map(async (path) => (await request.get(path)).body()));
  const total = bodies.reduce((sum, body) => sum + gzipSync(body, { level: 9 }).length, 0);
  expect(total).toBeGreaterThan(0);
  expect(total).toBeLessThan(MOST);
});

test.skipIf(!isEmbedded)("the server sends files compressed, for good, and pages only when they changed", async ({ start }) => {
  const world = await start();
  const ask = (path: string, headers: Record<string, string> = {}) => fetch(world.server.url + path, { headers });
  const page = await ask("/");
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1] ?? "";
  const sent = await ask(script);
  expect(sent.headers.get("content-encoding")).toBe("gzip");
  expect(sent.headers.get("cache-control")).toMatch(/max-age=31536000.*immutable/);
  const plain = await ask(script, { "accept-encoding": "identity" });
  expect(plain.headers.get("content-encoding")).toBeNull();
  expect(await plain.text()).toBe(await sent.text());
  const unchanged = await ask("/", { "if-none-match": page.headers.get("etag") ?? "" });
  expect([unchanged.status, page.headers.get("cache-control")]).toEqual([304, "no-cache"]);
});

test("every address of a view gives the app, and no other", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  for (const path of ["/", "/c/some", "/realtime", "/watch", "/usage", "/keys", "/settings"]) {
    const response = await page.request.get(path);
    expect([path, response.status(), (await response.text()).includes('<div id="app">')]).toEqual([path, 200, true]);
  }
  for (const path of ["/c", "/nothing", "/usage/more", "/assets/nothing.js"]) {
    const response = await page.request.get(path);
    expect([path, response.status()]).toEqual([path, 404]);
  }
});
