import { expect, test } from "vitest";
import { insert, tagOf } from "./prompt";

test("a tag takes the place of what is selected", () => {
  expect(insert("You work in HERE.", 12, 16, tagOf({ type: "prompt", name: "cwd" }))).toEqual({
    text: "You work in [prompt:cwd].",
    from: 24,
    to: 24,
  });
});

test("what is still to be chosen is selected", () => {
  const { text, from, to } = insert("ab", 1, 1, "[file:PATH]", "PATH");
  expect([text, text.slice(from, to)]).toEqual(["a[file:PATH]b", "PATH"]);
});
