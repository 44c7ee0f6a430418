// What a conversation is led with: the composer, the header, and the details beside it.

import { Buffer } from "node:buffer";
import type { Page } from "playwright-core";
import { accessible } from "./axe.js";
import { keyboard } from "./keyboard.js";
import { TOUR, picture, tour } from "./support/scenes.js";
import { composer } from "./support/views.js";
import { type World, call, expect, say, test, until, usage } from "./world.js";

interface Written {
  readonly chunks: readonly { readonly role: string; readonly chunk: { readonly type: string; readonly text?: string } }[];
}

const PNG = Buffer.from(picture().split(",")[1]!, "base64");

/** The composer, and what waits above it. */
const NEXT = 'section[aria-label="Next message"]';

const send = (page: Page) => page.getByRole("button", { name: "Send", exact: true });
const stop = (page: Page) => page.getByRole("button", { name: "Stop the turn" });
const queue = (page: Page) => page.getByRole("list", { name: /waiting/ });
const details = (page: Page) => page.getByRole("button", { name: "Details", exact: true });
const answer = (page: Page, text: string) => page.locator("[data-item=text]").filter({ hasText: text });
const hint = (page: Page) => composer(page).evaluate((field) => document.getElementById(field.getAttribute("aria-describedby")!)!.textContent);

/** What people have said in a conversation. */
async function said(world: World, id: string): Promise<readonly (string | undefined)[]> {
  const { chunks } = await world.ask<Written>("GET", `/conversations/${id}?extensions=true`);
  return chunks.filter(({ role }) => role === "user").map(({ chunk }) => chunk.text ?? chunk.type);
}

/** A page that shows a conversation whose turn runs until `gate` is released. */
async function running(world: World): Promise<Page> {
  await world.write("a.txt", "the text of a");
  world.provider.answer("begin", [
    [say("I begin. "), until("gate"), call("read_file", { path: "a.txt" })],
    [say("I am done.")],
  ]);
  void world.turn("one", "please begin").catch(() => {});
  await world.provider.reached("gate");
  const page = await world.page();
  await page.goto("/c/one");
  await page.getByText("I begin.").waitFor();
  return page;
}

test("a message is sent with Enter, and Shift+Enter begins a line", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/c/one");
  expect(await send(page).isDisabled()).toBe(true);
  await composer(page).pressSequentially("first");
  const height = (await composer(page).boundingBox())!.height;
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second");
  expect((await composer(page).boundingBox())!.height).toBeGreaterThan(height);
  await page.keyboard.press("Enter");
  await answer(page, "You said: first").waitFor();
  expect(await composer(page).inputValue()).toBe("");
  await expect.poll(() => said(world, "one")).toEqual(["first\nsecond"]);
});

test("on a phone Enter begins a line, and the button sends", async ({ start }) => {
  const world = await start();
  const page = await world.page({ phone: true });
  await page.goto("/c/one");
  await composer(page).tap();
  await page.keyboard.type("first");
  await page.keyboard.press("Enter");
  await page.keyboard.type("second");
  expect(await composer(page).inputValue()).toBe("first\nsecond");
  await send(page).tap();
  await answer(page, "You said: first").waitFor();
  await expect.poll(() => said(world, "one")).toEqual(["first\nsecond"]);
});

test("what is begun is kept for each conversation, and over a reload", async ({ start }) => {
  const world = await start();
  for (const id of ["one", "two"]) await world.turn(id, "hello");
  const page = await world.page();
  await page.goto("/c/one");
  await composer(page).fill("for the first");
  await page.goto("/c/two");
  await composer(page).fill("for the second");
  await page.setInputFiles('input[type="file"]', { name: "a.png", mimeType: "image/png", buffer: PNG });
  await page.getByRole("img", { name: "a.png" }).waitFor();
  await page.reload();
  await expect.poll(() => composer(page).inputValue()).toBe("for the second");
  await page.getByRole("img", { name: "a.png" }).waitFor();
  await page.goto("/c/one");
  await expect.poll(() => composer(page).inputValue()).toBe("for the first");
  expect(await page.getByRole("img", { name: "a.png" }).count()).toBe(0);
});

test("a message that cannot be sent stays, with the reason, and is sent once when it can be", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const page = await world.page();
  await page.goto("/c/one");
  await answer(page, "You said: hello").waitFor();
  await world.offline(page, true);
  await expect.poll(() => hint(page)).toBe("Not connected. What you write is kept.");
  await composer(page).fill("are you there?");
  await page.keyboard.press("Enter");
  const reason = page.getByRole("alert").filter({ hasText: "Not sent" });
  await reason.getByText("The server cannot be reached").waitFor();
  expect(await composer(page).inputValue()).toBe("are you there?");

  await world.offline(page, false);
  await expect.poll(() => hint(page)).toContain("Enter sends");
  await composer(page).press("Enter");
  await answer(page, "You said: are you there?").waitFor();
  await reason.waitFor({ state: "detached" });
  await expect.poll(() => said(world, "one")).toEqual(["hello", "are you there?"]);
});

test("what is said while a turn runs waits, and can be cancelled, taken back, or steers the turn", async ({ start }) => {
  const world = await start();
  const page = await running(world);
  await expect.poll(() => hint(page)).toContain("It reaches the running turn after its next tool results");
  for (const text of ["not this", "almost this", "and this"]) {
    await composer(page).fill(text);
    await page.keyboard.press("Enter");
    await queue(page).getByText(text, { exact: true }).waitFor();
  }
  const item = (text: string) => queue(page).getByRole("listitem").filter({ hasText: text });
  await item("not this").getByRole("button", { name: "Cancel the message" }).click();
  await expect.poll(() => queue(page).getByRole("listitem").count()).toBe(2);
  await item("almost this").getByRole("button", { name: "Take back into the composer" }).click();
  await expect.poll(() => composer(page).inputValue()).toBe("almost this");
  await composer(page).fill("exactly this");
  await page.keyboard.press("Enter");
  await item("exactly this").waitFor();

  world.provider.release("gate");
  await page.getByText("I am done.").waitFor();
  await queue(page).waitFor({ state: "detached" });
  await expect.poll(() => said(world, "one")).toEqual(["please begin", "and this\n\nexactly this"]);
});

test("what waits is the same on every device", async ({ start }) => {
  const world = await start();
  const page = await running(world);
  const other = await world.page({ phone: true });
  await other.goto("/c/one");
  await composer(page).fill("and this");
  await page.keyboard.press("Enter");
  await queue(other).getByText("and this").waitFor();
  // There is room for all of it on the narrowest of phones.
  await other.setViewportSize({ width: 360, height: 640 });
  expect(await other.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  for (const button of [stop(other), send(other)]) {
    const { x, width } = (await button.boundingBox())!;
    expect(x + width).toBeLessThanOrEqual(360);
  }
  await queue(other).getByRole("button", { name: "Cancel the message" }).tap();
  await queue(page).waitFor({ state: "detached" });
  await queue(other).waitFor({ state: "detached" });
  world.provider.release("gate");
  await page.getByText("I am done.").waitFor();
  await expect.poll(() => said(world, "one")).toEqual(["please begin"]);
});

test("a turn is stopped by its button, by Escape twice, and by a key", async ({ start }) => {
  const world = await start();
  world.provider.answer(/wait/, [[say("I wait."), until("never")]]);
  const page = await world.page();
  await page.goto("/c/one");
  const ways = [
    () => stop(page).click(),
    async () => {
      await page.keyboard.press("Escape");
      await expect.poll(() => hint(page)).toBe("Press Escape again to stop the turn.");
      await page.keyboard.press("Escape");
    },
    () => page.keyboard.press("Control+."),
  ];
  for (const [index, way] of ways.entries()) {
    await composer(page).fill(`wait ${index}`);
    await page.keyboard.press("Enter");
    await expect.poll(() => page.getByText("I wait.").count()).toBe(index + 1);
    await way();
    await stop(page).waitFor({ state: "detached" });
  }
  expect(await world.ask("GET", "/conversations/one/status")).toMatchObject({ isActive: false });
});

test("images are pasted, dropped and chosen, and go with the message", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/c/one");
  await composer(page).waitFor();
  await page.setInputFiles('input[type="file"]', [
    { name: "chosen.png", mimeType: "image/png", buffer: PNG },
    { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no image") },
  ]);
  await page.getByText("notes.txt is not a PNG, JPEG, GIF or WebP image.").waitFor();
  for (const [type, name] of [["paste", "pasted.png"], ["drop", "dropped.png"]] as const) {
    await composer(page).evaluate(
      (field, { type, name, bytes }) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
        const more = { bubbles: true, cancelable: true };
        const event = type === "paste" ? new ClipboardEvent(type, { ...more, clipboardData: data }) : new DragEvent(type, { ...more, dataTransfer: data });
        field.dispatchEvent(event);
      },
      { type, name, bytes: [...PNG] },
    );
    await page.getByRole("img", { name }).waitFor();
  }
  const images = page.getByRole("list", { name: "Images of the message" });
  expect(await images.getByRole("img").evaluateAll((all) => all.map((each) => (each as HTMLImageElement).naturalWidth))).toEqual([160, 160, 160]);
  await page.getByRole("button", { name: "Remove chosen.png" }).click();
  await composer(page).fill("look at these");
  await page.keyboard.press("Enter");
  await answer(page, "You said: look at these").waitFor();
  await images.waitFor({ state: "detached" });
  await expect.poll(async () => [...(await said(world, "one"))].sort()).toEqual(["image", "image", "look at these"]);
});

test("a message with images waits for the end of the turn, and says so", async ({ start }) => {
  const world = await start();
  const page = await running(world);
  await page.setInputFiles('input[type="file"]', { name: "a.png", mimeType: "image/png", buffer: PNG });
  await page.getByRole("img", { name: "a.png" }).waitFor();
  await composer(page).fill("look at this");
  await page.getByText("Images cannot be added to a turn that runs.").waitFor();
  expect(await send(page).isDisabled()).toBe(true);
  await page.keyboard.press("Enter");
  expect(await composer(page).inputValue()).toBe("look at this");
  world.provider.release("gate");
  await page.getByText("I am done.").waitFor();
  await expect.poll(() => send(page).isDisabled()).toBe(false);
  await page.keyboard.press("Enter");
  await answer(page, "You said: look at this").waitFor();
  await expect.poll(async () => [...(await said(world, "one"))].sort()).toEqual(["image", "look at this", "please begin"]);
});

test("a model that takes no images is not sent any", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/c/one");
  await page.setInputFiles('input[type="file"]', { name: "a.png", mimeType: "image/png", buffer: PNG });
  await page.getByRole("img", { name: "a.png" }).waitFor();
  await composer(page).fill("look");
  const model = page.getByRole("button", { name: /^Model:/ });
  // Its button opens the list, and closes it.
  await model.click();
  await page.getByRole("option", { name: /^small/ }).waitFor();
  await model.click();
  await page.getByRole("listbox", { name: "Models" }).waitFor({ state: "detached" });
  await model.click();
  await page.getByRole("option", { name: /^small/ }).click();
  await page.getByText("This model does not take images. Remove them, or choose another model.").waitFor();
  expect(await send(page).isDisabled()).toBe(true);
  expect(await page.getByRole("button", { name: "Attach images" }).count()).toBe(0);
  await page.getByRole("button", { name: "Remove a.png" }).click();
  expect(await send(page).isDisabled()).toBe(false);
});

test("model, effort and directory are set by keys alone, and hold for the next turn", async ({ start }) => {
  const world = await start();
  await world.write("project/a.txt", "the text of a");
  await world.turn("one", "hello");
  const page = await world.page();
  await page.goto("/c/one");
  await answer(page, "You said: hello").waitFor();

  await page.getByRole("button", { name: /^Model:/ }).focus();
  await page.keyboard.press("ArrowDown");
  await page.getByRole("listbox", { name: "Models" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  const name = (await page.locator("[role=option][data-active=true] .name").textContent())!.trim();
  await page.keyboard.press("Enter");
  await expect.poll(async () => (await world.ask<{ model: string }>("GET", "/conversations/one/model")).model).toMatch(/^\w+\/\w+$/);
  const { model } = await world.ask<{ model: string }>("GET", "/conversations/one/model");
  expect(name.startsWith(model.split("/")[1]!)).toBe(true);

  // The focus is back where it was; the next stop is the effort.
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await expect.poll(() => world.ask("GET", "/conversations/one/reasoning-effort")).toMatchObject({ reasoningEffort: "xhigh" });

  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("textbox", { name: "Path on the server" }).waitFor();
  await page.keyboard.type(`${world.folder}/project`);
  await page.keyboard.press("Enter");
  await expect.poll(() => world.ask("GET", "/conversations/one/cwd")).toMatchObject({ cwd: `${world.folder}/project` });
  await page.getByRole("button", { name: `Working directory: ${world.folder}/project` }).waitFor();
});

test("what can be set has keys of its own", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const page = await world.page();
  await page.goto("/c/one");
  await answer(page, "You said: hello").waitFor();
  await page.getByRole("heading", { level: 1 }).focus();
  const keys = async (...sequence: readonly string[]) => {
    for (const key of sequence) await page.keyboard.press(key);
  };
  await keys("s", "m");
  await page.getByRole("listbox", { name: "Models" }).waitFor();
  await keys("Escape", "s", "d");
  await page.getByRole("dialog", { name: "Working directory" }).waitFor();
  await keys("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await keys("s", "t");
  await page.getByRole("textbox", { name: "Title" }).waitFor();
  await keys("Escape", "s", "e");
  await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe("SELECT");
  await page.getByRole("heading", { level: 1 }).focus();
  await keys("v", "p");
  await page.getByRole("complementary", { name: "Details" }).waitFor();
  await keys("v", "p");
  await page.getByRole("complementary", { name: "Details" }).waitFor({ state: "detached" });
});

test("settings that are changed elsewhere are shown here", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const page = await world.page();
  await page.goto("/c/one");
  await answer(page, "You said: hello").waitFor();
  await world.ask("PUT", "/conversations/one/model", { model: "demo/demo" });
  await page.getByRole("button", { name: "Model: demo/demo" }).waitFor();
  await world.ask("PUT", "/conversations/one/reasoning-effort", { reasoningEffort: "low" });
  await expect.poll(() => page.getByRole("combobox", { name: "Reasoning effort" }).inputValue()).toBe("low");
  await world.ask("PUT", "/conversations/one/title", { title: "Named elsewhere" });
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Named elsewhere" }).waitFor();
});

test("a conversation is renamed where its title stands", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const page = await world.page();
  await page.goto("/c/one");
  await page.getByRole("button", { name: "Rename", exact: true }).click();
  await page.keyboard.type("A good name");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "A good name" }).waitFor();
  expect(await world.ask("GET", "/conversations/one/title")).toMatchObject({ title: "A good name" });
  await page.getByRole("navigation", { name: "Conversations", exact: true }).getByText("A good name").waitFor();
});

test("a conversation is compacted after a question, and its archive is one click away", async ({ start }) => {
  const world = await start();
  for (let turn = 0; turn < 8; turn += 1) await world.turn("one", `a long message, number ${turn}: ${"word ".repeat(200)}`);
  world.provider.answer(/.*/, [[say("They counted words.")]]);
  const page = await world.page();
  await page.goto("/c/one");
  await page.getByRole("button", { name: "More about this conversation" }).click();
  await page.getByRole("menuitem", { name: "Compact now…" }).click();
  await page.getByRole("dialog", { name: "Compact this conversation?" }).getByRole("button", { name: "Compact", exact: true }).click();
  await page.getByText("The conversation is compacted.").waitFor();
  await expect.poll(async () => {
    const { conversations } = await world.ask<{ conversations: { id: string; compactedFrom?: string }[] }>("GET", "/conversations");
    return conversations.find(({ id }) => id === "one")?.compactedFrom;
  }).toBeTruthy();
  await page.getByRole("button", { name: "More about this conversation" }).click();
  await page.getByRole("menuitem", { name: "Show the archive" }).click();
  await expect.poll(() => page.url()).not.toContain("/c/one");
  await page.getByText("number 0:").first().waitFor();
});

test("how full the context is is not said after a compaction, before the next turn says it", async ({ start }) => {
  const world = await start();
  world.provider.answer("count", [[say("Counted."), usage({ input: 100_000, output: 10 })]]);
  for (let turn = 0; turn < 7; turn += 1) await world.turn("one", `message ${turn}`);
  await world.turn("one", "count");
  const page = await world.page();
  await page.goto("/c/one");
  const meter = page.getByRole("meter", { name: "Context" });
  await expect.poll(() => meter.getAttribute("aria-valuetext")).toBe("50 % of 200k tokens");
  world.provider.answer(/./, [[say("They counted."), usage({ input: 2_000, output: 10 })]]);
  await world.ask("POST", "/conversations/one/compact", { keepLastN: 2 });
  await meter.waitFor({ state: "detached" });
  await page.reload();
  await page.getByText("The conversation was compacted here.").waitFor();
  await expect.poll(() => meter.count()).toBe(0);
  await composer(page).fill("go on");
  await page.keyboard.press("Enter");
  await expect.poll(() => meter.getAttribute("aria-valuetext")).toBe("1 % of 200k tokens");
});

test("a compaction that is refused says why", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const page = await world.page();
  await page.goto("/c/one");
  world.expects(/409/);
  await page.getByRole("button", { name: "More about this conversation" }).click();
  await page.getByRole("menuitem", { name: "Compact now…" }).click();
  const dialog = page.getByRole("dialog", { name: "Compact this conversation?" });
  await dialog.getByRole("button", { name: "Compact", exact: true }).click();
  await dialog.getByText("too short").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});

test("the link of a conversation is copied", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const page = await world.page();
  await page.goto("/c/one");
  await page.getByRole("button", { name: "More about this conversation" }).click();
  await page.getByRole("menuitem", { name: "Copy the link" }).click();
  await page.getByText("The link is copied.").waitFor();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(page.url());
});

test("the details say what each turn took, as the server does, and grow with the next turn", async ({ start }) => {
  const world = await start();
  world.provider.answer("first", [
    [call("read_file", { path: "a.txt" }), usage({ input: 1_200, output: 80 })],
    [say("Done."), usage({ input: 2_000, output: 120, cached: 1_500 })],
  ]);
  world.provider.answer("second", [[say("Again."), usage({ input: 50_000, output: 900, cached: 2_000 })]]);
  await world.write("a.txt", "the text of a");
  await world.turn("one", "first");
  const page = await world.page();
  await page.goto("/c/one");
  await details(page).click();
  const panel = page.getByRole("complementary", { name: "Details" });
  await panel.getByText("3,200 in, 200 out").waitFor();
  const plot = panel.getByRole("slider", { name: "Turn" });
  expect(await plot.getAttribute("aria-valuetext")).toBe(
    "Turn 1: 3,200 tokens in, 1,500 of them from the cache, 200 out, context 1 % full.",
  );

  await composer(page).fill("second");
  await page.keyboard.press("Enter");
  await panel.getByText("50k in, 900 out").waitFor();
  await page.getByRole("meter", { name: "Context" }).waitFor();
  expect(await page.getByRole("meter", { name: "Context" }).getAttribute("aria-valuetext")).toBe("25 % of 200k tokens");
  await plot.focus();
  await page.keyboard.press("ArrowLeft");
  expect(await plot.getAttribute("aria-valuenow")).toBe("1");

  await panel.getByText("Turn 1", { exact: true }).click();
  await panel.getByRole("list", { name: "Steps of turn 1" }).getByText("2,000 in (1,500 cached), 120 out").waitFor();
  await panel.getByRole("button", { name: "Show as table" }).click();
  const rows = panel.getByRole("table", { name: "Tokens of each turn" }).getByRole("row");
  const cells = await rows.evaluateAll((rows) => rows.map((row) => [...row.children].map(({ textContent }) => textContent)));
  expect(cells.slice(1)).toEqual([
    ["2", "50k", "2,000", "900", "50.9k"],
    ["1", "3,200", "1,500", "200", "2,120"],
  ]);
});

test("the steps of a turn are in the details while it runs, and the context is as full as they say", async ({ start }) => {
  const world = await start();
  await world.write("a.txt", "the text of a");
  world.provider.answer("begin", [
    [call("read_file", { path: "a.txt" }), usage({ input: 19_000, output: 1_000 })],
    [until("gate"), say("Done."), usage({ input: 40_000, output: 20 })],
  ]);
  await world.turn("one", "hello");
  const page = await world.page();
  await page.goto("/c/one");
  await details(page).click();
  const panel = page.getByRole("complementary", { name: "Details" });
  await composer(page).fill("begin");
  await page.keyboard.press("Enter");
  await panel.getByText("Turn 2, running").click();
  await panel.getByRole("list", { name: "Steps of turn 2" }).getByText("19k in, 1,000 out").waitFor();
  await expect.poll(() => page.getByRole("meter", { name: "Context" }).getAttribute("aria-valuetext")).toBe("10 % of 200k tokens");
  world.provider.release("gate");
  await panel.locator("summary").filter({ hasText: "59k in, 1,020 out" }).waitFor();
  await panel.getByText("Turn 2", { exact: true }).waitFor();
});

test("the details are a sheet on a phone, and give the focus back", async ({ start }) => {
  const world = await start();
  await tour(world);
  const page = await world.page({ phone: true });
  await page.goto(`/c/${TOUR}`);
  await details(page).tap();
  const sheet = page.getByRole("dialog", { name: "Details" });
  await sheet.getByText("Tokens and times").waitFor();
  expect((await sheet.boundingBox())!.width).toBeLessThanOrEqual(390);
  await sheet.getByRole("heading", { name: "Cache Warming" }).scrollIntoViewIfNeeded();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await page.keyboard.press("Escape");
  await sheet.waitFor({ state: "detached" });
  await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Details");
});

for (const dark of [false, true]) {
  test(`all of it can be used by everybody, ${dark ? "dark" : "light"}`, async ({ start }) => {
    const world = await start();
    await tour(world);
    for (const phone of [false, true]) {
      const page = await world.page({ dark, phone });
      await page.goto(`/c/${TOUR}`);
      await page.getByText("You are welcome.").waitFor();
      await page.setInputFiles('input[type="file"]', { name: "a.png", mimeType: "image/png", buffer: PNG });
      await page.getByRole("img", { name: "a.png" }).waitFor();
      for (const part of ["main header", NEXT]) await accessible(page, part);
      await details(page).click();
      await page.getByRole("heading", { name: "Cache Warming" }).waitFor();
      await page.getByText(/^Turn 1/).click();
      await page.getByRole("button", { name: "Show as table" }).click();
      await accessible(page, phone ? "dialog[open]" : "main aside");
      if (phone) continue;
      await page.getByRole("button", { name: /^Model:/ }).click();
      await page.getByRole("listbox", { name: "Models" }).waitFor();
      await accessible(page, NEXT);
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: /^Working directory:/ }).click();
      await page.getByRole("dialog", { name: "Working directory" }).waitFor();
      await accessible(page, "dialog[open]");
    }
  });
}

test("everything can be reached by keys, beside the transcript and in the sheet", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  for (const phone of [false, true]) {
    const page = await world.page({ phone });
    await page.goto("/c/one");
    await answer(page, "You said: hello").waitFor();
    await details(page).click();
    await page.getByRole("heading", { name: "Cache Warming" }).waitFor();
    await page.getByRole("switch", { name: "Enabled" }).waitFor();
    const stops = (await keyboard(page)).join("\n");
    const beside = phone ? [] : ["Rename", "More about this conversation", "Details", "Message", "Model: Default model"];
    for (const name of [...beside, "Turn", "Show as table", "Close the details"]) expect(stops).toContain(name);
  }
});
