// That the figures on the usage page are those of the ledger, whoever looks and however.

import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import type { ApiKey, UsageResponse, UsageRow } from "@dispatch/client";
import { accessible } from "./axe.js";
import { keyboard } from "./keyboard.js";
import { type World, expect, say, test, usage } from "./world.js";

const OPERATOR = "operator";
const PRICES = { METERING__PRICES: "scripted/large=3/15/0.3,scripted/small=0.1/0.4" };

const totals = (page: Page) => page.getByLabel("Totals");
const figure = (page: Page, title: string) => page.getByRole("figure", { name: title, exact: true });
const number = new Intl.NumberFormat("en");

/** Turns of two models by two keys: the operator's, and one of a shop, which is given back. */
async function charged(world: World): Promise<{ readonly key: ApiKey; readonly secret: string }> {
  const shop = await world.ask<{ key: ApiKey; secret: string }>("POST", "/v1/keys", { name: "the shop", credits: "100" });
  world.provider.answer("large", [[say("Done."), usage({ input: 120_000, output: 3_456, cached: 80_000 })]]);
  world.provider.answer("small", [[say("Done."), usage({ input: 7_001, output: 333 })]]);
  await world.turn("one", "large");
  await world.turn("two", "small", { model: "scripted/small" });
  await world.ask("POST", "/chat", { conversationId: "three", message: "large" }, shop.secret);
  return shop;
}

const rowsOf = async (world: World, query = "") => (await world.ask<UsageResponse>("GET", `/v1/usage${query}`)).usage;
const sum = (rows: readonly UsageRow[], of: (row: UsageRow) => number) => rows.reduce((all, row) => all + of(row), 0);
const tokens = (rows: readonly UsageRow[]) => sum(rows, ({ inputTokens, outputTokens }) => inputTokens + outputTokens);

/** Exactly: in millionths, as whole numbers. */
function credits(rows: readonly UsageRow[]): string {
  const micros = sum(rows, (row) => {
    const [whole = "", fraction = ""] = row.credits.split(".");
    return Number(whole) * 1e6 + Number(fraction.padEnd(6, "0"));
  });
  return String(micros / 1e6);
}

/** What a card or a cell says, without where its lines break. */
const said = async (page: Page) => (await totals(page).innerText()).replaceAll(/\s+/g, " ");

test("the figures on the page are those of the ledger", async ({ start }) => {
  const world = await start({ keys: [OPERATOR], settings: PRICES });
  const shop = await charged(world);
  const rows = await rowsOf(world);
  expect(rows).toHaveLength(3);
  const page = await world.page({ key: OPERATOR });
  await page.goto("/usage");

  await totals(page).waitFor();
  const text = await said(page);
  expect(text).toContain(`Tokens ${number.format(tokens(rows))}`);
  expect(text).toContain(`of which ${number.format(sum(rows, ({ cachedTokens }) => cachedTokens))} from cache`);
  expect(text).toContain(`Steps ${rows.length}`);
  expect(text).toContain(`Credits ${credits(rows)}`);
  expect(text).toContain("nothing in the 30 days before");

  for (const model of ["scripted/large", "scripted/small"]) {
    const own = rows.filter((row) => row.model === model);
    const row = page.getByRole("region", { name: "By model", exact: true }).getByRole("row", { name: model });
    const cells = await row.getByRole("cell").allInnerTexts();
    expect(cells.at(1)).toBe(number.format(sum(own, ({ inputTokens }) => inputTokens)));
    expect(cells.at(-1)).toBe(credits(own));
  }
  const keys = page.getByRole("region", { name: "By key", exact: true });
  await keys.getByRole("row", { name: "the shop" }).waitFor();
  await keys.getByRole("row", { name: "local" }).waitFor();

  await page.getByLabel("Used by").selectOption({ label: "the shop" });
  const own = rows.filter(({ key }) => key === shop.key.id);
  await expect.poll(() => said(page)).toContain(`Credits ${credits(own)}`);
  expect(new URL(page.url()).hash).toContain(`key=${shop.key.id}`);
  await page.reload();
  await expect.poll(() => said(page)).toContain(`Tokens ${number.format(tokens(own))}`);
});

test("a plot is read by pointer and by keys, and is a table as well", async ({ start }) => {
  const world = await start({ keys: [OPERATOR], settings: PRICES });
  await charged(world);
  const rows = await rowsOf(world);
  const page = await world.page({ key: OPERATOR });
  await page.goto("/usage");
  const plot = figure(page, "Tokens");
  const slider = plot.getByRole("slider");
  const all = number.format(tokens(rows));

  // Three kinds of tokens in the one bar of today, of which one is as wide as a thirtieth.
  await expect.poll(() => slider.locator("svg g rect").count()).toBe(3);
  await expect.poll(() => slider.getAttribute("aria-valuetext")).toBe(`All together: ${all}`);
  await slider.focus();
  await page.keyboard.press("ArrowLeft");
  expect(await slider.getAttribute("aria-valuetext")).toMatch(new RegExp(`^${today()}: ${all}\\. Input `));
  await page.keyboard.press("ArrowLeft");
  expect(await slider.getAttribute("aria-valuetext")).toMatch(/: 0\.$/);
  await page.keyboard.press("Escape");
  expect(await slider.getAttribute("aria-valuetext")).toBe(`All together: ${all}`);

  const box = (await slider.boundingBox())!;
  const height = (await plot.boundingBox())!.height;
  await page.mouse.move(box.x + box.width - 24, box.y + box.height / 2);
  await expect.poll(() => plot.locator("dl").innerText()).toContain(today());
  expect((await plot.boundingBox())!.height).toBe(height);

  await plot.getByRole("button", { name: "Show as table" }).click();
  const cells = await plot.getByRole("row", { name: today() }).getByRole("cell").allInnerTexts();
  expect(cells.at(-1)).toBe(all);

  // Another question leaves the rest as it is: the table, and where the focus was.
  await page.getByRole("radio", { name: "Kind", exact: true }).focus();
  await page.keyboard.press("ArrowRight");
  await plot.getByRole("columnheader", { name: "scripted/small" }).waitFor();
  const model = page.getByRole("radio", { name: "Model", exact: true });
  expect(await model.evaluate((radio) => radio === document.activeElement)).toBe(true);
});

test("the figures grow while keys are used", async ({ start }) => {
  const world = await start({ keys: [OPERATOR], settings: PRICES });
  await charged(world);
  const page = await world.page({ key: OPERATOR });
  await page.goto("/usage");
  await totals(page).waitFor();
  await world.turn("four", "small", { model: "scripted/small" });
  const rows = await rowsOf(world);
  await expect.poll(() => said(page)).toContain(`Tokens ${number.format(tokens(rows))}`);
  expect(await said(page)).toContain("Steps 4");
});

test("seconds of a realtime session are on the page as they are in the ledger, and with its key", async ({ start }) => {
  const world = await start({ keys: [OPERATOR], settings: { REALTIME__MODELS: "small=restyle 320x180@15 0.5" } });
  const { secret } = await world.ask<{ secret: string }>("POST", "/v1/keys", { name: "the shop", credits: "100" });
  const producer = await world.page({ key: secret });
  await producer.goto("/realtime");
  await producer.getByRole("combobox", { name: "Model" }).selectOption("small");
  await producer.getByRole("main").getByRole("button", { name: "Start", exact: true }).click();
  await expect.poll(async () => sum(await rowsOf(world), ({ seconds }) => seconds)).toBeGreaterThanOrEqual(2);
  // It grows while the session runs, and so do the seconds that its key sees; what the key has left shrinks.
  const viewer = await world.page({ key: secret });
  world.expects(/403/);
  await viewer.goto("/usage");
  const seconds = async () => Number(/Realtime ([\d,]+) s/.exec(await said(viewer))?.[1]);
  const left = async () => Number(await viewer.locator("strong").filter({ hasText: /credits/ }).innerText().then(parseFloat));
  const before = [await seconds(), await left()] as const;
  await expect.poll(seconds).toBeGreaterThan(before[0]);
  await expect.poll(left).toBeLessThan(before[1]);
  await producer.getByRole("main").getByRole("button", { name: "Stop", exact: true }).click();
  await producer.getByRole("region", { name: "Receipt" }).getByText("Settled").waitFor();

  const [row] = await rowsOf(world);
  const page = await world.page({ key: OPERATOR });
  await page.goto("/usage");
  await totals(page).waitFor();
  expect(await said(page)).toContain(`Realtime ${row!.seconds} s`);
  expect(await said(page)).toContain(`Credits ${String(row!.seconds / 2)}`);
  const plot = figure(page, "Realtime");
  await expect.poll(() => plot.getByRole("slider").getAttribute("aria-valuetext")).toBe(`All together: ${row!.seconds} s`);
  await page.goto("/keys");
  await page.getByRole("button", { name: "Details of the shop" }).click();
  const session = page.getByRole("listitem").filter({ hasText: "small" });
  await session.getByText(`${row!.seconds} seconds, ${row!.seconds / 2} credits`).waitFor();
  await accessible(page);
});

test("the file has the rows of the ledger", async ({ start }) => {
  const world = await start({ keys: [OPERATOR], settings: PRICES });
  const shop = await charged(world);
  const page = await world.page({ key: OPERATOR });
  await page.goto("/usage");
  await totals(page).waitFor();
  // The names of the keys come by themselves.
  await page.getByRole("region", { name: "By key", exact: true }).getByRole("row", { name: "the shop" }).waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download CSV" }).click()]);
  expect(download.suggestedFilename()).toMatch(/^usage-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv$/);
  const lines = (await readFile(await download.path(), "utf8")).trim().split("\r\n").slice(1);
  const rows = await rowsOf(world);
  const name = (key: string) => (key === shop.key.id ? "the shop" : key);
  expect(lines).toEqual(
    rows.map(({ day, key, model, seconds, steps, inputTokens, cachedTokens, outputTokens, credits }) =>
      [day, key, name(key), model, seconds, steps, inputTokens, cachedTokens, outputTokens, credits].join(),
    ),
  );
});

test("a key sees what it used itself, and nothing of others", async ({ start }) => {
  const world = await start({ keys: [OPERATOR], settings: PRICES });
  const shop = await charged(world);
  world.expects(/403/);
  const page = await world.page({ key: shop.secret });
  await page.goto("/usage");
  const own = (await rowsOf(world)).filter(({ key }) => key === shop.key.id);
  await expect.poll(() => said(page)).toContain(`Credits ${credits(own)}`);
  await page.getByText("This is what your key used.").waitFor();
  expect(await page.getByLabel("Used by").count()).toBe(0);
  await page.goto("/usage#days=30&key=local");
  await page.reload();
  await page.getByRole("alert").filter({ hasText: "The usage could not be read." }).waitFor();
  await page.getByRole("button", { name: "Show what my key used" }).click();
  await expect.poll(() => said(page)).toContain(`Credits ${credits(own)}`);
});

test("days without use, days that make no sense, and a server that is gone", async ({ start }) => {
  const world = await start();
  const page = await world.page();
  await page.goto("/usage#from=2026-01-01&to=2026-01-31&by=kind");
  await page.getByText("Nothing was used in these days.").waitFor();
  await accessible(page);
  await page.getByLabel("Last day").fill("2025-12-31");
  await page.getByText("The last day is before the first one.").waitFor();
  await accessible(page);
  await page.getByRole("radio", { name: "7 days" }).check();
  await expect.poll(() => new URL(page.url()).hash).toBe("#days=7&by=kind");

  await world.offline(page, true);
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByText("The usage could not be read.").waitFor();
  await totals(page).waitFor();
  await world.offline(page, false);
  await expect.poll(() => page.getByText("The usage could not be read.").count()).toBe(0);
});

test("everything fits on a phone, in the light and in the dark, and is reached by keys", async ({ start }) => {
  const world = await start({ keys: [OPERATOR], settings: PRICES });
  await charged(world);
  for (const look of [{ phone: true }, { phone: true, dark: true }]) {
    const page = await world.page({ ...look, key: OPERATOR });
    await page.setViewportSize({ width: 360, height: 780 });
    await page.goto("/usage");
    await page.getByRole("region", { name: "By key", exact: true }).getByText("the shop").waitFor();
    const main = page.getByRole("main");
    expect(await main.evaluate((main) => main.scrollWidth - main.clientWidth)).toBe(0);
    await accessible(page);
    await figure(page, "Tokens").getByRole("button", { name: "Show as table" }).tap();
    await accessible(page);
    expect(await main.evaluate((main) => main.scrollWidth - main.clientWidth)).toBe(0);
    await keyboard(page);
  }
});

/** As it is written where a day is read. */
function today(): string {
  const written = (options: Intl.DateTimeFormatOptions) => new Date().toLocaleDateString("en-GB", { ...options, timeZone: "UTC" });
  return `${written({ weekday: "short" })} ${written({ day: "numeric", month: "short", year: "numeric" })}`;
}
