// Pictures of views, against pictures that somebody looked at. `UPDATE_BASELINES=1` takes the new ones.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pixelmatch from "pixelmatch";
import type { Page } from "playwright-core";
import { PNG } from "pngjs";
import { RESULTS } from "./world.js";

const BASELINES = fileURLToPath(new URL("baselines/", import.meta.url));

/** The part of all pixels that may differ: letters are not drawn quite the same by every Chromium. */
const TOLERANCE = 0.0005;

/** How many pictures to take until two are the same. */
const ATTEMPTS = 20;

/**
 * What differs from run to run is left out: what moves, what `data-volatile` marks, times, and videos; and the fonts are
 * those that every Debian with a browser has.
 */
const SETTLED = `
  :root { --sans: "DejaVu Sans" !important; --mono: "DejaVu Sans Mono" !important; }
  *, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important; }
  video, canvas, :is(svg, img)[data-volatile], [data-volatile] :is(svg, img) { visibility: hidden !important; }
  :is(time, [data-volatile]):not(svg, img, video, canvas) { font-size: 0 !important; min-width: 0 !important; }
  :is(time, [data-volatile]):not(svg, img, video, canvas) > :not(svg) { display: none !important; }
  :is(time, [data-volatile]):not(svg, img, video, canvas)::after { content: "–"; font-size: var(--size-s); }
`;

/** Whether the view looks as it did. The name gets what it is looked at with: `usage` is `usage-phone-dark.png`. */
export async function shot(page: Page, name: string): Promise<void> {
  await settle(page);
  const file = `${name}-${await look(page)}.png`;
  const actual = await picture(page);
  const baseline = join(BASELINES, file);
  if (process.env["UPDATE_BASELINES"] === "1") {
    await mkdir(BASELINES, { recursive: true });
    return writeFile(baseline, actual);
  }
  const expected = await readFile(baseline).catch(() => undefined);
  const results = { actual: join(RESULTS, file), difference: join(RESULTS, file.replace(".png", "-difference.png")) };
  await Promise.all(Object.values(results).map((path) => rm(path, { force: true })));
  if (expected && actual.equals(expected)) return;
  await mkdir(RESULTS, { recursive: true });
  await writeFile(results.actual, actual);
  if (!expected) throw new Error(`There is no baseline ${file}: look at ${results.actual}, then run with UPDATE_BASELINES=1.`);
  const { differing, difference } = compared(PNG.sync.read(expected), PNG.sync.read(actual));
  if (differing <= TOLERANCE) return rm(results.actual);
  if (difference) await writeFile(results.difference, PNG.sync.write(difference));
  throw new Error(
    `${file} looks different in ${(differing * 100).toFixed(2)} % of its pixels: see ${results.actual}` +
      `${difference ? ` and ${results.difference}` : ", which has another size"}. If that is right, run with UPDATE_BASELINES=1.`,
  );
}

/** From now on the page looks the same in every run. */
export async function settle(page: Page): Promise<void> {
  await page.evaluate(async (text) => {
    // A sheet that is made here needs no leave of the page's policy.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    await document.fonts.ready;
  }, SETTLED);
}

/** A picture of a page that does not change any more. */
async function picture(page: Page): Promise<Buffer> {
  let last = await page.screenshot({ caret: "initial" });
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    await page.waitForTimeout(200);
    const next = await page.screenshot({ caret: "initial" });
    if (next.equals(last)) return next;
    last = next;
  }
  throw new Error("The page changes all the time: mark what does with data-volatile.");
}

async function look(page: Page): Promise<string> {
  const isDark = await page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches);
  const isPhone = (page.viewportSize()?.width ?? 0) < 600;
  return `${isPhone ? "phone" : "desktop"}-${isDark ? "dark" : "light"}`;
}

function compared(expected: PNG, actual: PNG): { readonly differing: number; readonly difference?: PNG } {
  const { width, height } = expected;
  if (actual.width !== width || actual.height !== height) return { differing: 1 };
  const difference = new PNG({ width, height });
  const pixels = pixelmatch(expected.data, actual.data, difference.data, width, height, { threshold: 0.1 });
  return { differing: pixels / (width * height), difference };
}
