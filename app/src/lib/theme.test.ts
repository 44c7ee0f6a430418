import { afterEach, beforeEach, expect, test } from "vitest";
import { ThemeSetting } from "./theme.svelte";

const root = document.documentElement;

beforeEach(() => {
  localStorage.clear();
  const bar = (look: string) => `<meta name="theme-color" media="(prefers-color-scheme: ${look})" content="">`;
  document.head.innerHTML = bar("light") + bar("dark");
});
afterEach(() => document.head.replaceChildren());

const grounds = () => [...document.querySelectorAll<HTMLMetaElement>("meta")].map(({ content }) => content);

test("the system decides as long as nobody chose", () => {
  const theme = new ThemeSetting();
  expect([theme.current, root.dataset["theme"], grounds()]).toEqual(["system", undefined, ["#f7f7f5", "#16181b"]]);
});

test("what was chosen holds for the page, the browser's bars, and the next time", () => {
  new ThemeSetting().current = "dark";
  expect([root.dataset["theme"], grounds()]).toEqual(["dark", ["#16181b", "#16181b"]]);
  const next = new ThemeSetting();
  expect(next.current).toBe("dark");
  next.current = "system";
  expect([root.dataset["theme"], localStorage.length]).toEqual([undefined, 0]);
});

test("another tab's choice is taken over", () => {
  const theme = new ThemeSetting();
  localStorage.setItem("dispatch.theme", "light");
  dispatchEvent(new StorageEvent("storage", { key: "dispatch.theme" }));
  expect([theme.current, root.dataset["theme"]]).toEqual(["light", "light"]);
});

test("what was kept may be anything", () => {
  localStorage.setItem("dispatch.theme", "purple");
  expect(new ThemeSetting().current).toBe("system");
});
