import { beforeEach, expect, test } from "vitest";
import { toasts } from "../lib/toasts.svelte";
import { Defects } from "./defects";

beforeEach(() => {
  for (const { id } of toasts.shown) toasts.close(id);
});

test("says once what nobody caught", () => {
  const defects = new Defects();
  for (let n = 0; n < 3; n += 1) defects.tell(new TypeError("x is undefined"));
  defects.tell("something else");
  expect(toasts.shown).toMatchObject([{ hint: expect.stringContaining("something else"), tone: "bad" }]);
  for (const { id } of toasts.shown) toasts.close(id);
  defects.tell(new TypeError("x is undefined"));
  expect(toasts.shown).toEqual([]);
});

test("passes over what is none", () => {
  const defects = new Defects();
  defects.tell(new DOMException("The operation was aborted.", "AbortError"));
  defects.tell(new DOMException("left", "AbortError"));
  defects.tell(new Error("ResizeObserver loop completed with undelivered notifications."));
  expect(toasts.shown).toEqual([]);
});
