// What an agent does is seen as it does it, and looks the same when it is read later.

import type { Locator, Page } from "playwright-core";
import { FORBIDDEN, VECTORS } from "../../src/conversation/transcript/markdown/testing/vectors.js";
import { accessible } from "./axe.js";
import { TALL } from "./support/transcripts.js";
import { type World, call, expect, fail, say, test, think, until, usage } from "./world.js";

const ID = "7d0b1c52-2f0e-4a53-8c2f-4f0a1d6c9e11";
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

async function open(world: World, look = {}): Promise<Page> {
  const page = await world.page(look);
  await page.goto(`/c/${ID}`);
  await page.getByRole("textbox", { name: "Message" }).waitFor();
  return page;
}

async function send(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

const items = (page: Page, kind: string): Locator => page.locator(`[data-item=${kind}]`);
const scroller = (page: Page): Locator => page.getByTestId("transcript");

/** How far above its end the transcript is. */
const above = (page: Page): Promise<number> =>
  scroller(page).evaluate(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight);

/** What is seen of the transcript: its parts and their texts, without times. */
const seen = (page: Page): Promise<readonly string[]> =>
  page.locator("[data-item]").evaluateAll((all) =>
    all.map((item) => {
      const copy = item.cloneNode(true) as HTMLElement;
      for (const volatile of copy.querySelectorAll("[data-volatile]")) volatile.remove();
      return `${item.getAttribute("data-item")}: ${copy.textContent?.replace(/\s+/g, " ").trim()}`;
    }),
  );

/** How much the layout has moved by itself since the page was asked to watch. */
async function watchShifts(page: Page): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const counted = window as unknown as { shifts: number };
    counted.shifts = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) counted.shifts += (entry as unknown as { value: number }).value;
    }).observe({ type: "layout-shift" });
  });
  return () => page.evaluate(() => (window as unknown as { shifts: number }).shifts);
}

/** A long conversation: turns that say nothing new. */
async function long(world: World, turns: number): Promise<void> {
  for (let index = 1; index <= turns; index += 1) {
    world.provider.answer(`question ${index}.`, [[say(`Answer ${index}. ${"It goes on and on. ".repeat(20)}`)]]);
    await world.turn(ID, `question ${index}.`);
  }
}

test("a turn is seen as it happens, and the same after a reload and on another device", async ({ start }) => {
  const world = await start();
  await world.write("a.txt", "one\ntwo\n");
  world.provider.answer("work", [
    [think("First I look."), say("I will **look**."), call("read_file", { path: "a.txt" }), call("run_shell", { command: "echo hi; exit 3" })],
    [call("edit_file", { path: "a.txt", oldString: "two", newString: "three" }), call("write_file", { path: "b.txt", content: "new\n" })],
    [until("gate"), say("Done:\n\n- one\n- two\n")],
  ]);
  const page = await open(world);
  // All of it is in the window: what is out of sight need not be in the document.
  await page.setViewportSize({ width: 1_280, height: TALL });
  await send(page, "please work");
  await items(page, "user").filter({ hasText: "please work" }).waitFor();
  await items(page, "thinking").filter({ hasText: "First I look." }).waitFor();
  expect(await items(page, "text").first().locator("strong").textContent()).toBe("look");
  await items(page, "tool").nth(3).waitFor();
  await expect.poll(() => items(page, "tool").nth(1).getAttribute("data-state")).toBe("failed");
  expect(await items(page, "tool").nth(1).textContent()).toContain("exit code 3");
  // Small changes are shown as what they are.
  const edited = page.getByRole("group", { name: "Changes of a.txt" });
  await edited.filter({ hasText: "three" }).waitFor();
  // Where in the file that is nobody says; a whole file has its lines numbered.
  expect(await edited.locator(".number").count()).toBe(0);
  expect(await page.getByRole("group", { name: "Changes of b.txt" }).locator(".number").allTextContents()).toEqual(["1"]);
  await scroller(page).getByText("Working", { exact: true }).waitFor();

  const device = await open(world, { phone: true });
  await device.setViewportSize({ width: 390, height: TALL });
  await items(device, "tool").nth(3).waitFor();
  expect(await seen(device)).toEqual(await seen(page));
  await page.reload();
  await items(page, "tool").nth(3).waitFor();
  expect(await seen(page)).toEqual(await seen(device));

  world.provider.release("gate");
  await items(page, "text").filter({ hasText: "Done:" }).locator("li").nth(1).waitFor();
  await page.getByRole("button", { name: "What the turn took" }).waitFor();
  await items(device, "text").filter({ hasText: "Done:" }).waitFor();
  const live = await seen(page);
  expect(await seen(device)).toEqual(live);
  await page.reload();
  await items(page, "text").filter({ hasText: "Done:" }).waitFor();
  await expect.poll(() => seen(page)).toEqual(live);
});

test("a tool's output is seen while it runs, and its result when it is opened, by keys alone", async ({ start }) => {
  const world = await start();
  world.provider.answer("run", [
    [call("run_shell", { command: "echo begun; while [ ! -e stop ]; do sleep 0.05; done; printf '\\033[32mended\\033[0m\\n'" })],
    [say("That was it.")],
  ]);
  const page = await open(world);
  await send(page, "run it");
  const tool = items(page, "tool").first();
  await expect.poll(() => tool.getAttribute("data-state")).toBe("running");
  await tool.getByText("begun", { exact: true }).waitFor();
  const button = tool.getByRole("button").first();
  await button.focus();
  await page.keyboard.press("Enter");
  await tool.getByRole("group", { name: "Output so far" }).getByText("begun").waitFor();
  expect(await button.getAttribute("aria-expanded")).toBe("true");
  await world.write("stop", "");
  await expect.poll(() => tool.getByRole("group", { name: "Output", exact: true }).textContent()).toContain("ended");
  expect(await tool.textContent()).not.toContain("\u001b");
  expect(await tool.getAttribute("data-state")).toBe("done");
  await items(page, "text").filter({ hasText: "That was it." }).waitFor();
});

test("a call that waits for another one of its step says so, and no time runs for it", async ({ start }) => {
  const world = await start();
  await world.write("a.txt", "a\n");
  world.provider.answer("both", [
    [call("run_shell", { command: "while [ ! -e go ]; do sleep 0.05; done" }), call("read_file", { path: "a.txt" })],
    [say("Both are done.")],
  ]);
  const page = await open(world);
  await send(page, "do both");
  await page.getByText("2 tool calls in one step, 1 running, 1 waiting").waitFor();
  const waiting = items(page, "tool").nth(1);
  expect(await waiting.getAttribute("data-state")).toBe("waiting");
  // Time runs for the other one.
  await items(page, "tool").first().getByText("1.0 s").waitFor();
  expect(await waiting.locator(".time").count()).toBe(0);
  await world.write("go", "");
  await page.getByText("Both are done.").waitFor();
  expect(await waiting.getAttribute("data-state")).toBe("done");
});

test("steering is shown where it landed, and a stopped turn says so", async ({ start }) => {
  const world = await start();
  world.provider.answer("steer", [
    [call("run_shell", { command: "while [ ! -e go ]; do sleep 0.05; done" })],
    [say("As you say. "), until("never")],
  ]);
  const page = await open(world);
  await send(page, "steer me");
  await items(page, "tool").first().waitFor();
  await send(page, "to the left");
  await world.write("go", "");
  await items(page, "steering").filter({ hasText: "to the left" }).waitFor();
  await items(page, "text").filter({ hasText: "As you say." }).waitFor();
  await page.getByRole("button", { name: "Stop the turn" }).click();
  await page.getByText("Stopped.").first().waitFor();
  expect((await seen(page)).map((item) => item.split(":")[0])).toEqual(["user", "tool", "steering", "text"]);
});

test("what fails says what happened and what to do, and a retry is seen", async ({ start }) => {
  const world = await start();
  world.provider.answer("once", [[fail(503, "too busy", { times: 1 }), say("Here I am.")]]);
  world.provider.answer("always", [[fail(401, "no such key")]]);
  const page = await open(world);
  await send(page, "once more");
  await items(page, "text").filter({ hasText: "Here I am." }).waitFor();
  expect(await items(page, "retry").count()).toBe(0);
  await send(page, "always so");
  await items(page, "error").filter({ hasText: "no such key" }).waitFor();
});

test("the transcript stays at its end while something is said, unless the reader has left it", async ({ start }) => {
  const world = await start();
  const lines = Array.from({ length: 200 }, (_, index) => `Line ${index} of a long answer.\n\n`).join("");
  world.provider.answer("tell", [[say(lines), until("more"), say("And more.\n\n".repeat(40)), until("end"), say("The end.")]]);
  const page = await open(world);
  await send(page, "tell me");
  await items(page, "text").filter({ hasText: "Line 199" }).waitFor();
  await expect.poll(() => above(page)).toBeLessThan(10);

  await scroller(page).hover();
  await page.mouse.wheel(0, -2_000);
  const newest = page.getByRole("button", { name: /Follow the answer|new item|Jump to the newest/ });
  await newest.waitFor();
  await expect.poll(() => above(page)).toBeGreaterThan(1_000);
  const top = await scroller(page).evaluate((element) => element.scrollTop);
  const shifts = await watchShifts(page);
  world.provider.release("more");
  await expect.poll(() => above(page)).toBeGreaterThan(2_500);
  expect(await scroller(page).evaluate((element) => element.scrollTop)).toBe(top);
  expect(await shifts()).toBeLessThan(0.01);

  await newest.click();
  await expect.poll(() => above(page)).toBeLessThan(10);
  world.provider.release("end");
  await items(page, "text").filter({ hasText: "The end." }).waitFor();
  await expect.poll(() => above(page)).toBeLessThan(10);
});

test("what one selects does not run away while more is said", async ({ start }) => {
  const world = await start();
  const more = Array.from({ length: 300 }, (_, index) => `Line ${index} of a long answer.\n\n`).join("");
  world.provider.answer("tell", [[say(more, { perSecond: 600 }), until("end"), say("The end.")]]);
  const page = await open(world);
  const top = () => scroller(page).evaluate((element) => element.scrollTop);
  await send(page, "tell me");
  await items(page, "text").filter({ hasText: "Line 60" }).waitFor();
  const { x, y, height } = (await scroller(page).boundingBox())!;
  const [left, middle] = [x + 140, y + height / 2];
  await page.mouse.move(left, middle);
  await page.mouse.down();
  const before = await top();
  await expect.poll(() => above(page)).toBeGreaterThan(400);
  expect(Math.abs((await top()) - before)).toBeLessThanOrEqual(2);
  await page.mouse.move(left + 120, middle + 100, { steps: 4 });
  await page.mouse.up();
  expect(await page.evaluate(() => getSelection()?.toString())).toContain("of a long answer.");
  await expect.poll(() => above(page)).toBeGreaterThan(800);
  expect(Math.abs((await top()) - before)).toBeLessThanOrEqual(2);
  await page.getByRole("button", { name: /Follow the answer|new item/ }).click();
  await expect.poll(() => above(page)).toBeLessThan(10);
  world.provider.release("end");
  await items(page, "text").filter({ hasText: "The end." }).waitFor();
  await expect.poll(() => above(page)).toBeLessThan(10);
});

test("what is selected is copied as a whole, however far it goes", async ({ start }) => {
  const world = await start();
  await long(world, 60);
  const page = await open(world);
  await items(page, "text").filter({ hasText: "Answer 60." }).waitFor();
  await scroller(page).focus();
  await page.keyboard.press("Home");
  const begin = items(page, "text").filter({ hasText: "Answer 2." });
  await begin.evaluate((row) => getSelection()!.setBaseAndExtent(row, 0, row, row.childNodes.length));
  await page.keyboard.press("End");
  const end = items(page, "text").filter({ hasText: "Answer 60." });
  await end.evaluate((row) => getSelection()!.extend(row, row.childNodes.length));
  const answers = Array.from({ length: 59 }, (_, index) => `Answer ${index + 2}.`);
  await expect
    .poll(async () => {
      const text = await page.evaluate(() => getSelection()!.toString());
      return text.match(/Answer \d+\./g);
    })
    .toEqual(answers);
});

test("what is folded out in one conversation is not so in another", async ({ start }) => {
  const world = await start();
  for (const word of ["apples", "pears"]) world.provider.answer(word, [[think(`About ${word}.`), say(`There are ${word}.`)]]);
  await world.turn("other", "count the pears");
  await world.turn(ID, "count the apples");
  const page = await open(world);
  const thought = (text: string) => items(page, "thinking").filter({ hasText: text }).getByRole("button");
  await thought("About apples.").click();
  expect(await thought("About apples.").getAttribute("aria-expanded")).toBe("true");
  await page.getByRole("navigation", { name: "Conversations", exact: true }).getByRole("link", { name: /count the pears/ }).click();
  await thought("About pears.").waitFor();
  expect(await thought("About pears.").getAttribute("aria-expanded")).toBe("false");
  await page.goBack();
  await thought("About apples.").waitFor();
  expect(await thought("About apples.").getAttribute("aria-expanded")).toBe("true");
});

test("that an answer is finished is not said of one that is only left", async ({ start }) => {
  const world = await start();
  world.provider.answer("wait", [[say("I wait."), until("gate"), say("I waited.")]]);
  await world.turn("other", "hello");
  const page = await open(world);
  const announced = () => page.getByTestId("announced").allTextContents();
  await send(page, "wait for me");
  await items(page, "text").filter({ hasText: "I wait." }).waitFor();
  const links = page.getByRole("navigation", { name: "Conversations", exact: true });
  await links.getByRole("link", { name: /hello/ }).click();
  await items(page, "text").filter({ hasText: "You said: hello" }).waitFor();
  expect((await announced()).join()).not.toContain("The answer is finished.");
  await links.getByRole("link", { name: /wait for me/ }).click();
  await items(page, "text").filter({ hasText: "I wait." }).waitFor();
  world.provider.release("gate");
  await items(page, "text").filter({ hasText: "I waited." }).waitFor();
  await expect.poll(async () => (await announced()).join()).toContain("The answer is finished.");
});

test("a text that is written from right to left is shown so, and code is not", async ({ start }) => {
  const world = await start();
  world.provider.answer("שלום", [[say("שלום לך.\n\n- אחת\n  ```js\n  let a = 1;\n  ```\n\nAnd in English.")]]);
  const page = await open(world);
  const direction = (of: Locator) => of.evaluate((element) => getComputedStyle(element).direction);
  await page.getByRole("textbox", { name: "Message" }).fill("שלום");
  expect(await direction(page.getByRole("textbox", { name: "Message" }))).toBe("rtl");
  await send(page, "שלום");
  const answer = items(page, "text").first();
  await answer.getByText("And in English.").waitFor();
  expect(await direction(items(page, "user").first())).toBe("rtl");
  expect(await direction(answer.getByText("שלום לך."))).toBe("rtl");
  expect(await direction(answer.locator("pre"))).toBe("ltr");
  expect(await direction(answer.getByText("And in English."))).toBe("ltr");
});

test("older history comes when the reader goes up, without a jump, and the place is kept", async ({ start }) => {
  const world = await start();
  await long(world, 130);
  const page = await open(world);
  await items(page, "text").filter({ hasText: "Answer 130." }).waitFor();
  await expect.poll(() => above(page)).toBeLessThan(10);
  // Few of them are in the page.
  expect(await items(page, "text").count()).toBeLessThan(40);
  await scroller(page).focus();
  await page.keyboard.press("Home");
  await items(page, "text").filter({ hasText: "Answer 31." }).waitFor();
  // What was above is read; what was in view stays in view.
  await expect.poll(() => scroller(page).evaluate((element) => element.scrollTop)).toBeGreaterThan(1_000);
  await items(page, "text").filter({ hasText: "Answer 31." }).waitFor();
  await expect
    .poll(async () => {
      await page.keyboard.press("Home");
      return items(page, "text").filter({ hasText: /Answer 1\. / }).count();
    })
    .toBe(1);

  await scroller(page).evaluate((element) => (element.scrollTop = 4_000));
  /** What is at the top, and how much of it is above. */
  const top = () =>
    scroller(page).evaluate((element) => {
      const from = element.getBoundingClientRect().top;
      const rows = [...element.querySelectorAll<HTMLElement>("[data-row]")].map((row) => ({
        key: row.dataset["row"],
        offset: Math.round(from - row.getBoundingClientRect().top),
        height: row.getBoundingClientRect().height,
      }));
      const { key, offset } = rows.sort((a, b) => b.offset - a.offset).find((row) => row.offset < row.height)!;
      return { key, offset };
    });
  const kept = () =>
    page.evaluate((id) => JSON.parse(sessionStorage.getItem(`dispatch.place.${id}`) ?? "{}") as { key: string; offset: number }, ID);
  // Once it is still, it is kept.
  await expect
    .poll(async () => {
      const [place, seen] = [await kept(), await top()];
      return place.key === seen.key && Math.abs(place.offset - seen.offset) <= 2;
    })
    .toBe(true);
  const before = await top();
  await page.reload();
  await expect
    .poll(async () => {
      const after = await top();
      return after.key === before.key && Math.abs(after.offset - before.offset) <= 2;
    })
    .toBe(true);
});

test("markdown is shown as it is meant, and nothing in it does anything", async ({ start }) => {
  const world = await start();
  const address = "https://pictures.invalid/cat.png";
  const text = [
    "# Title\n\nA [link](https://example.com) and `code`, and <b onclick=alert(1)>raw</b> <img src=x onerror=alert(1)>.",
    "- [x] bread\n- [ ] milk",
    "| a | b |\n|---|--:|\n| 1 | 2 |",
    `![a cat](${address})`,
    "[bad](javascript:alert(1))",
    "```rust\nfn main() { println!(\"hi\"); }\n```",
    "- in a list\n  ```js\n  let a = 1;\n  ```",
  ].join("\n\n");
  world.provider.answer("show", [[say(text)]]);
  const page = await open(world);
  await send(page, "show me");
  const answer = items(page, "text").first();
  await answer.locator("figure").nth(1).waitFor();
  await answer.locator(".hljs-keyword").first().waitFor();
  expect(await answer.locator("h2").textContent()).toBe("Title");
  const links = await answer.getByRole("link").evaluateAll((all) => all.map((link) => link.outerHTML));
  expect(links).toEqual(['<a href="https://example.com" target="_blank" rel="noopener noreferrer nofollow">link</a>']);
  expect(await answer.textContent()).toContain("<b onclick=alert(1)>raw</b>");
  expect(await answer.locator("img, script, b, [style], [onclick]").count()).toBe(0);
  expect(await answer.locator("td").evaluateAll((all) => all.map((cell) => getComputedStyle(cell).textAlign))).toEqual([
    "start",
    "right",
  ]);
  await answer.getByRole("button", { name: "Show the image “a cat” from pictures.invalid" }).waitFor();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await answer.getByRole("button", { name: "Copy the code" }).click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('fn main() { println!("hi"); }');
  await answer.locator("[data-copy]").click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe("let a = 1;");
});

test("nothing that a model writes can do harm in a browser", async ({ start }) => {
  const world = await start();
  world.provider.answer("harm", [[say(VECTORS.join("\n\n"))]]);
  const page = await open(world);
  await page.evaluate(() => Object.assign(window, { alert: () => document.body.setAttribute("data-harmed", "") }));
  await send(page, "do harm");
  await page.getByRole("button", { name: "What the turn took" }).waitFor();
  const prose = page.locator("[data-item=text] .prose > div");
  expect(await prose.locator(FORBIDDEN).count()).toBe(0);
  const attributes = await prose.locator("*").evaluateAll((all) =>
    all.flatMap((element) => [...element.attributes].map(({ name, value }) => `${name}=${value}`)),
  );
  expect(attributes.filter((attribute) => /^(on|style=|srcdoc=|id=|name=)/.test(attribute))).toEqual([]);
  const addresses = attributes.filter((attribute) => /^(href|src|data-image)=/.test(attribute));
  for (const address of addresses) expect(address).toMatch(/=(https?:|mailto:|data:image\/(png|jpeg|gif|webp);base64,)/i);
  expect(await page.locator("[data-harmed]").count()).toBe(0);
});

test("images of messages open large, also those that are behind a key", async ({ start }) => {
  const world = await start({ keys: ["operator"] });
  world.provider.answer("look", [[say("A dot.")]]);
  await world.turn(ID, "look at this", { images: [{ url: `data:image/png;base64,${PIXEL}` }] });
  const page = await open(world, { key: "operator" });
  await items(page, "text").filter({ hasText: "A dot." }).waitFor();
  const small = page.getByRole("button", { name: "Image: show it large" });
  await expect.poll(() => small.locator("img").evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1);
  await small.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Image" });
  await dialog.locator("img").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  expect(await small.evaluate((button) => button === document.activeElement)).toBe(true);
});

test("an image that cannot be shown says so", async ({ start }) => {
  const world = await start();
  await world.turn(ID, "look at this", { images: [{ url: `data:image/png;base64,${PIXEL}` }] });
  const page = await world.page();
  await page.route("**/images/**", (route) => route.fulfill({ contentType: "image/png", body: "no image" }));
  await page.goto(`/c/${ID}`);
  await page.getByText("The image could not be loaded.").waitFor();
});

test("a turn says what it took, and each of its steps on demand", async ({ start }) => {
  const world = await start();
  await world.write("a.txt", "a");
  world.provider.answer("count", [
    [call("read_file", { path: "a.txt" }), usage({ input: 50_000, output: 100, cached: 40_000 })],
    [say("Done."), usage({ input: 60_000, output: 200, cached: 50_000 })],
  ]);
  const page = await open(world);
  await send(page, "count it");
  const line = page.getByRole("button", { name: "What the turn took" });
  await line.waitFor();
  await expect.poll(() => line.textContent()).toContain("110k in, 300 out");
  await expect.poll(() => line.textContent()).toContain("30 % of the context");
  await line.press("Enter");
  const rows = page.getByRole("group", { name: "Figures of the turn" }).getByRole("row");
  expect(await rows.count()).toBe(4);
  const cells = (await rows.nth(2).getByRole("cell").allTextContents()).slice(0, 4);
  expect(cells).toEqual(["60k", "50k", "200", "60.2k"]);
});

test("what was compacted is in the archive, one click away, which can only be read", async ({ start }) => {
  const world = await start();
  await long(world, 8);
  world.provider.answer("user: question 1.", [[say("They counted.")]]);
  const page = await open(world);
  await items(page, "text").filter({ hasText: "Answer 8." }).waitFor();
  await world.ask("POST", `/conversations/${ID}/compact`, { keepLastN: 2 });
  await items(page, "note").waitFor();
  await page.getByRole("button", { name: "The summary that the model has of them" }).click();
  await page.getByText("They counted.").waitFor();
  await items(page, "text").filter({ hasText: "Answer 8." }).waitFor();
  await page.getByRole("link", { name: "The messages before are in the archive." }).click();
  await page.getByText("This is an archive").waitFor();
  await items(page, "text").filter({ hasText: "Answer 8." }).waitFor();
  expect(await page.getByRole("textbox", { name: "Message" }).count()).toBe(0);
  await page.getByRole("note").getByRole("link").click();
  await items(page, "note").waitFor();
});

test("a first message makes a conversation, and the writer stays in the composer", async ({ start }) => {
  const world = await start();
  world.provider.answer("begin", [[say("It has begun.")]]);
  const page = await world.page();
  await page.goto("/");
  await page.getByText("What is to be done?").waitFor();
  const composer = page.getByRole("textbox", { name: "Message" });
  await composer.fill("begin with this");
  await composer.press("Enter");
  await items(page, "text").filter({ hasText: "It has begun." }).waitFor();
  expect(new URL(page.url()).pathname).toMatch(/^\/c\/[0-9a-f]{32}$/);
  expect(await composer.evaluate((element) => element === document.activeElement)).toBe(true);
  expect(await items(page, "user").count()).toBe(1);
  // "New" is another conversation.
  await page.goto("/");
  await page.getByText("What is to be done?").waitFor();
});

test("a first message that arrives when its writer has left begins one conversation, and the next one another", async ({ start }) => {
  const world = await start();
  await world.turn("other", "hello");
  const page = await world.page();
  let arrive = () => {};
  await page.route("**/chat", async (route) => {
    await new Promise<void>((resolve) => (arrive = resolve));
    await route.continue();
  });
  await page.goto("/");
  await send(page, "the first");
  await page.getByText("Sending…").waitFor();
  const links = page.getByRole("navigation", { name: "Conversations", exact: true });
  await links.getByRole("link", { name: /hello/ }).click();
  await items(page, "text").filter({ hasText: "You said: hello" }).waitFor();
  arrive();
  await links.getByRole("link", { name: /the first/ }).waitFor();
  await page.unroute("**/chat");
  await page.keyboard.press("Control+Shift+O");
  await page.getByText("What is to be done?").waitFor();
  await send(page, "the second");
  await items(page, "text").filter({ hasText: "You said: the second" }).waitFor();
  expect(await items(page, "user").allTextContents()).toEqual(["the second"]);
});

test("a new conversation that is known already by the time its page is loaded is shown as what it is", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/");
  await page.getByText("What is to be done?").waitFor();
  const id = (await page.evaluate(() => sessionStorage.getItem("dispatch.new")))!;
  // As if the page had been left after its message, and before the answer to that.
  await page.goto("/settings");
  await world.turn(id, "hello");
  await page.goto("/");
  await items(page, "text").filter({ hasText: "You said: hello" }).waitFor();
  expect(new URL(page.url()).pathname).toBe(`/c/${id}`);
});

test("a closed conversation says so, until it is opened again, or its next message does that", async ({ start }) => {
  const world = await start();
  await world.turn(ID, "hello");
  const page = await open(world);
  await items(page, "text").filter({ hasText: "You said: hello" }).waitFor();
  const note = page.getByText("This conversation is closed. Your next message opens it again.");
  expect(await note.count()).toBe(0);
  await world.ask("POST", `/conversations/${ID}/close`);
  await note.waitFor();
  await send(page, "are you there");
  await items(page, "text").filter({ hasText: "You said: are you there" }).waitFor();
  await note.waitFor({ state: "detached" });
  await world.ask("POST", `/conversations/${ID}/close`);
  await page.getByRole("note").getByRole("button", { name: "Open again" }).click();
  await note.waitFor({ state: "detached" });
  expect(await world.ask("GET", `/conversations/${ID}/status`)).toMatchObject({ status: "idle" });
});

test("the end stays in view when what is below becomes smaller, and larger", async ({ start }) => {
  const world = await start();
  await long(world, 6);
  const page = await open(world);
  await items(page, "text").filter({ hasText: "Answer 6." }).waitFor();
  const note = page.getByRole("note");
  const newest = page.getByRole("button", { name: "Jump to the newest" });
  for (let round = 0; round < 3; round += 1) {
    await world.ask("POST", `/conversations/${ID}/close`);
    await note.waitFor();
    await expect.poll(() => above(page)).toBeLessThan(2);
    await world.ask("POST", `/conversations/${ID}/reopen`);
    await note.waitFor({ state: "detached" });
    await expect.poll(() => above(page)).toBeLessThan(2);
    expect(await newest.isVisible()).toBe(false);
  }
});

test("a deleted conversation says so", async ({ start }) => {
  const world = await start();
  await long(world, 1);
  const page = await open(world);
  await items(page, "text").waitFor();
  await world.ask("DELETE", `/conversations/${ID}`);
  await page.getByText("This conversation was deleted.").waitFor();
});

for (const dark of [false, true]) {
  test(`the transcript has nothing that keeps anybody out, ${dark ? "dark" : "light"}`, async ({ start }) => {
    const world = await start();
    await world.write("a.txt", "one\ntwo\n");
    world.provider.answer("all", [
      [think("Hm."), call("read_file", { path: "a.txt" }), call("run_shell", { command: "exit 1" })],
      [call("edit_file", { path: "a.txt", oldString: "two", newString: "three" }), call("todo_write", { todos: [{ content: "bread", status: "completed" }, { content: "milk", status: "in_progress" }] })],
      [say("# Title\n\n```rust\nfn main() { let a = \"b\"; } // c\n```\n\n| a |\n|---|\n| b |\n\n- [x] done\n\n> said\n\n[link](https://example.com)")],
    ]);
    const page = await open(world, { dark });
    await send(page, "all of it");
    await items(page, "text").locator(".hljs-keyword").first().waitFor();
    await page.getByRole("button", { name: "What the turn took" }).click();
    await items(page, "tool").first().getByRole("button").first().click();
    await items(page, "thinking").getByRole("button").click();
    await accessible(page);
  });
}
