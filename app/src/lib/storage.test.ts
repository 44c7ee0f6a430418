import { afterEach, expect, test, vi } from "vitest";
import { local, session } from "./storage";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  localStorage.clear();
});

test("what is kept is there, until it is removed", () => {
  expect(local.set("a", "1")).toBe(true);
  expect([local.get("a"), session.get("a")]).toEqual(["1", undefined]);
  local.remove("a");
  expect(local.get("a")).toBeUndefined();
});

test("a browser that is full says so", () => {
  const full = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  vi.stubGlobal("localStorage", { setItem: full, getItem: () => null });
  expect([local.set("a", "1"), local.get("a")]).toEqual([false, undefined]);
});

test("a browser that keeps nothing is no reason to fail", () => {
  const keptOut = {
    get: () => {
      throw new DOMException("no", "SecurityError");
    },
    configurable: true,
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage");
  Object.defineProperty(globalThis, "sessionStorage", keptOut);
  expect([session.set("a", "1"), session.get("a"), session.remove("a")]).toEqual([false, undefined, undefined]);
  if (before) Object.defineProperty(globalThis, "sessionStorage", before);
});
