import type { ConversationMeta } from "@dispatch/client";
import { expect, test } from "vitest";
import type { Command } from "../lib/commands.svelte";
import { offered, pieces } from "./palette";

const command = (id: string, title: string, words?: string): Command => ({
  id,
  title,
  group: "App",
  run: () => undefined,
  ...(words && { words }),
});
const meta = (id: string, title: string): ConversationMeta => ({ id, title, status: "idle", createdAt: 1, lastActivityAt: 1 });

const COMMANDS = [
  command("palette", "Show all commands"),
  command("usage", "Usage", "cost tokens"),
  command("theme.dark", "Use the dark theme", "colour"),
  command("tab.next", "Next tab"),
];
const CONVERSATIONS = Array.from({ length: 9 }, (_, index) => meta(`id-${index}`, `Conversation ${index}`));

const titles = (query: string, conversations = CONVERSATIONS) => offered(query, COMMANDS, conversations).map(({ title }) => title);

test("offers what was last active, and all that can be done but itself", () => {
  expect(titles("  ")).toEqual([
    "Conversation 0",
    "Conversation 1",
    "Conversation 2",
    "Conversation 3",
    "Conversation 4",
    "Usage",
    "Use the dark theme",
    "Next tab",
  ]);
});

test("finds commands by their titles, then by other words", () => {
  expect(titles("use", [])).toEqual(["Use the dark theme"]);
  expect(titles("us", [])).toEqual(["Usage", "Use the dark theme"]);
  expect(titles("cost", [])).toEqual(["Usage"]);
  expect(titles("zzz", [])).toEqual([]);
});

test("finds conversations by their titles and ids, after commands that are as good", () => {
  expect(titles("conversation 7")).toEqual(["Conversation 7"]);
  expect(titles("id-3")).toEqual(["Conversation 3"]);
  expect(titles("next", [meta("x", "Next tab of the parser")])).toEqual(["Next tab", "Next tab of the parser"]);
});

test("no choice is there twice, and there are not too many", () => {
  const many = Array.from({ length: 2_000 }, (_, index) => meta(`id-${index}`, "The same title"));
  const choices = offered("same", COMMANDS, many);
  expect([choices.length, new Set(choices.map(({ id }) => id)).size]).toEqual([50, 50]);
});

test("what was found can be marked", () => {
  expect(pieces("New conversation", [0, 4, 5])).toEqual([
    { text: "N", isFound: true },
    { text: "ew ", isFound: false },
    { text: "co", isFound: true },
    { text: "nversation", isFound: false },
  ]);
  expect(pieces("", [])).toEqual([]);
});
