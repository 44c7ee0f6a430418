// That the app does not become slow. How fast it is, `npm run measure` says; here is only what holds on a busy machine too.

import { markdown } from "../measure/markdown.js";
import { composer, said } from "./support/views.js";
import { call, expect, say, test } from "./world.js";

/** A tenth of what is promised. */
const FRAMES_PER_SECOND = 5;

test("the page goes on moving while an answer comes fast", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  const text = `${markdown(20_000)}That is all of it.`;
  world.provider.answer("everything", [[say(text, { perSecond: 2_000 })]]);
  await page.goto("/c/fast");
  await composer(page).waitFor();
  const turn = world.turn("fast", "tell me everything");
  await page.locator("[data-item=text]").waitFor();
  const frames = page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const start = performance.now();
        let count = 0;
        const frame = (now: number) => {
          count += 1;
          if (now - start < 2_000) requestAnimationFrame(frame);
          else resolve((count * 1_000) / (now - start));
        };
        requestAnimationFrame(frame);
      }),
  );
  expect(await frames).toBeGreaterThan(FRAMES_PER_SECOND);
  await turn;
  await said(page, "That is all of it.").waitFor();
});

test("a long conversation is not all in the page, and its newest message is", async ({ start }) => {
  const world = await start({ settings: { CREDENTIALS__DEMO__TOKEN_DELAY: "0ms" } });
  const step = "read a.txt and read a.txt and read a.txt and read a.txt\n";
  await world.write("a.txt", "a\n");
  for (let turn = 0; turn < 20; turn += 1) await world.turn("long", `${step.repeat(6)}say **Turn** ${turn}.`, { model: "demo/demo" });
  await world.turn("long", "say The newest.", { model: "demo/demo" });
  const { latestSeq } = await world.ask<{ latestSeq: number }>("GET", "/conversations/long?limit=1");
  expect(latestSeq).toBeGreaterThan(1_000);
  const page = await world.page();
  let read = 0;
  // What is counted is handed to the page afterwards: nothing of it can be gone before it is read.
  await page.route(/\/conversations\/long\?/, async (route) => {
    const response = await route.fetch();
    read += ((await response.json()) as { chunks: unknown[] }).chunks.length;
    await route.fulfill({ response });
  });
  await page.goto("/c/long");
  await page.locator("[data-item=text]").filter({ hasText: "The newest." }).waitFor();
  expect(await page.locator("[data-item]").count()).toBeLessThan(400);
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(latestSeq);
});

test("nothing moves that was not scrolled while an answer comes", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  world.provider.answer("everything", [
    [say(markdown(3_000), { perSecond: 600 }), call("run_shell", { command: "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done" })],
    [say(`${markdown(3_000)}That is all of it.`, { perSecond: 600 })],
  ]);
  // The first message of a conversation takes the start page away; that is no shift of what was there.
  await world.turn("steady", "hello");
  await page.goto("/c/steady");
  await said(page, "You said: hello").waitFor();
  await page.evaluate(() => {
    const shifts: string[] = [];
    Object.assign(window, { shifts });
    interface Shift extends PerformanceEntry {
      readonly value: number;
      readonly sources: readonly { readonly node: Node | null }[];
    }
    new PerformanceObserver((list) => {
      for (const { value, sources } of list.getEntries() as Shift[]) {
        if (value < 0.001) continue;
        const moved = sources.map(({ node }) => (node instanceof Element ? node : node?.parentElement)?.outerHTML.slice(0, 120));
        shifts.push(`${value.toFixed(4)}: ${moved.join(", ")}`);
      }
    }).observe({ type: "layout-shift", buffered: false });
  });
  await world.turn("steady", "tell me everything");
  await said(page, "That is all of it.").waitFor();
  expect(await page.evaluate(() => (window as unknown as { shifts: string[] }).shifts)).toEqual([]);
});
