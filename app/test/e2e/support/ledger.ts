// Figures to look at. A server's own are of today, and pictures are of any day.

import type { Page } from "playwright-core";
import type { World } from "../world.js";

const DAY = 86_400_000;

/** What was used in the days that are asked for: more during the week, nothing on Sundays, of two models and two keys. */
function used(from: string, to: string): readonly object[] {
  const rows: object[] = [];
  for (let time = Date.parse(from); time <= Date.parse(to); time += DAY) {
    const date = new Date(time);
    const weekday = date.getUTCDay();
    const wave = (date.getUTCDate() * 37) % 29;
    if (weekday === 0) continue;
    const row = (key: string, model: string, factor: number, seconds: number) => {
      const inputTokens = (40_000 + 1_700 * wave) * factor;
      const outputTokens = (6_000 + 310 * wave) * factor;
      const credits = ((inputTokens * 3 + outputTokens * 15) / 1_000_000 + seconds * 0.02).toFixed(4);
      const cachedTokens = Math.floor(inputTokens * 0.7);
      return { day: date.toISOString().slice(0, 10), key, model, seconds, steps: 3 * factor, inputTokens, cachedTokens, outputTokens, credits };
    };
    rows.push(row("local", "scripted/large", weekday === 6 ? 1 : 4, 0));
    if (weekday !== 6) rows.push(row("key_1f0c9a2b", "scripted/small", 2, 0));
    if (weekday % 2 === 0) rows.push({ ...row("key_1f0c9a2b", "mirage", 0, 300 + 20 * wave), steps: 0 });
  }
  return rows;
}

/** From now on a page is told these figures. */
export async function figures(page: Page): Promise<void> {
  await page.route("**/v1/usage**", async (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [from, to] = [query.get("from") ?? "2026-05-26", query.get("to") ?? "2026-06-24"];
    await route.fulfill({ json: { from, to, usage: used(from, to) } });
  });
  await page.route("**/metrics/throughput**", async (route) => {
    const query = new URL(route.request().url()).searchParams;
    const models = [
      { model: "scripted/small", tokensPerSecond: 118.2, totalOutputTokens: 41_000, totalGenMs: 346_870, turns: 23 },
      { model: "scripted/large", tokensPerSecond: 79.0, totalOutputTokens: 98_000, totalGenMs: 1_240_506, turns: 41 },
    ];
    const end = Date.parse("2026-06-25");
    const [period, date] = [query.get("period") ?? "day", query.get("date") ?? "2026-06-24"];
    await route.fulfill({ json: { period, date, start: end - DAY, end, models } });
  });
}

/** Keys of all kinds: with a balance, without an end, and one that was revoked. */
export async function keys(world: World): Promise<void> {
  await world.ask("POST", "/v1/keys", { name: "the shop", credits: "100" });
  await world.ask("POST", "/v1/keys", { name: "nightly tests", unlimited: true });
  const { key } = await world.ask<{ key: { id: string } }>("POST", "/v1/keys", { name: "a guest", credits: "2.5" });
  await world.ask("DELETE", `/v1/keys/${key.id}`);
}
