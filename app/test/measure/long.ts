// How long it takes to open a conversation of 50,000 chunks.

import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { APP } from "../e2e/support/programs.js";
import type { Server } from "../e2e/support/server.js";
import { type Bench, type Figure, median } from "./bench.js";

const TIMES = 5;
const CHUNKS = 50_000;
const NEWEST = "The newest of all messages.";
const TITLE = "A long conversation";
/** Making it takes minutes: it is kept. */
const KEPT = join(APP, "node_modules/.cache/measure", `long-${CHUNKS}`);

/** What the built-in model is asked for in each turn: five steps of tools, most of them several at once. */
const MESSAGE = `think about what is in this directory
${"list . and read notes.txt and list . and read notes.txt and list . and read notes.txt\n".repeat(4)}
say The directory has **one file**, \`notes.txt\`, and it reads as it did before: nothing was changed.`;

export async function long(bench: Bench): Promise<readonly Figure[]> {
  if (!existsSync(KEPT)) await make(bench);
  const { server, url } = await bench.serve(KEPT);
  const { latestSeq } = await ask<{ latestSeq: number }>(server, "GET", "/conversations/long?limit=1");
  const times: number[] = [];
  for (let time = 0; time < TIMES; time += 1) {
    const context = await bench.browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    await page.goto(url);
    times.push(await open(page));
    await context.close();
  }
  return [
    { what: "chunks in the conversation", measured: latestSeq, unit: "" },
    { what: "from the click to its newest message", measured: median(times), unit: "ms", most: 300 },
    { what: "the slowest of these", measured: Math.max(...times), unit: "ms" },
  ];
}

/** Clicks on it in the list, and waits until its newest message can be seen. */
async function open(page: Page): Promise<number> {
  const link = page.getByRole("navigation", { name: "Conversations" }).getByRole("link", { name: TITLE });
  await link.waitFor();
  // What the page did at first is over.
  await page.waitForTimeout(1_000);
  const opened = page.evaluate(
    (newest) =>
      new Promise<number>((resolve) => {
        let clicked = 0;
        addEventListener("click", ({ timeStamp }) => (clicked = timeStamp), { capture: true, once: true });
        const look = () => {
          const items = [...document.querySelectorAll("[data-item=text]")];
          const isThere = items.some((item) => {
            const { top, bottom } = item.getBoundingClientRect();
            return item.textContent?.includes(newest) && bottom > 0 && top < innerHeight && item.checkVisibility();
          });
          if (!isThere) return requestAnimationFrame(look);
          // After the frame that it is painted in.
          return requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - clicked)));
        };
        requestAnimationFrame(look);
      }),
    NEWEST,
  );
  await link.click();
  return opened;
}

/** Has the built-in model talk until there are so many chunks. */
async function make(bench: Bench): Promise<void> {
  console.log(`A conversation of ${CHUNKS} chunks is made. That takes some minutes, once.`);
  const making = `${KEPT}-${process.pid}`;
  await mkdir(making, { recursive: true });
  const { server } = await bench.serve(making);
  const say = async (message: string) => {
    await ask(server, "POST", "/chat", { conversationId: "long", message, model: "demo/demo" });
    const { latestSeq } = await ask<{ latestSeq: number }>(server, "GET", "/conversations/long?limit=1");
    return latestSeq;
  };
  await say("write notes.txt: What is to be kept.");
  for (let chunks = 0, turns = 1; chunks < CHUNKS - 2; turns += 1) {
    chunks = await say(chunks > CHUNKS - 100 ? "say Almost there." : MESSAGE);
    if (turns % 100 === 0) console.log(`${chunks} chunks`);
  }
  await say(`say ${NEWEST}`);
  await ask(server, "PUT", "/conversations/long/title", { title: TITLE });
  await server.kill();
  await rm(KEPT, { recursive: true, force: true });
  await rename(making, KEPT);
}

async function ask<Answer>(server: Server, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method,
    headers: { "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (response.headers.get("content-type")?.includes("application/json") ? JSON.parse(text) : text) as Answer;
}
