import { beforeEach, expect, test } from "vitest";
import { Server } from "./server.svelte";

const NAME = "dispatch.key";

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

/** Another tab of this browser has changed what is remembered. */
function elsewhere(key: string | null): void {
  if (key === null) localStorage.removeItem(NAME);
  else localStorage.setItem(NAME, key);
  dispatchEvent(new StorageEvent("storage", { key: NAME }));
}

test("a key is kept for this tab, or for all", () => {
  const server = new Server();
  expect(server.use("dsp_tab")).toBe(true);
  expect([sessionStorage.getItem(NAME), localStorage.getItem(NAME), server.hasKey]).toEqual(["dsp_tab", null, true]);
  server.use("dsp_all", { remember: true });
  expect([sessionStorage.getItem(NAME), localStorage.getItem(NAME)]).toEqual([null, "dsp_all"]);
  // What others remember is not this tab's to forget.
  server.use("dsp_tab");
  expect(localStorage.getItem(NAME)).toBe("dsp_all");
  server.forget();
  expect([sessionStorage.getItem(NAME), localStorage.getItem(NAME), server.hasKey]).toEqual([null, null, false]);
});

test("a key that another tab remembers, or forgets, is so here as well", () => {
  const server = new Server();
  const before = server.workspace;
  elsewhere("dsp_all");
  expect([server.hasKey, server.workspace === before]).toEqual([true, false]);
  elsewhere("no key has spaces");
  expect(server.hasKey).toBe(false);
  elsewhere("dsp_all");
  elsewhere(null);
  expect(server.hasKey).toBe(false);
});

test("who has a key for this tab alone keeps it", () => {
  const server = new Server();
  server.use("dsp_tab");
  const { workspace } = server;
  elsewhere("dsp_all");
  elsewhere(null);
  expect([server.hasKey, server.workspace === workspace]).toEqual([true, true]);
});
