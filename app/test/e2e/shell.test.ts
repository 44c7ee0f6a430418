// The shell: the list, tabs, keys, the palette, the connection, the key, settings, a narrow window.

import type { Locator, Page } from "playwright-core";
import { accessible } from "./axe.js";
import { keyboard } from "./keyboard.js";
import { type World, expect, say, test, until } from "./world.js";

const list = (page: Page) => page.getByRole("navigation", { name: "Conversations", exact: true });
const entry = (page: Page, title: string) => list(page).getByRole("link", { name: title });
const tabbar = (page: Page) => page.getByRole("navigation", { name: "Open conversations" });
const tab = (page: Page, title: string) => tabbar(page).getByRole("link", { name: title });
const banner = (page: Page) => page.getByTestId("link");
const toast = (page: Page, text: string | RegExp) => page.getByTestId("toast").filter({ hasText: text });
const dialog = (page: Page, name: string) => page.getByRole("dialog", { name });
const texts = (locator: Locator) => expect.poll(() => locator.allInnerTexts());

/** Conversations of one turn each, the last of them the newest. */
async function conversations(world: World, ...titles: readonly string[]): Promise<void> {
  for (const [index, title] of titles.entries()) await world.turn(`c${index + 1}`, title);
}

/** Chooses something in the menu of an entry of the list. */
async function choose(page: Page, title: string, item: string): Promise<void> {
  await entry(page, title).hover();
  await list(page).getByRole("button", { name: `More for ${title}` }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

test("the list shows what is begun elsewhere, while it runs and after", async ({ start }) => {
  const world = await start();
  world.provider.answer("Elsewhere", [[say("Working. "), until("gate"), say("Done.")]]);
  const page = await world.page();
  await page.goto("/");
  await page.getByText("No conversations yet.").waitFor();

  const turn = world.turn("other", "Elsewhere");
  await list(page).getByRole("link", { name: "Running: Elsewhere" }).waitFor();
  world.provider.release("gate");
  await turn;
  await expect.poll(() => list(page).getByRole("link", { name: /Running/ }).count()).toBe(0);
  await entry(page, "Elsewhere").waitFor();
});

test("conversations are renamed, closed, opened and deleted from the list", async ({ start }) => {
  const world = await start();
  await conversations(world, "First", "Second", "Third");
  const page = await world.page();
  const other = await world.page();
  await page.goto("/");
  await other.goto("/");
  await entry(other, "Second").waitFor();

  await choose(page, "Second", "Rename");
  await dialog(page, "Rename").getByLabel("Title").fill("   ");
  await page.keyboard.press("Enter");
  await dialog(page, "Rename").getByText("A title needs at least one letter.").waitFor();
  await dialog(page, "Rename").getByLabel("Title").fill("The tour");
  await page.keyboard.press("Enter");
  await entry(page, "The tour").waitFor();
  expect(await world.ask("GET", "/conversations/c2/title")).toMatchObject({ title: "The tour" });

  await choose(page, "First", "Close");
  await list(page).getByRole("button", { name: "Closed (1)" }).click();
  await entry(page, "First").waitFor();
  await list(other).getByRole("button", { name: "Closed (1)" }).waitFor();
  await choose(page, "First", "Open again");
  await page.waitForURL("**/c/c1");
  for (const one of [page, other]) await expect.poll(() => list(one).getByRole("button", { name: /Closed/ }).count()).toBe(0);

  await choose(page, "Third", "Delete");
  await dialog(page, "Delete the conversation?").getByRole("button", { name: "Cancel" }).click();
  await entry(page, "Third").waitFor();
  await choose(page, "Third", "Delete");
  await dialog(page, "Delete the conversation?").getByRole("button", { name: "Delete" }).click();
  await toast(page, "Deleted “Third”.").waitFor();
  for (const one of [page, other]) await expect.poll(() => entry(one, "Third").count()).toBe(0);
  expect(JSON.stringify(await world.ask("GET", "/conversations"))).not.toContain("c3");
});

test("a title that another device gives shows at once, in the list and in the tab", async ({ start }) => {
  const world = await start();
  await conversations(world, "First");
  const page = await world.page();
  await page.goto("/c/c1");
  await tab(page, "First").waitFor();
  await world.ask("PUT", "/conversations/c1/title", { title: "Named elsewhere" });
  await entry(page, "Named elsewhere").waitFor();
  await tab(page, "Named elsewhere").waitFor();
  await page.getByRole("heading", { level: 1, name: "Named elsewhere" }).waitFor();
});

test("whatever is taken away leaves the focus near by", async ({ start }) => {
  const world = await start();
  await conversations(world, "First", "Second", "Third");
  const page = await world.page();
  await page.goto("/c/c1");
  await entry(page, "Third").focus();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent?.trim());
  await page.keyboard.press("Delete");
  await expect.poll(focused).toBe("Cancel");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await toast(page, "Deleted “Third”.").waitFor();
  await expect.poll(focused).toMatch(/First|Second/);

  await page.getByRole("button", { name: "Hide the sidebar" }).press("Enter");
  await expect.poll(focused).toBe("Show the sidebar");
  await page.keyboard.press("Enter");
  await expect.poll(focused).toBe("Hide the sidebar");

  await entry(page, "Second").click();
  await tab(page, "Second").waitFor();
  await page.getByRole("button", { name: "Close the tab First" }).press("Enter");
  await expect.poll(focused).toContain("Second");
});

test("messages can be read and pressed above a dialog", async ({ start }) => {
  const world = await start();
  await conversations(world, "First");
  const page = await world.page();
  await page.goto("/settings");
  await entry(page, "First").waitFor();
  await page.keyboard.press("Shift+?");
  await dialog(page, "Keyboard shortcuts").waitFor();
  const message = dialog(page, "Keyboard shortcuts").getByTestId("toast").filter({ hasText: "Asked to show “First”." });
  await expect.poll(async () => (await world.ask("POST", "/conversations/c1/open"), message.count())).toBe(1);
  await accessible(page);
  await message.getByRole("button", { name: "Close message" }).click();
  await expect.poll(() => page.getByTestId("toast").count()).toBe(0);
  await dialog(page, "Keyboard shortcuts").waitFor();
});

test("a running conversation is stopped before it is deleted", async ({ start }) => {
  const world = await start();
  world.provider.answer("Endless", [[say("And so on. "), until("never")]]);
  const page = await world.page();
  await page.goto("/");
  const turn = world.turn("endless", "Endless").catch(() => undefined);
  await list(page).getByRole("link", { name: "Running: Endless" }).waitFor();
  await choose(page, "Endless", "Delete");
  await page.getByText("A turn runs in it.").waitFor();
  await page.getByRole("button", { name: "Stop and delete" }).click();
  await page.getByText("No conversations yet.").waitFor();
  await turn;
});

test("the list is searched, and walked with the arrow keys", async ({ start }) => {
  const world = await start();
  await conversations(world, "Mend the parser", "Tests of the parser", "A poem");
  const page = await world.page();
  await page.goto("/");
  await entry(page, "A poem").waitFor();

  await page.keyboard.press("Escape");
  await page.getByRole("heading", { level: 1 }).evaluate((heading) => (heading as HTMLElement).closest("main")?.focus());
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.keyboard.type("PARSER");
  await texts(list(page).getByRole("link")).toHaveLength(2);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/c/c1");
  await page.getByRole("searchbox", { name: "Search conversations" }).fill("nothing like it");
  await page.getByText("No conversation is called “nothing like it”.").waitFor();
  await page.getByRole("button", { name: "Clear the search" }).click();
  await texts(list(page).getByRole("link")).toHaveLength(3);

  // From an entry: its title, and the question before it is deleted.
  await entry(page, "A poem").focus();
  await page.keyboard.press("F2");
  await dialog(page, "Rename").waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => entry(page, "A poem").evaluate((link) => link === document.activeElement)).toBe(true);
  await page.keyboard.press("Delete");
  await dialog(page, "Delete the conversation?").waitFor();
});

test("who walks the list keeps the place when it changes", async ({ start }) => {
  const world = await start();
  await conversations(world, "First", "Second", "Third");
  const page = await world.page();
  await page.goto("/c/c1");
  await entry(page, "Third").focus();
  await page.keyboard.press("ArrowDown");
  const focused = () => page.evaluate(() => document.activeElement?.textContent);
  await expect.poll(focused).toContain("Second");
  // It goes to the top, and the focus with it; then another one does.
  for (const id of ["c2", "c1"]) await world.turn(id, "Go on.");
  const now = ["First", "Second", "Third"].map((title) => expect.stringContaining(title));
  await texts(list(page).getByRole("link")).toEqual(now);
  await expect.poll(focused).toContain("Second");
  await page.keyboard.press("ArrowDown");
  await expect.poll(focused).toContain("Third");
});

test("thousands of conversations stay smooth, from the first to the last", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  const all = Array.from({ length: 5_000 }, (_, index) => ({
    id: `c${index}`,
    createdAt: 1,
    lastActivityAt: 1_700_000_000_000 - index,
    title: `Conversation ${index}`,
    status: "idle",
    workspaceId: "default",
  }));
  await page.route("**/conversations", (route) => route.fulfill({ json: { conversations: all } }));
  await page.goto("/");
  await entry(page, "Conversation 0").focus();
  await page.keyboard.press("End");
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toContain("Conversation 4999");
  await page.keyboard.press("ArrowUp");
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toContain("Conversation 4998");
  expect(await list(page).getByRole("link").count()).toBeLessThan(200);
  await page.keyboard.press("Home");
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toContain("Conversation 0");
});

test("tabs outlive a reload, are walked, moved and closed, and go with their conversations", async ({ start }) => {
  const world = await start();
  await conversations(world, "First", "Second", "Third");
  const page = await world.page();
  await page.goto("/c/c1");
  for (const title of ["Second", "Third"]) await entry(page, title).click();
  const titles = () => texts(tabbar(page).getByRole("link"));
  await titles().toEqual(["First", "Second", "Third"]);
  await page.reload();
  await titles().toEqual(["First", "Second", "Third"]);
  expect(await tab(page, "Third").getAttribute("aria-current")).toBe("page");

  await page.keyboard.press("Alt+PageDown");
  await page.waitForURL("**/c/c1");
  await page.keyboard.press("Alt+PageUp");
  await page.waitForURL("**/c/c3");
  await tab(page, "Third").focus();
  await page.keyboard.press("Shift+ArrowLeft");
  await titles().toEqual(["First", "Third", "Second"]);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/c/c2");

  await page.keyboard.press("Alt+w");
  await page.waitForURL("**/c/c3");
  await tab(page, "First").click({ button: "middle" });
  await titles().toEqual(["Third"]);
  await world.ask("DELETE", "/conversations/c3");
  await page.getByText("This conversation was deleted.").waitFor();
  await titles().toEqual([]);
});

test("a conversation that somebody asks for gets a tab", async ({ start }) => {
  const world = await start();
  await conversations(world, "First");
  const page = await world.page();
  await page.goto("/");
  await entry(page, "First").waitFor();
  await expect.poll(async () => (await world.ask("POST", "/conversations/c1/open"), tab(page, "First").count())).toBe(1);
  await toast(page, "Asked to show “First”.").getByRole("button", { name: "Show" }).click();
  await page.waitForURL("**/c/c1");
});

test("the palette finds commands and conversations, and gives the focus back", async ({ start }) => {
  const world = await start();
  await conversations(world, "Mend the parser");
  const page = await world.page();
  await page.goto("/");
  await entry(page, "Mend the parser").focus();

  await page.keyboard.press("Control+k");
  const box = page.getByRole("combobox", { name: "Search commands and conversations" });
  await box.waitFor();
  await accessible(page);
  await page.keyboard.press("Escape");
  await expect.poll(() => entry(page, "Mend the parser").evaluate((link) => link === document.activeElement)).toBe(true);

  await page.keyboard.press("Control+k");
  await box.fill("pars");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/c/c1");

  // What opens it closes it, and is nothing of the browser's while it is held.
  await page.keyboard.press("Control+k");
  await box.waitFor();
  await page.keyboard.press("Control+k");
  await expect.poll(() => box.count()).toBe(0);
  await page.keyboard.press("Control+k");
  await box.fill("zzzz");
  await page.getByText("Nothing found.").waitFor();
  await box.fill("cost");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
});

test("keys go everywhere, and a list says which", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/settings");
  await page.getByRole("heading", { level: 1, name: "Settings" }).waitFor();
  for (const [key, name] of [["u", "Usage"], ["k", "Keys"], ["r", "Realtime"], ["s", "Settings"]] as const) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe(name);
    expect(await page.title()).toBe(`${name} – Dispatch`);
  }
  await page.keyboard.press("?");
  await dialog(page, "Keyboard shortcuts").getByText("New conversation").waitFor();
  await accessible(page);
  await page.keyboard.press("g");
  await page.keyboard.press("u");
  expect(new URL(page.url()).pathname).toBe("/settings");
  await page.keyboard.press("Escape");

  await page.keyboard.press("Control+Shift+o");
  const message = page.getByRole("textbox", { name: "Message" });
  await expect.poll(() => message.evaluate((box) => box === document.activeElement)).toBe(true);
  await page.keyboard.type("g u");
  expect([new URL(page.url()).pathname, await message.inputValue()]).toEqual(["/", "g u"]);
  await page.keyboard.press("Control+b");
  await expect.poll(() => list(page).count()).toBe(0);
  await page.keyboard.press("Control+b");
  await list(page).waitFor();
});

test("Tab comes to everything, and first to a way past the list", async ({ start }) => {
  const world = await start();
  await conversations(world, "First", "Second");
  const page = await world.page();
  await page.goto("/c/c1");
  await entry(page, "Second").click();
  await tab(page, "Second").waitFor();
  const stops = await keyboard(page);
  expect(stops[0]).toContain("Skip to the content");
  await page.keyboard.press("Tab");
  await page.getByRole("link", { name: "Skip to the content" }).press("Enter");
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("MAIN");
  for (const dark of [false, true]) {
    await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
    await accessible(page);
  }
});

test("a lost server is said, with what is done about it, and what happened meanwhile is read", async ({ start }) => {
  const world = await start();
  await conversations(world, "Before");
  const page = await world.page();
  await page.goto("/");
  await entry(page, "Before").waitFor();
  await expect.poll(() => banner(page).count()).toBe(0);

  await world.kill();
  await expect.poll(() => banner(page).innerText()).toMatch(/The server cannot be reached\. Trying again/);
  await accessible(page);
  await world.server.run();
  await world.turn("c9", "Meanwhile");
  await page.getByRole("button", { name: "Try now" }).click({ timeout: 2_000 }).catch(() => undefined);
  await expect.poll(() => entry(page, "Meanwhile").count()).toBe(1);
  await expect.poll(() => banner(page).count()).toBe(0);
  expect(await page.getByTestId("announced").innerText()).toBe("The connection is back.");
});

test("a device that is offline says so, and comes back by itself", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/");
  await page.getByText("No conversations yet.").waitFor();
  await world.offline(page, true);
  await expect.poll(() => banner(page).innerText()).toMatch(/This device is offline/);
  await world.turn("c1", "Meanwhile");
  await world.offline(page, false);
  await entry(page, "Meanwhile").waitFor();
  await expect.poll(() => banner(page).count()).toBe(0);
});

test("a key is asked for where one is needed, and only there", async ({ start }) => {
  const world = await start({ keys: ["operator-key"] });
  await conversations(world, "Behind the door");
  world.expects(/401/);
  world.expects(/WebSocket/);
  const page = await world.page();
  await page.goto("/");
  const asked = dialog(page, "Key");
  await asked.getByText("This server asks for a key.").waitFor();
  await accessible(page);
  await asked.getByLabel("Key", { exact: true }).fill("wrong");
  await page.keyboard.press("Enter");
  await asked.getByText("The server does not know this key.").waitFor();

  // Later is possible, and the way back is in sight.
  await page.keyboard.press("Escape");
  await banner(page).getByRole("button", { name: "Enter a key" }).click();
  await asked.getByLabel("Key", { exact: true }).fill("operator-key");
  await asked.getByLabel("Remember it on this device").check();
  await page.keyboard.press("Enter");
  await entry(page, "Behind the door").waitFor();
  await expect.poll(() => banner(page).count()).toBe(0);

  // Remembered: in other tabs, until it is forgotten.
  const second = await world.another(page);
  await second.goto("/settings");
  await entry(second, "Behind the door").waitFor();
  await second.getByRole("button", { name: "Forget the key" }).click();
  await dialog(second, "Key").waitFor();
  expect(await second.evaluate(() => localStorage.getItem("dispatch.key"))).toBeNull();
});

test("where no key is needed none is asked for", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/settings");
  await page.getByText("It is there.").waitFor();
  // What the server says of itself for all conversations.
  await page.getByRole("heading", { name: "Loaded Extensions" }).waitFor();
  await page.getByText("This device has no key.").waitFor();
  expect(await page.getByRole("dialog").count()).toBe(0);
});

test("single keys can be turned off, and others go on", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/settings");
  await page.getByRole("checkbox", { name: /Single keys/ }).uncheck();
  await page.keyboard.press("g");
  await page.keyboard.press("u");
  await page.keyboard.press("Shift+?");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Settings" }).waitFor();
  await page.keyboard.press("Shift+?");
  await page.keyboard.press("Control+k");
  await dialog(page, "Commands").waitFor();
  expect([new URL(page.url()).pathname, await page.getByRole("dialog").count()]).toEqual(["/settings", 1]);
});

test("a key that is remembered in one tab, or forgotten, is so in the others", async ({ start }) => {
  const world = await start({ keys: ["operator-key"] });
  await conversations(world, "Behind the door");
  world.expects(/401/);
  world.expects(/WebSocket/);
  const page = await world.page();
  const other = await world.another(page);
  for (const one of [page, other]) {
    await one.goto("/settings");
    await dialog(one, "Key").waitFor();
  }
  await dialog(page, "Key").getByLabel("Key", { exact: true }).fill("operator-key");
  await dialog(page, "Key").getByLabel("Remember it on this device").check();
  await page.keyboard.press("Enter");
  for (const one of [page, other]) await entry(one, "Behind the door").waitFor();
  await page.getByRole("button", { name: "Forget the key" }).click();
  await dialog(other, "Key").getByText("This server asks for a key.").waitFor();
});

test("the theme is kept on this device", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/settings");
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole("radio", { name: "Dark" }).check();
  await expect.poll(ground).not.toBe(light);
  await page.reload();
  await expect.poll(ground).not.toBe(light);
  await page.getByRole("radio", { name: "As the system" }).check();
  await expect.poll(ground).toBe(light);
});

test("the system prompt is written with its variables, and what is not saved is kept", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/settings");
  const template = page.getByRole("textbox", { name: "Template" });
  await template.fill("You work in ");
  await page.getByText("Variables and conditions").click();
  await page.getByRole("button", { name: "[prompt:cwd]" }).click();
  await template.press("End");
  await page.keyboard.type("!");
  await page.getByText("There are changes that are not saved.").waitFor();
  await page.getByRole("link", { name: "Usage" }).click();
  await page.getByRole("link", { name: "Settings" }).click();
  await expect.poll(() => template.inputValue()).toBe("You work in [prompt:cwd]!");

  await page.getByRole("button", { name: "Save" }).click();
  await toast(page, "Saved the system prompt.").waitFor();
  expect(await world.ask("GET", "/system-prompt")).toEqual({ template: "You work in [prompt:cwd]!" });
  await accessible(page);
  await keyboard(page);
});

test("on a phone the list is a drawer that has the focus for itself", async ({ start }) => {
  const world = await start();
  await conversations(world, "First", "Second");
  const page = await world.page({ phone: true });
  await page.goto("/c/c1");
  const drawer = dialog(page, "Conversations and places");
  const open = page.getByRole("button", { name: "Open the sidebar" });
  await open.click();
  await entry(page, "Second").waitFor();
  await accessible(page);
  await page.keyboard.press("Escape");
  await expect.poll(() => drawer.count()).toBe(0);
  await expect.poll(() => open.evaluate((button) => button === document.activeElement)).toBe(true);

  await open.click();
  await entry(page, "Second").click();
  await page.waitForURL("**/c/c2");
  await expect.poll(() => drawer.count()).toBe(0);
  await texts(tabbar(page).getByRole("link")).toEqual(["First", "Second"]);
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(sideways).toBe(0);
});

test("a view that cannot be fetched says so, and is fetched again", async ({ start }) => {
  const world = await start();
  world.expects(/Usage|net::ERR|Failed to (load|fetch)/);
  const page = await world.page();
  await page.route("**/assets/Usage*", (route) => route.abort());
  await page.goto("/");
  await page.getByRole("link", { name: "Usage" }).click();
  await page.getByText("This part of the app could not be loaded.").waitFor();
  await page.unroute("**/assets/Usage*");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
  // With its looks, which could not be fetched either. A sheet that failed cannot be looked into.
  const looks = (): number =>
    [...document.styleSheets].find(({ href }) => href?.includes("/assets/Usage"))?.cssRules.length ?? 0;
  expect(await page.evaluate(looks)).toBeGreaterThan(0);
});
