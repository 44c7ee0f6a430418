// What axe-core finds in a view as it is now.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { still } from "./support/still.js";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Everything but what axe itself calls minor. */
const COUNTS = new Set<string | null | undefined>(["moderate", "serious", "critical"]);

/** Fails if something of the view, or of a part of it, cannot be used by everybody. */
export async function accessible(page: Page, part?: string): Promise<void> {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(await readFile(AXE, "utf8"));
  // Half of a fade is no contrast.
  await still(page);
  const { violations } = await page.evaluate(async (part): Promise<AxeResults> => {
    const { axe } = window as unknown as { axe: { run(context: unknown, options: unknown): Promise<AxeResults> } };
    return axe.run(part ?? document, { resultTypes: ["violations"] });
  }, part);
  const found = violations.filter(({ impact }) => COUNTS.has(impact));
  if (found.length === 0) return;
  const lines = found.flatMap(({ id, impact, help, nodes }) => [
    `${impact}: ${help} (${id})`,
    ...nodes.slice(0, 5).map(({ html, failureSummary }) => `  ${html}\n    ${failureSummary?.replaceAll("\n", "\n    ")}`),
  ]);
  throw new Error(`${page.url()} cannot be used by everybody:\n${lines.join("\n")}`);
}
