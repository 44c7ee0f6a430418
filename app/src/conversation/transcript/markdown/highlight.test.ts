import { expect, test } from "vitest";
import { highlighted, highlightedBefore } from "./highlight.js";

test("code is coloured by its language, and its text stays as it is", async () => {
  const text = 'const a = "<b>" && 1; // & more';
  const html = await highlighted(text, "ts");
  expect(html).toContain("hljs-keyword");
  const element = document.createElement("code");
  element.innerHTML = html!;
  expect(element.textContent).toBe(text);
  expect(element.querySelector("b")).toBeNull();
  expect(highlightedBefore(text, "ts")).toBe(html);
});

test.each(["rust", "python", "sh", "shell", "json", "yaml", "toml", "html", "svelte", "diff", "js", "tsx", "c++"])(
  "%s is known",
  async (language) => {
    expect(await highlighted("a = 1", language)).toBeDefined();
  },
);

test("other languages, none, and very long code are left as they are", async () => {
  expect(await highlighted("a", "brainfuck")).toBeUndefined();
  expect(await highlighted("a", "")).toBeUndefined();
  expect(await highlighted("a ".repeat(40_000), "js")).toBeUndefined();
});
