// A transcript as a page shows it, and as the log has it, so that they can be compared.

import type { Page } from "playwright-core";
import type { World } from "../world.js";

/** One thing in a transcript: what it is, and what it says, or for a tool what it is called with. */
export type Line = readonly [kind: string, text: string];

interface Logged {
  readonly role: string;
  readonly steering?: true;
  readonly chunk: { readonly type: string; readonly text?: string; readonly message?: string; readonly input?: unknown };
}

/** So tall that all of a short transcript is in the window: what is out of sight may not be in the document. */
export const TALL = 6_000;

const plain = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

/** What a page shows, from the top. */
export async function shown(page: Page): Promise<readonly Line[]> {
  const items = await page.locator("[data-item]").evaluateAll((items) =>
    items.map((item) => [item.getAttribute("data-item") ?? "", item.textContent ?? ""] as const),
  );
  return items.map(([kind, text]): Line => [kind, said(kind) ? plain(text) : ""]);
}

/** What the log has, as a page has to show it. */
export async function logged(world: World, id: string): Promise<readonly Line[]> {
  const { chunks } = await world.ask<{ chunks: Logged[] }>("GET", `/conversations/${id}?extensions=true`);
  return chunks.flatMap(lines);
}

/** The same of what the command line prints: a chunk a line. */
export const printed = (output: string): readonly Line[] =>
  output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Logged)
    .flatMap(lines);

function lines({ role, steering, chunk }: Logged): readonly Line[] {
  switch (chunk.type) {
    case "text":
      return [[role === "user" ? (steering ? "steering" : "user") : "text", plain(chunk.text ?? "")]];
    case "tool-call":
      return [["tool", ""]];
    // Shown with its call.
    case "tool-result":
      return [];
    default:
      return [[chunk.type, ""]];
  }
}

/** Kinds whose text is compared word by word: others are folded, or say it in words of their own. */
const said = (kind: string): boolean => ["user", "steering", "text"].includes(kind);
