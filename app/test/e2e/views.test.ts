// What the views look like, on a desk and on a phone, light and dark.

import { shot } from "./shots.js";
import { VIEWS } from "./support/views.js";
import { test } from "./world.js";

const LOOKS = [{}, { dark: true }, { phone: true }, { phone: true, dark: true }];

test.for(VIEWS)("$name looks as it did", async ({ name, world: options, key, prepare, open }, { start }) => {
  const world = await start(options);
  await prepare?.(world);
  for (const look of LOOKS) {
    const page = await world.page({ ...look, ...(key !== undefined && { key }) });
    await open(page, world);
    await shot(page, name);
    await page.close();
  }
});
