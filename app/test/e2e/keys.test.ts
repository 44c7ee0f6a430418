// That keys are made, paid, looked at and taken back on their page, and that secrets are not lost.

import type { Page } from "playwright-core";
import type { ApiKey } from "@dispatch/client";
import { accessible } from "./axe.js";
import { keyboard } from "./keyboard.js";
import { type World, expect, say, test, usage } from "./world.js";

const OPERATOR = "operator";
const WORLD = {
  keys: [OPERATOR],
  settings: { METERING__PRICES: "scripted/large=3/15/0.3", REALTIME__MODELS: "small=restyle 320x180@15 1" },
};

const keysOf = async (world: World) => (await world.ask<{ keys: readonly ApiKey[] }>("GET", "/v1/keys")).keys;
const keyOf = async (world: World, name: string) => (await keysOf(world)).find((key) => key.name === name)!;
const dialog = (page: Page) => page.getByRole("dialog");
const row = (page: Page, name: string) => page.getByRole("row", { name });
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });

async function open(world: World, key = OPERATOR): Promise<Page> {
  const page = await world.page({ key });
  await page.goto("/keys");
  await page.getByRole("heading", { level: 1 }).waitFor();
  return page;
}

/** Makes a key on the page, and gives back its secret. */
async function made(page: Page, name: string, credits: string): Promise<string> {
  await button(page, "Make a key").click();
  await dialog(page).getByLabel("Name").fill(name);
  await dialog(page).getByRole("textbox", { name: "Credits", exact: true }).fill(credits);
  await button(page, "Make the key").click();
  const secret = await dialog(page).getByLabel(`The key of ${name}`, { exact: true }).and(page.locator("input")).inputValue();
  await button(page, "Copy").click();
  await button(page, "Done").click();
  await expect.poll(() => dialog(page).count()).toBe(0);
  return secret;
}

test("a key is made, used, paid and revoked, and the page says what the ledger says", async ({ start }) => {
  const world = await start(WORLD);
  const page = await open(world);
  await page.getByText("No key was made yet.").waitFor();
  const secret = await made(page, "the shop", "12.5");
  await expect.poll(() => row(page, "the shop").getByRole("cell").first().innerText()).toBe("12.5");

  world.provider.answer("hello", [[say("Hello."), usage({ input: 100_000, output: 10_000 })]]);
  await world.ask("POST", "/chat", { conversationId: "one", message: "hello" }, secret);
  await button(page, "Read the keys again").click();
  const { balance } = await keyOf(world, "the shop");
  expect(balance).toBe("12.05");
  await expect.poll(() => row(page, "the shop").getByRole("cell").first().innerText()).toBe(balance);

  await button(page, "Credits of the shop").click();
  await dialog(page).getByRole("textbox", { name: "Credits", exact: true }).fill("7.95");
  await dialog(page).getByText("20", { exact: true }).waitFor();
  await dialog(page).getByLabel("Reference").fill("invoice-42");
  await button(page, "Add credits").click();
  await expect.poll(() => row(page, "the shop").getByRole("cell").first().innerText()).toBe("20");
  // The same reference is booked once, as the page said.
  await button(page, "Credits of the shop").click();
  await dialog(page).getByRole("textbox", { name: "Credits", exact: true }).fill("7.95");
  await dialog(page).getByLabel("Reference").fill("invoice-42");
  await button(page, "Add credits").click();
  await expect.poll(() => dialog(page).count()).toBe(0);
  expect((await keyOf(world, "the shop")).balance).toBe("20");

  await button(page, "Credits of the shop").click();
  await dialog(page).getByText("Take away").click();
  await dialog(page).getByRole("textbox", { name: "Credits", exact: true }).fill("5.5");
  await button(page, "Take credits away").click();
  await expect.poll(() => row(page, "the shop").getByRole("cell").first().innerText()).toBe("14.5");
  expect((await keyOf(world, "the shop")).balance).toBe("14.5");

  await button(page, "Details of the shop").click();
  const { id } = await keyOf(world, "the shop");
  await dialog(page).getByText(id).waitFor();
  await dialog(page).getByRole("figure", { name: "Tokens" }).getByText("110,000").waitFor();
  await dialog(page).getByText("It paid for no realtime session.").waitFor();
  await accessible(page);
  await dialog(page).getByRole("link", { name: /All that it used/ }).click();
  await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
  await expect.poll(() => page.getByLabel("Totals").innerText()).toContain("0.45");
  expect(await page.getByLabel("Used by").inputValue()).toBe(id);
  await page.goBack();

  await button(page, "Revoke the shop").click();
  await button(page, "Revoke the key").click();
  await dialog(page).getByRole("alert").filter({ hasText: "Type the shop to confirm." }).waitFor();
  await dialog(page).getByLabel("Name of the key").fill("the shop");
  await button(page, "Revoke the key").click();
  await page.getByText("1 revoked key").waitFor();
  await expect(world.ask("GET", "/v1/usage", undefined, secret)).rejects.toThrow(/401/);
});

test("a secret is not closed before somebody has it, and outlives a look at another view", async ({ start }) => {
  const world = await start(WORLD);
  const page = await open(world);
  // By keys alone.
  await button(page, "Make a key").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("night tests");
  await page.keyboard.press("Enter");
  const field = page.getByLabel("The key of night tests", { exact: true }).and(page.locator("input"));
  await field.waitFor();
  const secret = await field.inputValue();
  expect(secret).toMatch(/^dsp_/);
  await accessible(page);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  expect(await field.isVisible()).toBe(true);
  expect(await button(page, "Done").isDisabled()).toBe(true);

  await page.evaluate(() => {
    history.pushState(null, "", "/settings");
    dispatchEvent(new PopStateEvent("popstate"));
  });
  await page.getByRole("heading", { level: 1, name: "Settings" }).waitFor();
  await page.goBack();
  expect(await field.inputValue()).toBe(secret);
  await page.getByLabel("I have put it somewhere safe").check();
  await page.keyboard.press("Escape");
  await expect.poll(() => dialog(page).count()).toBe(0);
  // It is nowhere but with who has it now.
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.body.innerHTML]));
  expect(kept).not.toContain(secret);
  expect((await keyOf(world, "night tests")).balance).toBe("0");
});

test("a deposit whose answer was lost is booked once, however often it is sent again", async ({ start }) => {
  const world = await start(WORLD);
  await world.ask("POST", "/v1/keys", { name: "the shop", credits: "1" });
  const page = await open(world);
  world.expects(/credit|ERR_|Failed to load/);
  let isLost = true;
  let arrived = 0;
  await page.route("**/v1/keys/*/credit", async (route) => {
    arrived += 1;
    if (!isLost) return route.continue();
    await route.fetch();
    await route.abort();
  });
  await button(page, "Credits of the shop").click();
  await dialog(page).getByRole("textbox", { name: "Credits", exact: true }).fill("9");
  await button(page, "Add credits").click();
  await dialog(page).getByRole("alert").filter({ hasText: "booked once only" }).waitFor();
  expect(await dialog(page).getByRole("textbox", { name: "Credits", exact: true }).inputValue()).toBe("9");
  await accessible(page);
  const before = arrived;
  isLost = false;
  await button(page, "Add credits").click();
  await expect.poll(() => row(page, "the shop").getByRole("cell").first().innerText()).toBe("10");
  expect(arrived).toBeGreaterThan(before);
  expect((await keyOf(world, "the shop")).balance).toBe("10");
});

test("a client token is made with its bounds, also by a key that is not the operator's", async ({ start }) => {
  const world = await start(WORLD);
  const { secret } = await world.ask<{ secret: string }>("POST", "/v1/keys", { name: "the shop", credits: "1" });
  world.expects(/403/);
  const page = await open(world, secret);
  await page.getByText("Keys are made and seen by the operator of the server.").waitFor();
  expect(await button(page, "Make a key").count()).toBe(0);
  await accessible(page);
  await button(page, "Make a client token").click();
  await dialog(page).getByLabel("Opens sessions for, in seconds").fill("600");
  await dialog(page).getByText("That is 10 min.").waitFor();
  await dialog(page).getByText("Only these").click();
  await dialog(page).getByLabel("small").check();
  await dialog(page).getByLabel("Origins of pages that may use it").fill("https://shop.example/");
  await button(page, "Make the token").click();
  await dialog(page).getByText("write https://shop.example").waitFor();
  await accessible(page);
  await dialog(page).getByLabel("Origins of pages that may use it").fill("https://shop.example");
  const [request] = await Promise.all([
    page.waitForRequest("**/v1/client/tokens"),
    button(page, "Make the token").click(),
  ]);
  expect(request.postDataJSON()).toEqual({ expiresIn: 600, allowedModels: ["small"], allowedOrigins: ["https://shop.example"] });
  const token = await dialog(page).getByLabel("The client token").and(page.locator("input")).inputValue();
  expect(token).toMatch(/^ek_/);
  await dialog(page).getByText(/It opens sessions for (10 min|9 min)/).waitFor();
  // It is a token, and no key.
  await expect(world.ask("POST", "/v1/client/tokens", {}, token)).rejects.toThrow(/client token/);
  await button(page, "Copy").click();
  await button(page, "Done").click();
});

test("everything fits on a phone, in the light and in the dark, and is reached by keys", async ({ start }) => {
  const world = await start(WORLD);
  const name = "a shop with a name that is longer than most of the names of shops are";
  await world.ask("POST", "/v1/keys", { name, credits: "1234567.891" });
  await world.ask("POST", "/v1/keys", { name: "night tests", unlimited: true });
  for (const look of [{ phone: true }, { phone: true, dark: true }, { dark: true }]) {
    const page = await world.page({ ...look, key: OPERATOR });
    if (look.phone) await page.setViewportSize({ width: 360, height: 780 });
    await page.goto("/keys");
    await page.getByText("night tests").waitFor();
    const main = page.getByRole("main");
    expect(await main.evaluate((main) => main.scrollWidth - main.clientWidth)).toBe(0);
    await accessible(page);
    await keyboard(page);
    await button(page, "Credits of night tests").click();
    await accessible(page);
    await keyboard(page);
    await page.keyboard.press("Escape");
    await expect.poll(() => dialog(page).count()).toBe(0);
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Credits of night tests");
  }
});
