import { DispatchError } from "@dispatch/client";
import { expect, test } from "vitest";
import { notice } from "./link";

const waiting = { state: "waiting", until: 10_000, attempt: 3 } as const;

test("says nothing while all is well", () => {
  expect(notice({ state: "open" }, true, 0)).toBeUndefined();
});

test("says when it is tried again, in whole seconds", () => {
  const texts = [5_900, 6_000, 9_999, 10_000, 12_000].map((now) => notice(waiting, true, now)?.text);
  expect(texts).toEqual([
    "The server cannot be reached. Trying again in 5 s.",
    "The server cannot be reached. Trying again in 4 s.",
    "The server cannot be reached. Trying again in 1 s.",
    "The server cannot be reached. Trying again.",
    "The server cannot be reached. Trying again.",
  ]);
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
