import { DispatchError, type Models } from "@dispatch/client";
import { flushSync } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { commands } from "../../lib/commands.svelte";
import { router } from "../../lib/router.svelte";
import { toasts } from "../../lib/toasts.svelte";
import { type Rendered, click, press, render, settled, type } from "../../surfaces/testing.svelte";
import type { ConversationView } from "../view";
import Header from "./Header.svelte";
import { FakeView, gate, turn } from "./testing.svelte";

const fake = vi.hoisted(() => ({ server: { workspace: {} as object, link: { state: "open" } } }));

vi.mock("../../lib/server.svelte", () => fake);

const OFFERED: Models = { models: ["a/large"], modelInfo: { "a/large": { contextWindow: 200_000 } } };

let view: FakeView;
let shown: Rendered<{ view: ConversationView; panelOpen?: boolean }>;

async function show() {
  shown = render(Header, { view, panelOpen: false });
  await settled();
}

const button = (label: string) => shown.get(`button[aria-label="${label}"]`);
const item = (label: string) => shown.all("[role=menuitem]").find(({ textContent }) => textContent!.trim() === label)!;

async function menu() {
  click(button("More about this conversation"));
  await settled();
}

beforeEach(() => {
  fake.server.workspace = { models: async () => OFFERED };
  view = new FakeView();
});

afterEach(async () => {
  await shown.done();
  for (const { id } of toasts.shown) toasts.close(id);
  router.go({ view: "new" });
});

describe("the title", () => {
  test("is edited in its place, and saved with Enter, once", async () => {
    await show();
    expect(shown.text("h1")).toBe("A tour");
    click(button("Rename"));
    await settled();
    const input = shown.get<HTMLInputElement>("input");
    expect(input.value).toBe("A tour");
    type(input, "  Another tour ");
    press(input, "Enter");
    await settled();
    expect(view.asked).toEqual([["setTitle", "Another tour"]]);
    expect(shown.text("h1")).toBe("Another tour");
    expect(document.activeElement).toBe(button("Rename"));
  });

  test("is saved on leaving the field; Escape, nothing and the same change nothing", async () => {
    await show();
    for (const [value, key] of [["Another", "Escape"], [" ", "Enter"], ["A tour", "Enter"]] as const) {
      click(button("Rename"));
      await settled();
      type(shown.get<HTMLInputElement>("input"), value);
      press(shown.get("input"), key);
      await settled();
    }
    expect(view.asked).toEqual([]);

    click(button("Rename"));
    await settled();
    type(shown.get<HTMLInputElement>("input"), "Left");
    shown.get("input").dispatchEvent(new FocusEvent("blur"));
    await settled();
    expect(view.asked).toEqual([["setTitle", "Left"]]);
  });

  test("that cannot be saved stays as it was, and says why", async () => {
    await show();
    view.failure = new DispatchError("store-failed", "the disk is full");
    click(button("Rename"));
    await settled();
    type(shown.get<HTMLInputElement>("input"), "New");
    press(shown.get("input"), "Enter");
    await settled();
    expect(shown.text("h1")).toBe("A tour");
    expect(toasts.shown.map(({ text }) => text)).toEqual(["Could not rename the conversation: the disk is full."]);
  });

  test("is saved for the conversation that it was typed for", async () => {
    await show();
    click(button("Rename"));
    await settled();
    type(shown.get<HTMLInputElement>("input"), "Of the first");
    const other = new FakeView();
    [other.id, other.title] = ["c2", "The second"];
    shown.props.view = other;
    await settled();
    expect([view.asked, other.asked]).toEqual([[["setTitle", "Of the first"]], []]);
    expect([shown.text("h1"), shown.all("input").length]).toEqual(["The second", 0]);
  });

  test("of a conversation that is not there yet cannot be edited", async () => {
    [view.isEmpty, view.title] = [true, ""];
    await show();
    expect(shown.text("h1")).toBe("New conversation");
    expect(shown.all('[aria-label="Rename"]')).toEqual([]);
  });
});

test("what runs is said", async () => {
  await show();
  expect(shown.all("[role=status]")).toEqual([]);
  view.activeTurn = "t1";
  flushSync();
  expect(shown.text("[role=status]")).toBe("Working");
});

test("the context is shown as a part of what the model may have", async () => {
  await show();
  expect(shown.all("[role=meter]")).toEqual([]);
  view.model = "a/large";
  view.metrics = [turn("t1", { contextSize: 124_000 })];
  flushSync();
  const meter = shown.get("[role=meter]");
  expect(meter.getAttribute("aria-valuetext")).toBe("62 % of 200k tokens");
  expect([meter.getAttribute("aria-valuenow"), meter.getAttribute("aria-valuemax")]).toEqual(["124000", "200000"]);
  expect(meter.textContent!.replace(/\s+/g, " ").trim()).toBe("62 % of 200k");

  // The model that nobody chose is that of the last turn.
  view.model = null;
  view.metrics = [turn("t1", { contextSize: 20_000, model: "a/large" })];
  flushSync();
  expect(shown.get("[role=meter]").getAttribute("aria-valuetext")).toBe("10 % of 200k tokens");

  view.metrics = [turn("t1", { contextSize: 20_000, model: "b/unknown" })];
  flushSync();
  expect([shown.all("[role=meter]").length, shown.text(".meter")]).toEqual([0, "Context: 20k tokens"]);
});

test("the details are shown and hidden", async () => {
  await show();
  expect(button("Details").getAttribute("aria-pressed")).toBe("false");
  click(button("Details"));
  expect([button("Details").getAttribute("aria-pressed"), shown.props.panelOpen]).toEqual(["true", true]);
  commands.all.find(({ id }) => id === "conversation.panel")!.run();
  flushSync();
  expect(button("Details").getAttribute("aria-pressed")).toBe("false");
});

describe("compacting", () => {
  const dialog = () => shown.all("dialog");
  const confirm = () => shown.all("dialog button").find(({ textContent }) => textContent!.trim().startsWith("Compact"))!;

  async function ask() {
    await menu();
    click(item("Compact now…"));
    await settled();
  }

  test("is asked for first, takes its time, and says that it is done", async () => {
    await show();
    await ask();
    expect(view.asked).toEqual([]);
    const { shut, open } = gate();
    view.gate = shut;
    click(confirm());
    expect(view.asked).toEqual([["compact"]]);
    expect(shown.text(".row [role=status]")).toBe("Compacting");
    view.archive = "c1-archive";
    open();
    await settled();
    expect(shown.all(".row [role=status]")).toEqual([]);
    expect(toasts.shown[0]?.text).toBe("The conversation is compacted.");
    toasts.shown[0]!.action!.run();
    expect(router.route).toEqual({ view: "conversation", id: "c1-archive" });
  });

  test("is shown where it goes on, and nowhere else", async () => {
    await show();
    await ask();
    const { shut, open } = gate();
    view.gate = shut;
    click(confirm());
    const other = new FakeView();
    other.id = "c2";
    shown.props.view = other;
    await settled();
    expect([shown.all(".row [role=status]").length, dialog().length]).toEqual([0, 0]);
    shown.props.view = view;
    await settled();
    expect(shown.text(".row [role=status]")).toBe("Compacting");
    open();
    await settled();
    expect(shown.all(".row [role=status]")).toEqual([]);
  });

  test("that is refused says why, in its place", async () => {
    await show();
    await ask();
    view.failure = new DispatchError("compaction-refused", "the conversation is too short");
    click(confirm());
    await settled();
    expect(dialog()).toHaveLength(1);
    expect(shown.text("dialog [role=alert]")).toContain("The conversation is too short.");
  });

  test("is not offered while a turn runs, or where there is nothing", async () => {
    view.activeTurn = "t1";
    await show();
    await menu();
    expect((item("Compact now…") as HTMLButtonElement).disabled).toBe(true);
    expect(commands.all.some(({ id }) => id === "conversation.compact")).toBe(false);
    view.activeTurn = undefined;
    flushSync();
    expect((item("Compact now…") as HTMLButtonElement).disabled).toBe(false);
  });
});

test("the archive is one click away, where there is one", async () => {
  await show();
  await menu();
  expect(item("Show the archive")).toBeUndefined();
  view.archive = "c0";
  flushSync();
  click(item("Show the archive"));
  expect(router.route).toEqual({ view: "conversation", id: "c0" });
});

test("the link is copied", async () => {
  const writeText = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
  await show();
  await menu();
  click(item("Copy the link"));
  await settled();
  expect(writeText).toHaveBeenCalledWith(`${location.origin}/c/c1`);
  expect(toasts.shown.map(({ text }) => text)).toEqual(["The link is copied."]);
  writeText.mockRestore();
});
