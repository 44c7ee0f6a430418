// How smooth the page is while a model says 5,000 tokens a second.

import type { Page } from "playwright-core";
import { say, tokens } from "../e2e/support/script.js";
import { type Bench, type Figure, percentile } from "./bench.js";
import { markdown } from "./markdown.js";

const PER_SECOND = 5_000;
const SECONDS = 10;
const END = "That is all of it.";

interface Seen {
  /** Milliseconds between two frames. */
  readonly frames: readonly number[];
  /** Milliseconds of each task that took more than 50 of them. */
  readonly long: readonly number[];
  readonly lasted: number;
}

export async function stream(bench: Bench): Promise<readonly Figure[]> {
  const { server, url } = await bench.serve();
  const answer = `${markdown(PER_SECOND * SECONDS * 3.5)}${END}`;
  bench.provider.answer("tell me everything", [[say(answer, { perSecond: PER_SECOND })]]);
  const page = await (await bench.browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  await page.goto(`${url}/c/stream`);
  await page.locator("[data-composer]").waitFor();
  const busy = await busyTime(page);
  const watching = watch(page);
  const turn = await fetch(`${server.url}/chat`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ conversationId: "stream", message: "tell me everything" }),
  });
  await turn.text();
  const { frames, long, lasted } = await watching;
  const busyFor = await busy();
  await page.context().close();
  return [
    { what: "tokens a second that were streamed", measured: tokens(answer).length / (lasted / 1000), unit: "/s" },
    { what: "frames a second meanwhile", measured: frames.length / (lasted / 1000), unit: "/s", least: 50 },
    { what: "between two frames, median", measured: percentile(frames, 50), unit: "ms", most: 20 },
    { what: "between two frames, 95 of 100", measured: percentile(frames, 95), unit: "ms" },
    { what: "between two frames, 99 of 100", measured: percentile(frames, 99), unit: "ms" },
    { what: "between two frames, the longest", measured: Math.max(...frames), unit: "ms" },
    { what: "of the time the page computes", measured: (busyFor / lasted) * 100, unit: "%" },
    { what: "tasks of more than 50 ms", measured: long.length, unit: "" },
    { what: "the longest of them", measured: Math.max(0, ...long), unit: "ms" },
  ];
}

/** Asks for how many milliseconds the page's main thread has computed since now: other programs do not count. */
async function busyTime(page: Page): Promise<() => Promise<number>> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  const read = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return (metrics.find(({ name }) => name === "TaskDuration")?.value ?? NaN) * 1000;
  };
  const before = await read();
  return async () => (await read()) - before;
}

/** From the first word of the answer to the last one. */
function watch(page: Page): Promise<Seen> {
  return page.evaluate(
    (end) =>
      new Promise<Seen>((resolve) => {
        const frames: number[] = [];
        const long: number[] = [];
        let first: number | undefined;
        let last = 0;
        new PerformanceObserver((list) => {
          for (const { startTime, duration } of list.getEntries()) if (first !== undefined && startTime > first) long.push(duration);
        }).observe({ type: "longtask" });
        const answers = document.getElementsByTagName("p");
        const frame = (now: number) => {
          if (first === undefined && document.querySelector("[data-item=text]")) first = now;
          else if (first !== undefined) frames.push(now - last);
          last = now;
          // The newest paragraphs alone: reading all of the answer would take time of its own.
          const isOver = [1, 2, 3, 4, 5].some((back) => answers.item(answers.length - back)?.textContent?.includes(end));
          if (isOver && first !== undefined) resolve({ frames, long, lasted: now - first });
          else requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
      }),
    END,
  );
}
