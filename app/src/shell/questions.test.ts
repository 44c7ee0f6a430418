import type { ConversationMeta } from "@dispatch/client";
import { DispatchError } from "@dispatch/client";
import { flushSync, mount, tick, unmount } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { conversations } from "../lib/conversations.svelte";
import { router } from "../lib/router.svelte";
import { toasts } from "../lib/toasts.svelte";
import Delete from "./Delete.svelte";
import Rename from "./Rename.svelte";
import { deleting, renaming } from "./actions.svelte";

const META: ConversationMeta = { id: "a", title: "The tour", status: "idle", createdAt: 1, lastActivityAt: 1 };

let mounted: object | undefined;

beforeEach(() => router.go({ view: "conversation", id: "a" }));

afterEach(async () => {
  if (mounted) await unmount(mounted);
  for (const { id } of toasts.shown) toasts.close(id);
  vi.restoreAllMocks();
});

/** A question is asked, and answered with the button of that name. The dialog is left before the server answers. */
async function leftAfter(name: string): Promise<void> {
  flushSync();
  const buttons = [...document.querySelectorAll<HTMLElement>("dialog button")];
  buttons.find(({ textContent }) => textContent?.trim() === name)!.click();
  document.querySelector("dialog")!.close();
  await tick();
  flushSync();
}

test("what is deleted is left, also when its dialog was left before", async () => {
  let done = () => {};
  vi.spyOn(conversations, "remove").mockReturnValue(new Promise((resolve) => (done = resolve)));
  mounted = mount(Delete, { target: document.body });
  deleting.ask(META);
  await leftAfter("Delete");
  expect([deleting.about, router.route.view]).toEqual([undefined, "conversation"]);
  done();
  await vi.waitFor(() => expect(router.route.view).toBe("new"));
  expect(toasts.shown).toMatchObject([{ text: "Deleted “The tour”." }]);
});

test("what could not be done is said where its dialog was left", async () => {
  let fail = (_: Error) => {};
  const failing = () => new Promise<void>((_, reject) => (fail = reject));
  vi.spyOn(conversations, "rename").mockImplementation(failing);
  mounted = mount(Rename, { target: document.body });
  renaming.ask(META);
  flushSync();
  const input = document.querySelector("input")!;
  input.value = "Another";
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await leftAfter("Rename");
  fail(new DispatchError("store-failed", "it could not be written"));
  await vi.waitFor(() =>
    expect(toasts.shown).toMatchObject([{ text: "Could not rename the conversation: it could not be written." }]),
  );
});
