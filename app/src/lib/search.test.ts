import { expect, test } from "vitest";
import { find } from "./search";

const best = (query: string, ...texts: readonly string[]) =>
  texts
    .flatMap((text) => {
      const found = find(query, text);
      return found ? [{ text, score: found.score }] : [];
    })
    .sort((a, b) => b.score - a.score)
    .map(({ text }) => text);

test("finds words wherever they are, and says where", () => {
  expect(find("conv", "New conversation")?.at).toEqual([4, 5, 6, 7]);
  expect(find("conv new", "New conversation")?.at).toEqual([0, 1, 2, 4, 5, 6, 7]);
  expect(find("CONV", "New conversation")).toBeDefined();
});

test("finds the beginnings of words", () => {
  expect(find("nc", "New conversation")?.at).toEqual([0, 4]);
  expect(find("neco", "New conversation")?.at).toEqual([0, 1, 4, 5]);
  expect(find("ew", "New conversation")?.at).toEqual([1, 2]);
});

test("finds nothing that is not there", () => {
  expect(find("nvz", "New conversation")).toBeUndefined();
  expect(find("new zebra", "New conversation")).toBeUndefined();
  // Letters from the midst of words would find nearly everything.
  expect(find("nos", "New conversation")).toBeUndefined();
});

test("everything is found by nothing", () => {
  expect(find("  ", "New conversation")?.at).toEqual([]);
});

test("prefers beginnings, then short texts", () => {
  expect(best("set", "Reset the theme", "Settings", "Offset")).toEqual(["Settings", "Offset", "Reset the theme"]);
  expect(best("key", "Enter a key", "Keys", "Keyboard shortcuts")).toEqual(["Keys", "Keyboard shortcuts", "Enter a key"]);
});
