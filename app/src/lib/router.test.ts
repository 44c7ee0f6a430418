import { beforeEach, expect, test } from "vitest";
import { type Route, address, parse, router } from "./router.svelte";

beforeEach(() => router.go({ view: "new" }));

test("every view has an address, and every address its view", () => {
  const routes: readonly Route[] = [
    { view: "new" },
    { view: "conversation", id: "3f/ä 2" },
    { view: "realtime" },
    { view: "watch", token: "to#ken/%" },
    { view: "usage" },
    { view: "usage", part: "days=7&key=key_1" },
    { view: "keys" },
    { view: "settings" },
    { view: "unknown", path: "/nowhere/at/all" },
  ];
  for (const route of routes) {
    const url = new URL(address(route), "http://localhost");
    expect(parse(url.pathname, url.hash)).toEqual(route);
  }
});

test("what is no address of the app is unknown", () => {
  for (const path of ["/c", "/c/", "/c/a/b", "/watch", "/keys/1", "/settings/", "//"]) {
    expect(parse(path)).toEqual({ view: "unknown", path });
  }
  expect(parse("/c/%E0%A4%A")).toEqual({ view: "conversation", id: "%E0%A4%A" });
});

test("goes to views, and back", async () => {
  router.go({ view: "usage" });
  router.go({ view: "keys" });
  expect([router.route.view, location.pathname]).toEqual(["keys", "/keys"]);
  router.go({ view: "settings" }, { replace: true });
  expect([router.route.view, location.pathname]).toEqual(["settings", "/settings"]);
});

test("a guard can say no", () => {
  router.go({ view: "realtime" });
  const asked: Route[] = [];
  const leave = router.guard((to) => asked.push(to) > 99);
  router.go({ view: "usage" });
  expect([router.route.view, location.pathname, asked]).toEqual(["realtime", "/realtime", [{ view: "usage" }]]);

  // The browser has gone back already: the address is put right.
  history.pushState(null, "", "/keys");
  dispatchEvent(new PopStateEvent("popstate"));
  expect([router.route.view, location.pathname]).toEqual(["realtime", "/realtime"]);

  leave();
  router.go({ view: "usage" });
  expect(router.route.view).toBe("usage");
});
