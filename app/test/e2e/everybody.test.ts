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
