import { afterEach, expect, test, vi } from "vitest";
import { draftId, forgetDraftId } from "./drafted.js";

afterEach(() => vi.restoreAllMocks());

test("a conversation that is to be begun has the same id until it is", () => {
  const id = draftId();
  expect(sessionStorage.getItem("dispatch.new")).toBe(id);
  forgetDraftId("another");
  expect(draftId()).toBe(id);
  forgetDraftId(id);
  expect(sessionStorage.getItem("dispatch.new")).toBeNull();
  expect(draftId()).not.toBe(id);
});

test("it has one also where the browser keeps nothing", () => {
  forgetDraftId(draftId());
  vi.spyOn(globalThis, "sessionStorage", "get").mockImplementation(() => {
    throw new DOMException("no", "SecurityError");
  });
  expect(() => sessionStorage).toThrow();
  const id = draftId();
  expect(draftId()).toBe(id);
  forgetDraftId(id);
  expect(draftId()).not.toBe(id);
});
