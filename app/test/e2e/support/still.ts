// A page whose parts have come to where they belong.

import type { Page } from "playwright-core";

/** Waits for what fades or slides in. What moves for ever is not waited for. */
export async function still(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const passing = document.getAnimations().filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity);
    await Promise.all(passing.map((animation) => animation.finished.catch(() => {})));
  });
}
