import { afterEach, beforeEach, expect, test } from "vitest";
import type { Route } from "../lib/router.svelte";
import { arrive, place, windowTitle } from "./arrive";

let main: HTMLElement;

beforeEach(() => {
  history.replaceState(null, "", "/usage");
  document.body.innerHTML = "<button>before</button><main tabindex='-1'></main>";
  main = document.querySelector("main")!;
});
afterEach(() => document.body.replaceChildren());

test("the focus goes to the heading", () => {
  main.innerHTML = "<h1>Usage</h1><button>more</button>";
  expect(arrive(main)).toBe(true);
  expect(document.activeElement?.textContent).toBe("Usage");
});

test("a view that is not there yet is waited for", () => {
  expect(arrive(main)).toBe(false);
});

test("somebody who goes on in the view is left alone", () => {
  main.innerHTML = "<h1>Usage</h1><input>";
  main.querySelector("input")?.focus();
  expect(arrive(main)).toBe(true);
  expect(document.activeElement?.tagName).toBe("INPUT");
});

test("in a new conversation one writes", () => {
  history.replaceState(null, "", "/");
  main.innerHTML = "<h1>New</h1><textarea data-composer></textarea>";
  arrive(main);
  expect(document.activeElement?.tagName).toBe("TEXTAREA");
});

test("a part of a view is no other place", () => {
  const isSame = (one: Route, other: Route) => place(one) === place(other);
  expect([
    isSame({ view: "usage" }, { view: "usage", part: "days=7" }),
    isSame({ view: "conversation", id: "a" }, { view: "conversation", id: "b" }),
  ]).toEqual([true, false]);
});

test("every view has a title", () => {
  const titles = ([
    { view: "new" },
    { view: "conversation", id: "a" },
    { view: "realtime" },
    { view: "watch", token: "t" },
    { view: "unknown", path: "/x" },
  ] satisfies Route[]).map((route) => windowTitle(route, "A tour"));
  expect(titles).toEqual([
    "Dispatch",
    "A tour – Dispatch",
    "Realtime – Dispatch",
    "Watch – Dispatch",
    "Not found – Dispatch",
  ]);
  expect(windowTitle({ view: "conversation", id: "a" })).toBe("Conversation – Dispatch");
});
