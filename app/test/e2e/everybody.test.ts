// That everybody can use the views: with a screen reader, without a mouse, whatever they look at them with.

import { accessible } from "./axe.js";
import { keyboard } from "./keyboard.js";
import { others } from "./support/scenes.js";
import { VIEWS, said } from "./support/views.js";
import { expect, test } from "./world.js";

const LOOKS = [{}, { dark: true }, { phone: true }, { phone: true, dark: true }];

test.for(VIEWS)("axe finds nothing in $name", async ({ world: options, key, prepare, open }, { start }) => {
  const world = await start(options);
  await prepare?.(world);
  for (const look of LOOKS) {
    const page = await world.page({ ...look, ...(key !== undefined && { key }) });
    await open(page, world);
    await accessible(page);
    await page.close();
  }
});

test.for(VIEWS)("Tab comes to everything in $name", async ({ world: options, key, prepare, open }, { start }) => {
  const world = await start(options);
  await prepare?.(world);
  for (const look of [{}, { phone: true }]) {
    const page = await world.page({ ...look, ...(key !== undefined && { key }) });
    await open(page, world);
    await keyboard(page);
    await page.close();
  }
});

test.for(VIEWS)("nothing of $name has to be scrolled sideways in the narrowest window", async (view, { start }) => {
  const { world: options, key, prepare, open } = view;
  const world = await start(options);
  await prepare?.(world);
  const page = await world.page({ phone: true, ...(key !== undefined && { key }) });
  await open(page, world);
  // Also that of a window of 1280 pixels at 400 %.
  await page.setViewportSize({ width: 320, height: 568 });
  const tooWide = await page.evaluate(() => {
    // Code, tables and tabs have frames of their own to be scrolled in.
    const frames = "main, main > *, [data-testid=transcript], dialog[open], dialog[open] .body";
    return [document.documentElement, ...document.querySelectorAll(frames)]
      .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth + 1)
      .map((element) => element.outerHTML.slice(0, 160));
  });
  expect(tooWide).toEqual([]);
});

test("what is chosen can be seen where the system has its own colours", async ({ start }) => {
  const world = await start();
  await others(world);
  const page = await world.page();
  await page.emulateMedia({ forcedColors: "active" });
  await page.goto("/c/count");
  await said(page, "I count them.").waitFor();
  const framed = async (selector: string) => {
    const outlines = await page.locator(selector).evaluateAll((all) => all.map((element) => getComputedStyle(element).outlineStyle));
    return outlines.length > 0 && outlines.every((style) => style === "solid");
  };
  await expect.poll(() => framed("[aria-current=page]")).toBe(true);
  await page.keyboard.press("Control+k");
  await expect.poll(() => framed("[role=option][aria-selected=true]")).toBe(true);
});

test("whoever wants less motion gets none", async ({ start }) => {
  const world = await start();
  await others(world);
  const page = await world.page({ reducedMotion: true });
  await page.goto("/c/count");
  await said(page, "I count them.").waitFor();
  const moving = await page.evaluate(() =>
    document
      .getAnimations()
      .filter((animation) => animation.playState === "running" && Number(animation.effect?.getComputedTiming().endTime) > 50)
      .map((animation) => (animation.effect as KeyframeEffect).target?.outerHTML.slice(0, 200)),
  );
  expect(moving).toEqual([]);
});
