// Several who look at one conversation see the same, whatever happens to them meanwhile.

import type { Page } from "playwright-core";
import { picture } from "./support/scenes.js";
import { type Line, TALL, logged, printed, shown } from "./support/transcripts.js";
import { composer, said } from "./support/views.js";
import { type World, call, expect, say, test, think, until } from "./world.js";

const TRIP = "0c5f6d2e-7a41-4c39-9d0b-3f1e8a6b5c27";
const PLAN = "plan the trip";
const BACK = "and the way back";

/** Two turns with everything in them, that stop at gates. */
async function script(world: World): Promise<void> {
  await world.write("map.txt", "From here to there it is a long way.");
  world.provider.answer(PLAN, [
    [think("Where to begin."), say("First the map. "), until("first"), say("It is here."), call("read_file", { path: "map.txt" }), call("run_shell", { command: "echo one; echo two" })],
    [say("The map says it is long. "), until("second"), say("A shorter way is found."), call("read_file", { path: "." })],
    [say("That is "), until("third"), say("the plan.")],
  ]);
  world.provider.answer(BACK, [
    [say("The way back "), until("fourth"), call("read_file", { path: "map.txt" })],
    [say("is the same, "), until("fifth"), say("the other way round.")],
  ]);
}

async function open(world: World, look = {}): Promise<Page> {
  const page = await world.page(look);
  await page.setViewportSize({ width: page.viewportSize()!.width, height: TALL });
  await page.goto(`/c/${TRIP}`);
  await composer(page).waitFor();
  return page;
}

async function write(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

const sees = (page: Page, text: string) => said(page, text).waitFor();

/** Until the page shows what the log has. */
async function showsTheLog(world: World, page: Page): Promise<void> {
  const log = await logged(world, TRIP);
  await expect.poll(() => shown(page)).toEqual(log);
}

const isActive = async (world: World): Promise<boolean> =>
  (await world.ask<{ isActive: boolean }>("GET", `/conversations/${TRIP}/status`)).isActive;

/** That all see the same is promised for each time. */
const ONCE = { retry: 0 };

test("two browsers and the command line, one of them offline for a while, end with the same transcript", ONCE, async ({ start }) => {
  const world = await start();
  await script(world);
  const [desk, phone] = await Promise.all([open(world), open(world, { phone: true })]);

  const terminal = world.cli("chat", "--json", "--conversation", TRIP, "--text", PLAN);
  await Promise.all([sees(desk, "First the map."), sees(phone, "First the map.")]);
  await world.offline(phone, true);
  await phone.getByTestId("link").waitFor();
  world.provider.release("first");
  await sees(desk, "The map says it is long.");

  await desk.reload();
  await sees(desk, "The map says it is long.");
  await write(desk, "mind the rain");
  await expect.poll(() => world.ask("GET", `/conversations/${TRIP}/queue`)).toMatchObject({ queue: [{ text: "mind the rain" }] });
  world.provider.release("second");
  await desk.locator("[data-item=steering]").filter({ hasText: "mind the rain" }).waitFor();
  world.provider.release("third");
  expect((await terminal.ended).code).toBe(0);

  await write(desk, BACK);
  await sees(desk, "The way back");
  world.provider.release("fourth");
  await sees(desk, "is the same,");
  await world.offline(phone, false);
  await sees(phone, "is the same,");
  await phone.getByTestId("link").waitFor({ state: "detached" });
  expect(await shown(phone)).toEqual(await shown(desk));
  world.provider.release("fifth");
  await sees(phone, "the other way round.");

  await expect.poll(() => isActive(world)).toBe(false);
  const log = await logged(world, TRIP);
  expect(log.map(([kind]) => kind)).toEqual(
    ["user", "thinking", "text", "tool", "tool", "text", "tool", "steering", "text", "user", "text", "tool", "text"],
  );
  await showsTheLog(world, desk);
  await showsTheLog(world, phone);
  const history = await world.cli("read", TRIP, "--all", "--json").ended;
  const unmarked = (lines: readonly Line[]) => lines.map(([kind, text]) => [kind === "steering" ? "user" : kind, text]);
  expect(unmarked(printed(history.stdout))).toEqual(unmarked(log));
});

test("what the command line was told of a turn is what a browser shows of it", ONCE, async ({ start }) => {
  const world = await start();
  await script(world);
  for (const gate of ["first", "second", "third"]) world.provider.release(gate);
  const page = await open(world);
  const { code, stdout } = await world.cli("chat", "--json", "--conversation", TRIP, "--text", PLAN).ended;
  expect(code).toBe(0);
  const events = stdout.trim().split("\n").map((line) => JSON.parse(line) as { type: string; delta?: string });
  const told = events.map(({ type, delta }) => (type === "text-delta" ? delta : "")).join("");
  await sees(page, "That is the plan.");
  const texts = (await shown(page)).filter(([kind]) => kind === "text").map(([, text]) => text);
  expect(texts.join(" ").replaceAll(/\s+/g, " ")).toBe(told.replaceAll(/([.])(?=[A-Z])/g, "$1 "));
});

test("another device sees the images of a message at once, and since when a tool runs", ONCE, async ({ start }) => {
  const world = await start();
  const running = "while [ ! -e stop ]; do sleep 0.05; done";
  world.provider.answer("look", [[call("run_shell", { command: running })], [say("I looked.")]]);
  void world.turn(TRIP, "look at this", { images: [{ url: picture() }] }).catch(() => {});
  const tool = (page: Page) => page.locator("[data-item=tool]");
  const seconds = async (page: Page) => parseInt((await tool(page).locator("[data-volatile]").textContent()) ?? "");
  const first = await open(world);
  await expect.poll(() => seconds(first), { timeout: 30_000 }).toBeGreaterThanOrEqual(4);
  const second = await open(world, { phone: true });
  await tool(second).locator("[data-volatile]").waitFor();
  expect(await seconds(second)).toBeGreaterThanOrEqual(4);
  for (const page of [first, second]) {
    const image = page.getByRole("button", { name: "Image: show it large" }).locator("img");
    await expect.poll(() => image.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(160);
  }
  await world.write("stop", "");
  await sees(second, "I looked.");
});

test("a reload in the middle of a turn shows the same", ONCE, async ({ start }) => {
  const world = await start();
  await script(world);
  const page = await open(world);
  await write(page, PLAN);
  world.provider.release("first");
  await sees(page, "The map says it is long.");
  await expect.poll(async () => (await shown(page)).filter(([kind]) => kind === "tool")).toHaveLength(2);
  const before = await shown(page);
  await page.reload();
  await sees(page, "The map says it is long.");
  await expect.poll(() => shown(page)).toEqual(before);
  const second = await open(world, { phone: true, dark: true });
  await sees(second, "The map says it is long.");
  await expect.poll(() => shown(second)).toEqual(before);
  world.provider.release("second");
  world.provider.release("third");
  await sees(page, "That is the plan.");
  await expect.poll(() => isActive(world)).toBe(false);
  await showsTheLog(world, page);
  await showsTheLog(world, second);
});

test("a device that was offline while the conversation was compacted shows what is there now", ONCE, async ({ start }) => {
  const world = await start();
  for (let turn = 1; turn <= 8; turn += 1) await world.turn(TRIP, `stop number ${turn}`);
  const page = await open(world);
  await sees(page, "You said: stop number 8");
  await world.offline(page, true);
  await page.getByTestId("link").waitFor();
  world.provider.answer(/./, [[say("They listed stops.")]]);
  await world.ask("POST", `/conversations/${TRIP}/compact`, { keepLastN: 2 });
  await world.turn(TRIP, "stop number 9");
  await world.offline(page, false);
  await sees(page, "The conversation was compacted here.");
  await sees(page, "stop number 9");
  expect((await shown(page)).filter(([kind]) => kind === "user").map(([, text]) => text)).toEqual(["stop number 8", "stop number 9"]);
});

test("a server that is killed in the middle of a turn comes back with what was seen, and goes on", ONCE, async ({ start }) => {
  const world = await start();
  await script(world);
  const page = await open(world);
  await write(page, PLAN);
  world.provider.release("first");
  await sees(page, "The map says it is long.");
  await world.kill();
  const link = page.getByTestId("link");
  await link.getByText(/cannot be reached/).waitFor();
  const before = await shown(page);
  await world.server.run();
  await link.waitFor({ state: "detached" });
  await showsTheLog(world, page);
  expect((await shown(page)).slice(0, before.length)).toEqual(before);
  await write(page, "are you there");
  await sees(page, "You said: are you there");
  await expect.poll(() => isActive(world)).toBe(false);
  await showsTheLog(world, page);
});
