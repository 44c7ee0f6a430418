import { readFileSync } from "node:fs";
import { DispatchError } from "@dispatch/client";
import { expect, test } from "vitest";
import { explain, wantsKey } from "./errors";

test("says what happened and what to do", () => {
  expect(explain(new DispatchError("turn-active", "a turn is running in this conversation", { status: 409 }))).toEqual({
    text: "A turn is running in this conversation.",
    hint: "Queue the message, or stop the turn first.",
  });
});

test("what a session calls it goes before the kind of error", () => {
  const error = new DispatchError("server", "no credits left", { type: "insufficient_credits" });
  expect(explain(error).hint).toMatch(/add credits/);
});

test("a status alone says a little", () => {
  expect(explain(new DispatchError("http", "the server answered with status 502", { status: 502 })).hint).toMatch(/Try again/);
  expect(explain(new DispatchError("http", "the server answered with status 429", { status: 429 })).hint).toMatch(/Wait/);
  expect(explain(new DispatchError("http", "the server answered with status 418", { status: 418 }))).toEqual({
    text: "The server answered with status 418.",
  });
});

test("other errors are said as they are", () => {
  expect(explain(new TypeError("x is not a function"))).toEqual({ text: "X is not a function." });
  expect(explain(new Error(""))).toEqual({ text: "Error." });
  expect(explain("it broke!")).toEqual({ text: "It broke!" });
  expect(explain(undefined)).toEqual({ text: "Something went wrong." });
});

test("every error of the documentation is known, or says itself what to do", () => {
  const documented = readFileSync("../docs/errors.md", "utf8").split("## Of the command line")[0] ?? "";
  const codes = [...documented.matchAll(/^### `([^`]+)`/gm)].map(([, code]) => code ?? "");
  expect(codes.length).toBeGreaterThan(25);
  // Their messages name what has to be corrected, or they are this app's own mistakes.
  const selfExplaining = ["invalid-json", "invalid-request", "unknown-message", "action-failed", "compaction-refused", "warm-refused"];
  const unexplained = codes.filter((code) => !explain(new DispatchError(code, "it failed")).hint);
  expect(unexplained.sort()).toEqual(selfExplaining.sort());
});

test("a key is wanted where the server says so", () => {
  expect(wantsKey(new DispatchError("unauthorized", "no key", { status: 401 }))).toBe(true);
  expect(wantsKey(new DispatchError("http", "no key", { status: 401 }))).toBe(true);
  expect(wantsKey(new DispatchError("operator-only", "not you", { status: 403 }))).toBe(false);
  expect(wantsKey(new Error("unauthorized"))).toBe(false);
});
