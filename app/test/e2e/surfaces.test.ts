// Surfaces: what the server says of a conversation, shown and changed without knowing what it is.

import type { Locator, Page } from "playwright-core";
import { composer } from "./support/views.js";
import { type World, call, expect, say, test, until } from "./world.js";

/** A page that shows the details of a conversation. */
async function open(world: World, id: string): Promise<Page> {
  const page = await world.page();
  await page.goto(`/c/${id}`);
  await page.getByRole("button", { name: "Details", exact: true }).click();
  await surface(page, "Cache Warming").getByRole("switch").waitFor();
  return page;
}

const surface = (page: Page, title: string): Locator => page.getByRole("region", { name: title, exact: true });

test("a switch and a number are changed, and every page shows it", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const [page, other] = [await open(world, "one"), await open(world, "one")];
  const toggle = (on: Page) => surface(on, "Cache Warming").getByRole("switch", { name: "Enabled" });
  const interval = (on: Page) => surface(on, "Cache Warming").getByRole("spinbutton", { name: "Refresh Interval" });

  const before = await toggle(page).getAttribute("aria-checked");
  await toggle(page).focus();
  await page.keyboard.press("Space");
  const after = before === "true" ? "false" : "true";
  for (const each of [page, other]) await expect.poll(() => toggle(each).getAttribute("aria-checked")).toBe(after);
  await expect.poll(() => toggle(page).getAttribute("aria-busy")).toBe("false");

  await interval(page).fill("0");
  await page.keyboard.press("Enter");
  await surface(page, "Cache Warming").getByText("Enter 1 s or more.").waitFor();
  expect(await interval(page).getAttribute("aria-invalid")).toBe("true");
  await interval(page).fill("77");
  expect(await interval(other).inputValue()).not.toBe("77");
  await page.keyboard.press("Enter");
  for (const each of [page, other]) await expect.poll(() => interval(each).inputValue()).toBe("77");

  if (after === "false") await toggle(page).click();
  const left = async () => Number.parseInt((await surface(page, "Cache Warming").getByRole("timer").textContent())!);
  await expect.poll(left).toBeLessThan(77);
});

test("what is chosen on a surface holds for the conversation", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const page = await open(world, "one");
  await surface(page, "Conversation").getByRole("combobox", { name: "Reasoning Effort" }).selectOption("low");
  await expect.poll(() => world.ask("GET", "/conversations/one/reasoning-effort")).toMatchObject({ reasoningEffort: "low" });
  await expect.poll(() => page.getByRole("combobox", { name: "Reasoning effort", exact: true }).first().inputValue()).toBe("low");
  await surface(page, "Conversation").getByRole("spinbutton", { name: "Compact At" }).fill("55");
  await page.keyboard.press("Tab");
  await expect.poll(() => world.ask("GET", "/conversations/one/compact-percent")).toMatchObject({ percent: 55 });
});

test("an action that is refused says why at its field", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const page = await open(world, "one");
  const button = surface(page, "Conversation").getByRole("button", { name: "Compact Now" });
  await button.click();
  await surface(page, "Conversation").getByText("too short").waitFor();
  expect(await button.getAttribute("aria-busy")).toBeNull();
});

test("tasks and the queue are shown as they change", async ({ start }) => {
  const world = await start();
  const todos = (status: string) => [{ content: "Read the notes", status }, { content: "Mend it", status: "pending" }];
  world.provider.answer("plan", [
    [call("todo_write", { todos: todos("in_progress") })],
    [say("On it. "), until("gate"), call("todo_write", { todos: todos("completed") })],
    [say("Done.")],
  ]);
  await world.turn("one", "hello");
  const page = await open(world, "one");
  await surface(page, "Tasks").getByText("No tasks yet.").waitFor();
  await composer(page).fill("plan it");
  await page.keyboard.press("Enter");
  await world.provider.reached("gate");
  const tasks = surface(page, "Tasks").getByRole("listitem");
  const words = async () => (await tasks.allTextContents()).map((text) => text.trim());
  await expect.poll(words).toEqual(["In progress: Read the notes", "To do: Mend it"]);

  await composer(page).fill("and hurry");
  await page.keyboard.press("Enter");
  await surface(page, "Message Queue").getByText("and hurry").waitFor();
  world.provider.release("gate");
  await surface(page, "Message Queue").getByText("No message waits.").waitFor();
  await surface(page, "Tasks").getByText("1 of 2 done").waitFor();
});

test("a connection that is lost is said, and what changed meanwhile is shown when it is back", async ({ start }) => {
  const world = await start();
  await world.turn("one", "hello");
  const page = await open(world, "one");
  await world.offline(page, true);
  await page.getByTestId("link").waitFor();
  await surface(page, "Conversation").getByRole("combobox", { name: "Reasoning Effort" }).selectOption("max");
  await surface(page, "Conversation").getByText("There is no connection to the server.").waitFor();
  await world.ask("PUT", "/conversations/one/reasoning-effort", { reasoningEffort: "low" });
  await world.offline(page, false);
  const effort = surface(page, "Conversation").getByRole("combobox", { name: "Reasoning Effort" });
  await expect.poll(() => effort.inputValue()).toBe("low");
});
