// Uses the page at /realtime of the server as a person does: its test clip, a prompt, the bill, Stop and the receipt.

import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const text = { type: "string", default: "" };
// All that the other clients are given; what is not named here is not used.
const { values: options } = parseArgs({
  strict: false,
  options: { url: text, key: text, model: { ...text, default: "mirage_v2" }, chromium: text, only: text, skip: text },
});

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 800 };

function assert(isSo, why) {
  if (!isSo) throw new Error(why);
}

/** What a person reads there. */
const words = async (page, id) => (await page.locator(`#${id}`).innerText()).replace(/\s+/g, " ").trim();

const state = (page, wanted) =>
  page.locator("#stateWord", { hasText: new RegExp(`^${wanted}$`) }).waitFor({ timeout: 20_000 });

async function open(page, key) {
  await page.goto(`${options.url}/realtime#key=${encodeURIComponent(key)}`);
  await page.waitForFunction(() => document.getElementById("source").readyState >= 2);
}

/** The colours of the clip's eight bars, which stand still in its upper right corner, in the source and the result. */
function bars(page) {
  return page.evaluate(() =>
    ["source", "result"].map((id) => {
      const video = document.getElementById(id);
      const { videoWidth: width, videoHeight: height } = video;
      if (!width) return null;
      const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
      context.drawImage(video, 0, 0, width, height);
      const unit = height / 360;
      return Array.from({ length: 8 }, (_, bar) => {
        const [x, y] = [width - (8 - bar) * 18 * unit - 7 * unit, 33 * unit];
        return [...context.getImageData(x, y, 1, 1).data.slice(0, 3)];
      });
    }),
  );
}

const EFFECTS = { none: (part) => part, invert: (part) => 255 - part };

/** Which effect makes the result's bars of the source's; nothing while none does so clearly. */
function recognise([source, result]) {
  if (!source || !result) return null;
  const error = (effect) =>
    source.flat().reduce((sum, part, at) => sum + Math.abs(EFFECTS[effect](part) - result.flat()[at]), 0) / 24;
  return Object.keys(EFFECTS).find((effect) => error(effect) < 25) ?? null;
}

async function sees(page, effect) {
  let last;
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    last = await bars(page);
    if (recognise(last) === effect) return;
    await page.waitForTimeout(100);
  }
  throw new Error(`the picture is not ${effect}: ${JSON.stringify(last)}`);
}

async function listed(path) {
  const answer = await fetch(`${options.url}${path}`, { headers: { authorization: `Bearer ${options.key}` } });
  assert(answer.ok, `${path} answered ${answer.status}`);
  return answer.json();
}

const checks = {
  async "clip-and-receipt"(page) {
    await open(page, options.key);
    await page.selectOption("#model", options.model);
    await page.click("#go");
    await state(page, "generating");
    await sees(page, "none");
    await page.fill("#prompt", "invert");
    await page.keyboard.press("Enter");
    await sees(page, "invert");
    await page.waitForFunction(() => parseInt(document.getElementById("seconds").textContent, 10) >= 3);
    assert(/^\d+ ms$/.test(await words(page, "latency")), `latency: ${await words(page, "latency")}`);
    assert(/^[1-9]\d* fps$/.test(await words(page, "rate")), `frame rate: ${await words(page, "rate")}`);
    await page.click("#go");
    await state(page, "ended");
    await page.locator("#receiptNote", { hasText: "Settled" }).waitFor();
    const shown = await words(page, "receiptPairs");
    const [, seconds, credits, session] = shown.match(/^Seconds (\d+) Credits ([\d.]+) .*Session (\S+)$/) ?? [];
    const receipt = await listed(`/v1/sessions/${session}`);
    assert(receipt.settled && receipt.seconds >= 3, `the receipt is ${JSON.stringify(receipt)}`);
    assert(Number(seconds) === receipt.seconds && Number(credits) === Number(receipt.credits), `shown is: ${shown}`);
    const { models } = await listed("/v1/realtime/models");
    const price = Number(models.find(({ name }) => name === options.model).creditsPerSecond);
    assert(Math.abs(price * receipt.seconds - Number(credits)) < 1e-6, `${credits} credits for ${seconds} seconds`);
  },

  async "wrong-key"(page) {
    await page.setViewportSize(PHONE);
    await open(page, "no-such-key");
    // Without a key that counts, the models are not known, and one is named.
    await page.fill("#modelName", options.model);
    await page.click("#go");
    await state(page, "not connected");
    const why = await words(page, "why");
    assert(why === "The server does not take this API key. Enter another one and start again.", why);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(overflow <= 0, `the page is ${overflow} pixels wider than a phone`);
  },
};

const browser = await launch(options.chromium);
const [only, skip] = [options.only, options.skip].map((names) => new Set(names.split(",").filter(Boolean)));
const sums = { passed: 0, failed: 0 };
try {
  for (const [name, check] of Object.entries(checks)) {
    if ((only.size > 0 && !only.has(name)) || skip.has(name)) continue;
    const context = await browser.newContext({ viewport: DESKTOP });
    const page = await context.newPage();
    const problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (line) => {
      if (/content security policy/i.test(line.text())) problems.push(line.text());
      if (process.env.COMPAT_TRACE) console.error(line.text());
    });
    try {
      await check(page);
      assert(problems.length === 0, problems.join("; "));
      sums.passed += 1;
      console.log(`ok ${name}`);
    } catch (error) {
      sums.failed += 1;
      console.log(`FAILED ${name}: ${String(error.message).replace(/\s+/g, " ").replaceAll(options.key, "…")}`);
    }
    await context.close();
  }
} finally {
  await browser.close();
}
console.log(`compat page: ${sums.passed} passed, ${sums.failed} failed`);
process.exitCode = sums.failed > 0 ? 1 : 0;
