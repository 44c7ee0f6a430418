import { beforeEach, expect, test } from "vitest";
import { Tabs } from "./tabs.svelte";

beforeEach(forget);

function forget(): void {
  localStorage.clear();
  sessionStorage.clear();
}

function opened(...ids: readonly string[]): Tabs {
  const tabs = new Tabs();
  for (const id of ids) tabs.open(id);
  return tabs;
}

test("tabs open once, at the end, and outlive the page", () => {
  opened("a", "b", "a");
  expect(new Tabs().ids).toEqual(["a", "b"]);
});

test("each window has its own, and a new one begins with those of the last", () => {
  const first = opened("a", "b");
  const ofFirst = sessionStorage.getItem("dispatch.tabs")!;
  sessionStorage.clear();
  const second = new Tabs();
  expect(second.ids).toEqual(["a", "b"]);
  second.close("a");
  second.open("c");
  expect(first.ids).toEqual(["a", "b"]);
  sessionStorage.setItem("dispatch.tabs", ofFirst);
  expect(new Tabs().ids).toEqual(["a", "b"]);
});

test("the neighbour takes the place of one that is closed", () => {
  const tabs = opened("a", "b", "c");
  expect(tabs.close("b")).toBe("c");
  expect(tabs.close("c")).toBe("a");
  expect(tabs.close("x")).toBeUndefined();
  expect(tabs.close("a")).toBeUndefined();
  expect(new Tabs().ids).toEqual([]);
});

test("tabs move, and stop at the ends", () => {
  const tabs = opened("a", "b", "c");
  tabs.move("a", 1);
  expect(tabs.ids).toEqual(["b", "a", "c"]);
  tabs.move("c", 1);
  tabs.move("b", -1);
  tabs.move("x", 1);
  expect(tabs.ids).toEqual(["b", "a", "c"]);
  tabs.move("c", -2);
  expect(new Tabs().ids).toEqual(["c", "b", "a"]);
});

test("the next one is found around the ends", () => {
  const tabs = opened("a", "b", "c");
  expect([tabs.beside("a", 1), tabs.beside("c", 1), tabs.beside("a", -1), tabs.beside(undefined, 1), tabs.beside("x", -1)]).toEqual([
    "b",
    "a",
    "c",
    "a",
    "c",
  ]);
  expect(new Tabs().beside("b", 1)).toBe("c");
  forget();
  expect(new Tabs().beside(undefined, 1)).toBeUndefined();
});

test("the first of too many goes", () => {
  const tabs = opened(...Array.from({ length: 35 }, (_, index) => `c${index}`));
  expect([tabs.ids.length, tabs.ids[0], tabs.ids.at(-1)]).toEqual([30, "c5", "c34"]);
});

test("what was kept may be anything", () => {
  for (const kept of ["{", "null", '{"a":1}', "7"]) {
    sessionStorage.setItem("dispatch.tabs", kept);
    expect(new Tabs().ids).toEqual([]);
  }
  sessionStorage.setItem("dispatch.tabs", '["a",1,"","a","b"]');
  expect(new Tabs().ids).toEqual(["a", "b"]);
});
