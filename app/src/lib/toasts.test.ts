import { DispatchError } from "@dispatch/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Toasts } from "./toasts.svelte";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const texts = (toasts: Toasts) => toasts.shown.map(({ text }) => text);

test("messages go by themselves, those with something to do later", () => {
  const toasts = new Toasts();
  toasts.say("Saved.");
  toasts.say("Closed.", { action: { label: "Show", run: () => undefined } });
  vi.advanceTimersByTime(7_000);
  expect(texts(toasts)).toEqual(["Closed."]);
  vi.advanceTimersByTime(9_000);
  expect(texts(toasts)).toEqual([]);
});

test("what went wrong stays, with what to do", () => {
  const toasts = new Toasts();
  toasts.fail(new DispatchError("unreachable", "the server cannot be reached"), "stop the turn");
  vi.advanceTimersByTime(600_000);
  expect(toasts.shown).toMatchObject([
    {
      text: "Could not stop the turn: the server cannot be reached.",
      hint: expect.stringContaining("Check that the server runs"),
      tone: "bad",
    },
  ]);
  toasts.close(toasts.shown[0]!.id);
  expect(toasts.shown).toEqual([]);
});

test("capitals that belong to a word stay", () => {
  const toasts = new Toasts();
  toasts.fail(new Error("I/O error"), "read it");
  toasts.fail(new Error("MCP is off"), "read it");
  expect(texts(toasts)).toEqual(["Could not read it: I/O error.", "Could not read it: MCP is off."]);
});

test("the same again does not pile up, and the oldest of too many goes", () => {
  const toasts = new Toasts();
  toasts.say("One.");
  toasts.say("Two.");
  toasts.say("One.");
  expect(texts(toasts)).toEqual(["Two.", "One."]);
  for (const text of ["Three.", "Four.", "Five."]) toasts.say(text);
  expect(texts(toasts)).toEqual(["One.", "Three.", "Four.", "Five."]);
});

test("while they are read they stay", () => {
  const toasts = new Toasts();
  toasts.say("One.");
  toasts.hold();
  toasts.say("Two.");
  vi.advanceTimersByTime(60_000);
  expect(texts(toasts)).toEqual(["One.", "Two."]);
  toasts.release();
  vi.advanceTimersByTime(7_000);
  expect(texts(toasts)).toEqual([]);
});
