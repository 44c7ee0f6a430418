// How long it takes until there is something to see, and until one can write, in a browser that was never here before.

import type { Page } from "playwright-core";
import { type Bench, type Figure, median } from "./bench.js";

const TIMES = 5;

interface Start {
  readonly paint: number;
  readonly interactive: number;
  readonly script: number;
}

export async function cold(bench: Bench): Promise<readonly Figure[]> {
  const { url } = await bench.serve();
  const starts: Start[] = [];
  for (let time = 0; time < TIMES; time += 1) {
    // Each context has a cache of its own, and what was compiled in another is not in it.
    const context = await bench.browser.newContext({ viewport: { width: 1280, height: 800 } });
    starts.push(await start(await context.newPage(), url));
    await context.close();
  }
  const of = (name: keyof Start) => median(starts.map((start) => start[name]));
  return [
    { what: "first paint, cold cache", measured: of("paint"), unit: "ms", most: 1_000 },
    { what: "a message can be written, cold cache", measured: of("interactive"), unit: "ms", most: 1_500 },
    { what: "script until then, as it was sent", measured: of("script"), unit: "bytes" },
  ];
}

/** Opens the app, and writes the first letter as soon as there is where to. */
async function start(page: Page, url: string): Promise<Start> {
  await page.addInitScript(() => {
    const marked = window as unknown as { interactive: Promise<number> };
    marked.interactive = new Promise((resolve) => {
      const look = () => {
        const composer = document.querySelector<HTMLTextAreaElement>("[data-composer]");
        if (!composer || composer.disabled || composer.getBoundingClientRect().height === 0) return requestAnimationFrame(look);
        // What comes after this frame is painted and done with everything that was due.
        return requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
      };
      requestAnimationFrame(look);
    });
  });
  await page.goto(url);
  return page.evaluate(async () => {
    const interactive = await (window as unknown as { interactive: Promise<number> }).interactive;
    const paint = await new Promise<number>((resolve) => {
      const observer = new PerformanceObserver((list) => {
        const [first] = list.getEntriesByName("first-contentful-paint");
        if (first) resolve(first.startTime);
      });
      observer.observe({ type: "paint", buffered: true });
    });
    const scripts = performance.getEntriesByType("resource").filter(({ name, startTime }) => /\.js$/.test(name) && startTime < interactive);
    return { paint, interactive, script: scripts.reduce((sum, entry) => sum + (entry as PerformanceResourceTiming).encodedBodySize, 0) };
  });
}
