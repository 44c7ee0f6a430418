import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { SUGGESTIONS, names, toggled } from "./vocabulary";

test("suggestions are added and taken away", () => {
  expect(toggled("", "warm")).toBe("warm");
  expect(toggled("a city at night", "warm")).toBe("a city at night, warm");
  expect(toggled("Sketch, warm,", "neon")).toBe("Sketch, warm, neon");
  expect(toggled("Sketch, warm", "sketch")).toBe("warm");
  expect(toggled("warm", "warm")).toBe("");
});

test("a suggestion is named by a phrase of its own, not by a part of one", () => {
  expect(names("a warm city", "warm")).toBe(false);
  expect(names("city, WARM ", "warm")).toBe(true);
});

test("all suggestions are in the vocabulary", () => {
  const documented = readFileSync("../docs/restyle.md", "utf8");
  expect(SUGGESTIONS.filter((word) => !documented.includes(`\n| \`${word}\``))).toEqual([]);
});
