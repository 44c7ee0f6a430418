import type { ConversationMeta } from "@dispatch/client";
import { expect, test } from "vitest";
import { listed } from "./rows";

const meta = (id: string, status: ConversationMeta["status"]): ConversationMeta => {
  return { id, status, title: id, createdAt: 1, lastActivityAt: 1 };
};
const ids = (all: readonly ConversationMeta[], showsClosed: boolean) =>
  listed(all, showsClosed).map((row) => (row.kind === "fold" ? `${row.count} closed` : row.meta.id));

const ALL = [meta("a", "active"), meta("b", "closed"), meta("c", "idle"), meta("d", "closed")];

test("closed ones are below a fold", () => {
  expect([ids(ALL, false), ids(ALL, true)]).toEqual([
    ["a", "c", "2 closed"],
    ["a", "c", "2 closed", "b", "d"],
  ]);
});

test("without closed ones there is no fold", () => {
  expect([ids([meta("a", "idle")], true), ids([], true)]).toEqual([["a"], []]);
});
