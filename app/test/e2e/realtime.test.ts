// Realtime sessions as somebody has them: the clip, a camera, prompts, images, viewers, the bill and the receipt.

import type { SessionReceipt } from "@dispatch/client";
import type { Page } from "playwright-core";
import { PNG } from "pngjs";
import { accessible } from "./axe.js";
import { keyboard } from "./keyboard.js";
import { type Colour, colours, distance, mean, spread } from "./support/pictures.js";
import { type World, expect, test } from "./world.js";

/** Small enough for any machine. Half a credit a second. */
const MODEL = { REALTIME__MODELS: "small=restyle 320x180@15 0.5" };

const main = (page: Page) => page.getByRole("main");
const button = (page: Page, name: string) => main(page).getByRole("button", { name, exact: true });
const prompt = (page: Page) => page.getByRole("textbox", { name: "Prompt" });
/** One of the large figures. */
const figure = async (page: Page, name: string) =>
  Number(await page.locator("dl > div", { hasText: name }).locator("dd").first().textContent());

async function open(page: Page): Promise<void> {
  await page.goto("/realtime");
  await page.getByRole("combobox", { name: "Model" }).selectOption("small");
  await expect.poll(() => colours(page, "source")).toBeDefined();
}

async function state(page: Page, wanted: string): Promise<void> {
  await main(page).locator("header").getByText(wanted, { exact: true }).waitFor();
}

async function start(page: Page): Promise<void> {
  await button(page, "Start").click();
  await state(page, "Generating");
}

async function apply(page: Page, text: string): Promise<void> {
  await prompt(page).fill(text);
  await prompt(page).press("Enter");
  await page.getByText("Applied.").waitFor();
}

/** Waits until the result is the source with that done to its colours. */
async function sees(page: Page, effect: (colour: Colour) => Colour): Promise<void> {
  await expect
    .poll(async () => {
      const [source, result] = [await colours(page, "source"), await colours(page, "result")];
      return source && result ? distance(source.map(effect), result) : Infinity;
    })
    .toBeLessThan(25);
}

const same = (colour: Colour): Colour => colour;
const inverted = ([red, green, blue]: Colour): Colour => [255 - red, 255 - green, 255 - blue];

/** The receipt that the server has of the newest session. */
async function newest(world: World, key?: string): Promise<SessionReceipt> {
  const { sessions } = await world.ask<{ sessions: SessionReceipt[] }>("GET", "/v1/sessions", undefined, key);
  return sessions[0]!;
}

test("the clip comes back as the prompt wants it, and the receipt says what it cost", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  await sees(page, same);
  await apply(page, "invert");
  await sees(page, inverted);
  await expect.poll(() => figure(page, "Seconds billed")).toBeGreaterThanOrEqual(3);
  await page.getByText("Latency, end to end").waitFor();
  await expect.poll(() => figure(page, "Latency")).toBeGreaterThan(0);
  await expect.poll(() => figure(page, "Pictures a second")).toBeGreaterThan(0);
  await page.getByText("The connection in figures").click();
  await page.getByRole("row", { name: /^Size 320 × 180 320 × 180$/ }).waitFor();
  await button(page, "Stop").click();
  await state(page, "Ended");
  const shown = page.getByRole("region", { name: "Receipt" });
  await shown.getByText("Settled").waitFor();
  const receipt = await newest(world);
  expect(receipt).toMatchObject({ settled: true, reason: "disconnect", credits: String(receipt.seconds / 2) });
  expect(await shown.locator("dd").allTextContents()).toEqual([
    String(receipt.seconds),
    String(receipt.seconds / 2),
    "1",
    "local",
  ]);
  await button(page, "Show it in the list").click();
  await expect.poll(() => page.locator("details[open] summary").last().textContent()).toContain(`${receipt.seconds} seconds`);
});

test("a camera is sent, and another source while it runs", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await page.getByRole("radio", { name: "Camera" }).check();
  await page.getByText("Camera", { exact: true }).last().waitFor();
  await prompt(page).fill("grey");
  await start(page);
  await expect.poll(async () => spread(await colours(page, "source", "everywhere"))).toBeGreaterThan(40);
  await expect.poll(async () => spread(await colours(page, "result", "everywhere"))).toBeLessThan(15);
  await page.getByText("Latency, transport").waitFor();
  await page.getByRole("radio", { name: "Test clip" }).check();
  await page.getByText("Latency, end to end").waitFor();
  await apply(page, "");
  await sees(page, same);
  expect((await newest(world)).connections).toHaveLength(1);
});

test("a camera that is not permitted says what to do, and what is sent goes on", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("Permission denied", "NotAllowedError"));
  });
  await open(page);
  await start(page);
  await page.getByRole("radio", { name: "Camera" }).click();
  await page.getByRole("alert").getByText("The camera was not permitted.").waitFor();
  await page.getByText("Permit it where the browser shows the address").waitFor();
  expect(await page.getByRole("radio", { name: "Test clip" }).isChecked()).toBe(true);
  await sees(page, same);
});

test("a camera that is taken away is missed, here and in other views, and can be chosen again", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await page.addInitScript(() => {
    const { mediaDevices } = navigator;
    const open = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (constraints) => {
      const stream = await open(constraints);
      Object.assign(window, { camera: stream.getVideoTracks()[0] });
      return stream;
    };
  });
  const unplug = () =>
    page.evaluate(() => {
      const { camera } = window as unknown as { camera: MediaStreamTrack };
      camera.stop();
      camera.dispatchEvent(new Event("ended"));
    });
  await open(page);
  const camera = page.getByRole("radio", { name: "Camera" });
  await camera.check();
  await start(page);
  await unplug();
  await page.getByRole("alert").getByText("The camera stopped.").waitFor();
  await page.locator("figure.source").getByText("Nothing is sent.").waitFor();
  await state(page, "No pictures");
  await accessible(page);
  await camera.check();
  await state(page, "Generating");
  expect((await newest(world)).connections).toHaveLength(1);
  await page.getByRole("link", { name: "Settings" }).click();
  await unplug();
  await page.getByText("Nothing is sent to the realtime session. The camera stopped.").first().waitFor();
  await page.getByRole("region", { name: "Realtime session" }).getByText("No pictures").waitFor();
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByRole("radio", { name: "Test clip" }).check();
  await state(page, "Generating");
});

test("a screen is shared, and another one in its place", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  await page.getByRole("radio", { name: "Screen" }).check();
  await page.locator("figure.source figcaption").getByText("Screen").waitFor();
  const source = page.locator("figure.source video");
  const shown = () => source.evaluate((video: HTMLVideoElement) => (video.srcObject as MediaStream | null)?.getTracks()[0]?.id);
  const first = await shown();
  await accessible(page);
  await button(page, "Share something else").click();
  await expect.poll(shown).not.toBe(first);
  await page.getByText("Latency, transport").waitFor();
  const before = await figure(page, "Seconds billed");
  await expect.poll(() => figure(page, "Seconds billed")).toBeGreaterThan(before + 1);
  expect((await newest(world)).connections).toHaveLength(1);
});

test("the result has a window of its own, and comes back into the page", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  expect(await button(page, "Own window").isDisabled()).toBe(true);
  await start(page);
  await button(page, "Own window").click();
  const isFloating = () => page.evaluate(() => document.pictureInPictureElement !== null);
  await expect.poll(isFloating).toBe(true);
  await button(page, "Back into the page").click();
  await button(page, "Own window").waitFor();
  expect(await isFloating()).toBe(false);
});

test("why it does not connect is said at once, and it does when that is over", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await world.kill();
  await button(page, "Start").click();
  await page.locator("figure.result").getByText("The server cannot be reached. Trying again…").waitFor({ timeout: 5_000 });
  await state(page, "Connecting");
  await accessible(page);
  await world.server.run();
  await state(page, "Generating");
});

test("the pictures fill the screen, and do no more", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  for (const layout of ["Both", "Split", "Result"]) {
    await page.getByRole("radio", { name: layout, exact: true }).check();
    await button(page, "Full screen").click();
    await button(page, "Leave full screen").waitFor();
    await accessible(page);
    const { bottom, right } = await page.locator("figure.result").evaluate((figure) => figure.getBoundingClientRect());
    expect(bottom).toBeLessThan(800);
    expect(right).toBeLessThanOrEqual(1280);
    await button(page, "Leave full screen").click();
    await button(page, "Full screen").waitFor();
  }
});

test("an image gives its colours, and what is no image says so", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  await sees(page, same);
  const file = page.locator("input[type=file]");
  await file.setInputFiles({ name: "words.png", mimeType: "image/png", buffer: Buffer.from("not a picture") });
  await page.getByRole("alert").getByText("cannot read “words.png”").waitFor();
  await file.setInputFiles({ name: "red.png", mimeType: "image/png", buffer: plain([220, 20, 20]) });
  await page.getByRole("img", { name: "What the model takes its colours from" }).waitFor();
  await page.getByText("Applied.").waitFor();
  await expect
    .poll(async () => {
      const [red, green, blue] = mean(await colours(page, "result", "everywhere"));
      return red - Math.max(green, blue);
    })
    .toBeGreaterThan(40);
  await button(page, "Remove the reference image").click();
  await sees(page, same);
});

test("suggestions make the prompt, and hold at once", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  await button(page, "invert").click();
  await sees(page, inverted);
  await button(page, "mirror").click();
  expect(await prompt(page).inputValue()).toBe("invert, mirror");
  await button(page, "mirror").click();
  await button(page, "invert").click();
  await sees(page, same);
  expect(await prompt(page).inputValue()).toBe("");
});

test("a viewer sees the result by the link, and its end", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await prompt(page).fill("invert");
  await start(page);
  await sees(page, inverted);
  await button(page, "Copy the link for viewers").click();
  await page.getByText("Copied.").waitFor();
  const link = await page.getByRole("textbox", { name: "Link" }).inputValue();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link);
  const viewer = await world.page({ phone: true });
  await viewer.goto(`/watch${new URL(link).hash}`);
  await state(viewer, "Live");
  await viewer.getByText("Watching costs you nothing.").waitFor();
  await expect
    .poll(async () => distance((await colours(page, "result")) ?? [], (await colours(viewer, "result")) ?? []))
    .toBeLessThan(25);
  await accessible(viewer);
  await keyboard(viewer);
  await button(page, "Stop").click();
  await viewer.getByText("The session is over.").first().waitFor();
  await button(viewer, "Watch again").click();
  await viewer.getByText("The session is over.").first().waitFor();
  expect(await overflow(viewer)).toBe(0);
});

test("where the server wants a key, a viewer is asked for one", async ({ start: begin }) => {
  const world = await begin({ keys: ["operator"], settings: MODEL });
  const page = await world.page({ key: "operator" });
  await open(page);
  await start(page);
  const link = await page.getByRole("textbox", { name: "Link" }).inputValue();
  const viewer = await world.page();
  await viewer.goto(`/watch${new URL(link).hash}`);
  await viewer.getByText("The server wants a key.").waitFor();
  await accessible(viewer);
  await button(viewer, "Enter a key").click();
  const dialog = viewer.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Key" }).fill("operator");
  await viewer.keyboard.press("Enter");
  await state(viewer, "Live");
});

test("a link that was cut off says so", async ({ start: begin }) => {
  const world = await begin();
  const page = await world.page();
  await page.goto("/watch#abc");
  await page.getByText("This link cannot be read.").waitFor();
});

test("a key that runs out is warned, told, and can go on when something was added", async ({ start: begin }) => {
  const world = await begin({ keys: ["operator"], settings: MODEL });
  const { key, secret } = await world.ask<{ key: { id: string }; secret: string }>("POST", "/v1/keys", { name: "shop", credits: "1.5" });
  const page = await world.page({ key: secret });
  await open(page);
  await page.getByText("1.5 left, for 3 s").waitFor();
  await start(page);
  await page.getByText("The credits are nearly used up.").waitFor();
  await page.getByText("The credits of this key are used up.").waitFor();
  const shown = page.getByRole("region", { name: "Receipt" });
  await shown.getByText("The credits were used up.").waitFor();
  expect(await newest(world)).toMatchObject({ seconds: 3, credits: "1.5", settled: true, reason: "insufficient_credits" });
  await page.getByText("0 left, for 0 s").waitFor();
  await world.ask("POST", `/v1/keys/${key.id}/credit`, { credits: "100", depositId: "d-1" });
  await shown.getByRole("button", { name: "Go on with this session" }).click();
  await state(page, "Generating");
  await expect.poll(() => figure(page, "Seconds billed")).toBeGreaterThan(3);
  expect(await newest(world)).toMatchObject({ settled: false });
  expect((await newest(world)).connections).toHaveLength(2);
});

test("a server that is killed comes back, and the session goes on with its look", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  await apply(page, "invert");
  await sees(page, inverted);
  const link = await page.getByRole("textbox", { name: "Link" }).inputValue();
  await world.kill();
  await state(page, "Reconnecting");
  await page.locator("figure.result").getByText(/^The .* Trying again…$/).waitFor();
  await world.server.run();
  await state(page, "Generating");
  await sees(page, inverted);
  await page.getByText("over 2 connections").waitFor();
  expect(await page.getByRole("textbox", { name: "Link" }).inputValue()).not.toBe(link);
  await button(page, "Stop").click();
  await page.getByRole("region", { name: "Receipt" }).getByRole("row", { name: /interrupted/ }).waitFor();
});

test("a session goes on when its view is left, and is stopped from anywhere", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  await page.getByRole("link", { name: "Settings" }).click();
  const bar = page.getByRole("region", { name: "Realtime session" });
  await expect.poll(async () => Number(/(\d+) s/.exec((await bar.textContent()) ?? "")?.[1])).toBeGreaterThan(1);
  await accessible(page);
  await bar.getByRole("link", { name: "Show" }).click();
  await state(page, "Generating");
  await sees(page, same);
  await page.getByRole("link", { name: "Settings" }).click();
  await bar.getByRole("button", { name: "Stop" }).click();
  await bar.waitFor({ state: "detached" });
  await page.getByText(/The realtime session has ended: \d+ seconds?, [\d.]+ credits\./).first().waitFor();
  await expect.poll(async () => (await newest(world)).reason).toBe("disconnect");
});

test("a session is ended from the list of another page", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  const other = await world.page();
  await open(other);
  await other.locator("summary", { hasText: "running" }).click();
  await button(other, "End this session").click();
  await other.getByRole("dialog").getByRole("button", { name: "End the session" }).click();
  await page.getByText("The session was ended from elsewhere.").waitFor();
  await state(page, "Ended");
  await expect.poll(() => other.locator("details[open]").textContent()).toContain("It was ended from elsewhere");
  expect((await newest(world)).reason).toBe("deleted_by_operator");
  // Nobody goes on with it.
  await expect.poll(() => button(page, "Go on with this session").count()).toBe(0);
});

test("the browser asks before a running session is left", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  const asked: string[] = [];
  page.once("dialog", (dialog) => {
    asked.push(dialog.type());
    void dialog.dismiss();
  });
  await page.evaluate(() => location.reload());
  await expect.poll(() => asked).toEqual(["beforeunload"]);
  await state(page, "Generating");
  page.once("dialog", (dialog) => void dialog.accept());
  await page.reload();
  await state(page, "Not started");
  await expect.poll(async () => (await newest(world)).reason).toBe("disconnect");
});

test("nothing moves while pictures flow, and the divider is dragged", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await start(page);
  await page.evaluate(() => {
    const memory = window as unknown as { moved: string[] };
    memory.moved = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; sources?: { node?: Node }[] })[]) {
        const parts = (entry.sources ?? []).map(({ node }) => node?.nodeName ?? "");
        memory.moved.push(`${parts.join()} by ${entry.value}`);
      }
    }).observe({ type: "layout-shift" });
  });
  const before = await figure(page, "Seconds billed");
  await expect.poll(() => figure(page, "Seconds billed")).toBeGreaterThan(before + 3);
  expect(await page.evaluate(() => (window as unknown as { moved: string[] }).moved)).toEqual([]);
  await page.getByRole("radio", { name: "Split", exact: true }).check();
  const divider = page.getByRole("slider", { name: "How much of the source is shown" });
  const { x, y, width, height } = (await page.locator("figure.result").boundingBox())!;
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width / 4, y + height / 2, { steps: 4 });
  await page.mouse.up();
  expect(await divider.getAttribute("aria-valuenow")).toBe("25");
  await page.mouse.move(x, y);
  expect(await divider.getAttribute("aria-valuenow")).toBe("25");
});

test("everything can be done without a mouse", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  const page = await world.page();
  await open(page);
  await keyboard(page);
  await page.keyboard.press("Escape");
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await page.keyboard.press("s");
  await state(page, "Generating");
  await page.keyboard.press("v");
  const divider = page.getByRole("slider", { name: "How much of the source is shown" });
  await divider.focus();
  await page.keyboard.press("ArrowRight");
  expect(await divider.getAttribute("aria-valuenow")).toBe("52");
  await page.keyboard.press("End");
  expect(await divider.getAttribute("aria-valuetext")).toBe("100 percent source");
  await keyboard(page);
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press("p");
  await page.keyboard.type("sepia");
  await page.keyboard.press("Enter");
  await page.getByText("Applied.").waitFor();
  await page.keyboard.press("Tab");
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await page.keyboard.press("s");
  await state(page, "Ended");
});

test("what it costs is in sight on a phone, wherever one has scrolled to", async ({ start: begin }) => {
  const world = await begin({ keys: ["operator"], settings: MODEL });
  const { secret } = await world.ask<{ secret: string }>("POST", "/v1/keys", { name: "shop", credits: "100" });
  const page = await world.page({ phone: true, key: secret });
  await open(page);
  await start(page);
  const bill = main(page).locator("header").getByText(/^\d+ s, [\d.]+ credits, [\d.]+ left$/);
  await bill.waitFor();
  const isInSight = () =>
    bill.evaluate((bill) => {
      const { top, bottom } = bill.getBoundingClientRect();
      return top >= 0 && bottom <= innerHeight;
    });
  expect(await isInSight()).toBe(true);
  await page.getByRole("heading", { name: "Last sessions" }).scrollIntoViewIfNeeded();
  expect(await isInSight()).toBe(true);
  const seconds = async () => parseInt(await bill.innerText());
  const before = await seconds();
  await expect.poll(seconds).toBeGreaterThan(before);
  await accessible(page);
});

test("it can be used by everybody, on a phone too, in each state and in the dark", async ({ start: begin }) => {
  const world = await begin({ settings: MODEL });
  for (const look of [{}, { phone: true, dark: true }]) {
    const page = await world.page(look);
    await open(page);
    await accessible(page);
    await start(page);
    await accessible(page);
    for (const layout of ["Split", "Result", "Both"]) {
      await page.getByRole("radio", { name: layout, exact: true }).check();
      await accessible(page);
      expect(await overflow(page)).toBe(0);
    }
    await button(page, "Stop").click();
    await page.getByRole("region", { name: "Receipt" }).getByText("Settled").waitFor();
    await accessible(page);
    expect(await overflow(page)).toBe(0);
    await page.close();
  }
});

test("a server without sessions, and one that wants a key, say so", async ({ start: begin }) => {
  const none = await begin({ settings: { REALTIME__ENABLED: "false" } });
  const page = await none.page();
  await page.goto("/realtime");
  await page.getByText("This server has no realtime sessions").waitFor();
  const world = await begin({ keys: ["operator"], settings: MODEL });
  world.expects(/401|HTTP Authentication failed/);
  const stranger = await world.page({ phone: true });
  await stranger.goto("/realtime");
  await stranger.getByText("The models could not be read.").waitFor();
  expect(await overflow(stranger)).toBe(0);
});

/** By how much the page is wider than its window. */
function overflow(page: Page): Promise<number> {
  return page.evaluate(() => {
    const scrolled = document.querySelector("main")!;
    return Math.max(document.documentElement.scrollWidth - innerWidth, scrolled.scrollWidth - scrolled.clientWidth);
  });
}

/** An image of one colour. */
function plain([red, green, blue]: Colour): Buffer {
  const picture = new PNG({ width: 32, height: 32 });
  for (let at = 0; at < picture.data.length; at += 4) picture.data.set([red, green, blue, 255], at);
  return PNG.sync.write(picture);
}
