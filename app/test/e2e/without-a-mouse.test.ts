// A day with the app without a mouse: whatever is done here is done with keys alone.

import type { Page } from "playwright-core";
import { composer, said } from "./support/views.js";
import { type World, expect, say, test, until } from "./world.js";

/** Everything but what takes a pointer: these would be used by mistake. */
async function withoutMouse(world: World): Promise<Page> {
  const page = await world.page({ key: "operator" });
  const mistake = () => Promise.reject(new Error("There is no mouse."));
  Object.assign(page.mouse, { click: mistake, move: mistake, down: mistake, wheel: mistake });
  return page;
}

/** Presses Tab until that has the focus. */
async function tabTo(page: Page, name: string | RegExp): Promise<void> {
  for (let presses = 0; presses < 100; presses += 1) {
    const label = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent?.trim() ?? "");
    if (typeof name === "string" ? label === name : name.test(label)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not come to ${name}.`);
}

async function command(page: Page, words: string): Promise<void> {
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search commands and conversations" }).waitFor();
  await page.keyboard.type(words);
  await page.keyboard.press("Enter");
}

const hasFocus = (page: Page) => composer(page).evaluate((element) => element === document.activeElement);

test("a conversation is begun, steered, stopped, renamed and found again", async ({ start }) => {
  const world = await start({ keys: ["operator"] });
  world.provider.answer("count the words", [[say("I count them. "), until("never")]]);
  const page = await withoutMouse(world);
  await page.goto("/");
  await composer(page).waitFor();
  await expect.poll(() => hasFocus(page)).toBe(true);
  await page.keyboard.type("Please count the words");
  await page.keyboard.press("Enter");
  await said(page, "I count them.").waitFor();
  await expect.poll(() => hasFocus(page)).toBe(true);

  await page.keyboard.type("and the letters");
  await page.keyboard.press("Enter");
  const waiting = page.getByRole("region", { name: "Next message" }).getByText("and the letters");
  await waiting.waitFor();
  await page.keyboard.press("Control+.");
  await page.getByText("Stopped.").first().waitFor();

  await command(page, "rename the conversation");
  await expect.poll(() => page.locator(":focus").getAttribute("aria-label")).toBe("Title");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("Words and letters");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Words and letters" }).waitFor();

  await command(page, "usage");
  await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
  await command(page, "words and letters");
  await page.getByRole("heading", { level: 1, name: "Words and letters" }).waitFor();
  await said(page, "I count them.").waitFor();
});

test("one goes from view to view with keys, and the list is searched", async ({ start }) => {
  const world = await start({ keys: ["operator"] });
  for (const title of ["The first", "The second", "Another"]) {
    await world.turn(title.replaceAll(" ", "-"), "hello");
    await world.ask("PUT", `/conversations/${title.replaceAll(" ", "-")}/title`, { title });
  }
  const page = await withoutMouse(world);
  await page.goto("/settings");
  for (const [keys, heading] of [
    ["g u", "Usage"],
    ["g k", "Keys"],
    ["g r", "Realtime"],
    ["g s", "Settings"],
  ] as const) {
    for (const key of keys.split(" ")) await page.keyboard.press(key);
    const title = page.getByRole("heading", { level: 1, name: heading });
    await title.waitFor();
    await expect.poll(() => title.evaluate((element) => element === document.activeElement)).toBe(true);
  }
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.keyboard.type("second");
  const links = page.getByRole("navigation", { name: "Conversations" }).getByRole("link");
  await expect.poll(() => links.count()).toBe(1);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await said(page, "You said: hello").waitFor();
  expect(page.url()).toMatch(/\/c\/The-second$/);
});

test("a key is made and revoked", async ({ start }) => {
  const world = await start({ keys: ["operator"] });
  const page = await withoutMouse(world);
  await page.goto("/keys");
  await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  await tabTo(page, "Make a key");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.type("the shop");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "The key of the shop" }).waitFor();
  await tabTo(page, /^Copy/);
  await page.keyboard.press("Enter");
  await tabTo(page, /^(Done|Close)$/);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  const names = async () => {
    const { keys } = await world.ask<{ keys: { name: string; revokedAt?: number }[] }>("GET", "/v1/keys");
    return keys.filter(({ name }) => name === "the shop").map(({ revokedAt }) => revokedAt !== undefined);
  };
  expect(await names()).toEqual([false]);
  await tabTo(page, /^Revoke/);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.type("the shop");
  await page.keyboard.press("Enter");
  await expect.poll(names).toEqual([true]);
});

test("a realtime session is started, changed and stopped", async ({ start }) => {
  const world = await start({ keys: ["operator"], settings: { REALTIME__MODELS: "small=restyle 320x180@15 0.5" } });
  const page = await withoutMouse(world);
  await page.goto("/realtime");
  const model = page.getByRole("combobox", { name: "Model" });
  await model.waitFor();
  await model.focus();
  await page.keyboard.type("small");
  await tabTo(page, "Start");
  await page.keyboard.press("Enter");
  await page.locator("main header").getByText("Generating").waitFor();
  await page.getByRole("textbox", { name: "Prompt" }).focus();
  await page.keyboard.type("invert");
  await page.keyboard.press("Enter");
  await page.getByText(/applied/i).first().waitFor();
  await tabTo(page, "Stop");
  await page.keyboard.press("Enter");
  await page.getByText("Settled").first().waitFor();
  const { sessions } = await world.ask<{ sessions: { settled: boolean }[] }>("GET", "/v1/sessions");
  expect(sessions).toMatchObject([{ settled: true }]);
});
