import { DispatchError } from "@dispatch/client";
import { expect, test } from "vitest";
import { notice } from "./link";

const error = new DispatchError("unreachable", "the server cannot be reached");
const waiting = { state: "waiting", until: 10_000, attempt: 3, error } as const;

test("says nothing while all is well", () => {
  expect(notice({ state: "open" }, true, 0)).toBeUndefined();
});

test("says when it is tried again, in whole seconds", () => {
  const said = [5_900, 6_000, 9_999, 10_000, 12_000].map((now) => notice(waiting, true, now)?.more);
  expect(said).toEqual([
    "Trying again in 5 s.",
    "Trying again in 4 s.",
    "Trying again in 1 s.",
    "Trying again.",
    "Trying again.",
  ]);
});

test("says why there is none, also while it is tried again", () => {
  const text = "The server cannot be reached.";
  expect(notice(waiting, true, 0)).toMatchObject({ text, tone: "warn", action: "retry" });
  expect(notice({ state: "connecting", error }, true, 0)).toMatchObject({ text, more: "Trying again.", action: "retry" });
  expect(notice({ state: "connecting" }, true, 0)).toEqual({ text: "Connecting…", tone: "plain" });
});

test("says that the device is offline only when the connection is lost", () => {
  expect(notice(waiting, false, 0)?.text).toMatch(/offline/);
  expect(notice({ state: "open" }, false, 0)).toBeUndefined();
});

test("asks for a key where one is missing, and says other refusals as they are", () => {
  const unauthorized = new DispatchError("unauthorized", "a key is required", { status: 401 });
  const forbidden = new DispatchError("forbidden-origin", "this host is not allowed", { status: 403 });
  expect(notice({ state: "refused", error: unauthorized }, true, 0)).toMatchObject({ action: "key" });
  expect(notice({ state: "refused", error: forbidden }, true, 0)).toMatchObject({
    action: "retry",
    text: expect.stringMatching(/^This host is not allowed\. Open the app under an address/),
  });
});
