import { DispatchError, type Models } from "@dispatch/client";
import { flushSync } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { commands } from "../../lib/commands.svelte";
import { toasts } from "../../lib/toasts.svelte";
import { type Rendered, click, press, render, settled, type } from "../../surfaces/testing.svelte";
import type { ConversationView } from "../view";
import Composer from "./Composer.svelte";
import { draftOf } from "./drafts.svelte";
import { models } from "./models.svelte";
import { FakeView, gate } from "./testing.svelte";

const fake = vi.hoisted(() => ({ server: { workspace: {} as object, link: { state: "open" } } }));

vi.mock("../../lib/server.svelte", () => fake);

const OFFERED: Models = {
  models: ["a/large", "a/blind", ...Array.from({ length: 8 }, (_, index) => `b/model-${index}`)],
  modelInfo: { "a/large": { contextWindow: 200_000, vision: true }, "a/blind": { vision: false } },
};

/** Whether the device has a keyboard of its own. */
function has(keyboard: boolean) {
  vi.stubGlobal("matchMedia", (media: string) => ({
    matches: media.includes("coarse") && !keyboard,
    media,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }));
}

let view: FakeView;
let shown: Rendered<{ view: ConversationView; autofocus?: boolean | undefined }>;
let count = 0;

async function show(more: { readonly autofocus?: boolean } = {}) {
  shown = render(Composer, { view, ...more });
  await settled();
}

const field = () => shown.get<HTMLTextAreaElement>("textarea");
const button = (label: string) => shown.get<HTMLButtonElement>(`button[aria-label="${label}"]`);
const hint = () => shown.text(`#${field().getAttribute("aria-describedby")}`);
const run = (id: string) => commands.all.find((command) => command.id === id)?.run();

beforeEach(() => {
  has(true);
  sessionStorage.clear();
  fake.server.workspace = { models: async () => OFFERED };
  fake.server.link = { state: "open" };
  view = new FakeView();
  // Drafts outlive views.
  view.id = `c${(count += 1)}`;
});

afterEach(async () => {
  await shown.done();
  for (const { id } of toasts.shown) toasts.close(id);
  vi.unstubAllGlobals();
});

describe("a message", () => {
  test("is sent with Enter, and the field is empty for the next", async () => {
    await show();
    expect(button("Send").disabled).toBe(true);
    type(field(), "hello");
    expect(button("Send").disabled).toBe(false);
    expect(press(field(), "Enter").defaultPrevented).toBe(true);
    await settled();
    expect(view.asked).toEqual([["send", "hello", []]]);
    expect(field().value).toBe("");
  });

  test("gets a line with Shift+Enter, and is left alone while an input method composes", async () => {
    await show();
    type(field(), "hello");
    for (const more of [{ shiftKey: true }, { altKey: true }, { isComposing: true }, { keyCode: 229 }]) {
      expect(press(field(), "Enter", more).defaultPrevented).toBe(false);
    }
    await settled();
    expect(view.asked).toEqual([]);
    press(field(), "Enter", { ctrlKey: true });
    expect(view.asked).toHaveLength(1);
  });

  test("gets a line with Enter where keys are on the screen: the button sends", async () => {
    has(false);
    await show();
    type(field(), "hello");
    expect(press(field(), "Enter").defaultPrevented).toBe(false);
    expect(field().getAttribute("enterkeyhint")).toBe("enter");
    click(button("Send"));
    expect(view.asked).toEqual([["send", "hello", []]]);
  });

  test("that could not be sent is there again, with the reason and what to do", async () => {
    await show();
    view.failure = new DispatchError("unreachable", "the server cannot be reached");
    type(field(), "hello");
    press(field(), "Enter");
    await settled();
    expect(field().value).toBe("hello");
    expect(shown.text("[role=alert]")).toMatch(/^Not sent The server cannot be reached\. Check that the server runs/);

    press(field(), "Enter");
    await settled();
    expect([view.asked.length, field().value, shown.all("[role=alert]").length]).toEqual([2, "", 0]);
  });

  test("that could not be sent while the next was begun can be put back", async () => {
    await show();
    const { shut, open } = gate();
    [view.gate, view.failure] = [shut, new DispatchError("unreachable", "the server cannot be reached")];
    type(field(), "one");
    press(field(), "Enter");
    type(field(), "two");
    expect(button("Send").getAttribute("aria-busy")).toBe("true");
    open();
    await settled();
    expect(shown.text("[role=alert]")).toContain("The message before was not sent");
    click(shown.all("[role=alert] button").find(({ textContent }) => textContent!.trim() === "Put it back")!);
    expect([field().value, shown.all("[role=alert]").length]).toEqual(["one\n\ntwo", 0]);
  });

  test("is kept for each conversation", async () => {
    await show();
    type(field(), "for the first");
    const other = new FakeView();
    other.id = `${view.id}-other`;
    shown.props.view = other;
    flushSync();
    expect(field().value).toBe("");
    type(field(), "for the second");
    shown.props.view = view;
    flushSync();
    expect(field().value).toBe("for the first");
    expect(draftOf(other.id).text).toBe("for the second");
  });

  test("can be begun at once", async () => {
    await show({ autofocus: true });
    expect(document.activeElement).toBe(field());
  });
});

describe("while a turn runs", () => {
  test("it says what becomes of a message, and the turn can be stopped", async () => {
    await show();
    expect(hint()).toBe("Enter sends, Shift+Enter begins a line.");
    expect(shown.all('[aria-label="Stop the turn"]')).toEqual([]);
    view.activeTurn = "t1";
    flushSync();
    expect(hint()).toMatch(/^It reaches the running turn after its next tool results, or starts the next turn\./);
    click(button("Stop the turn"));
    await settled();
    expect(view.asked).toEqual([["stop"]]);
    expect(button("Stop the turn").getAttribute("aria-busy")).toBe("true");
    view.activeTurn = undefined;
    flushSync();
    expect(shown.all('[aria-label="Stop the turn"]')).toEqual([]);
  });

  test("Escape twice stops it, unless something else takes the key", async () => {
    view.activeTurn = "t1";
    await show();
    document.body.insertAdjacentHTML("beforeend", '<div role="menu" id="open"></div>');
    press(field(), "Escape");
    document.getElementById("open")!.remove();
    press(field(), "Escape");
    expect([hint(), view.asked.length]).toEqual(["Press Escape again to stop the turn.", 0]);
    press(field(), "Escape", { repeat: true });
    expect(view.asked).toEqual([]);
    press(field(), "Escape");
    expect(view.asked).toEqual([["stop"]]);
  });

  test("it can be stopped by a command, which is there only then", async () => {
    await show();
    expect(commands.all.some(({ id }) => id === "conversation.stop")).toBe(false);
    view.activeTurn = "t1";
    flushSync();
    expect(commands.all.find(({ id }) => id === "conversation.stop")?.keys).toBe("Mod+.");
    run("conversation.stop");
    expect(view.asked).toEqual([["stop"]]);
  });
});

describe("what waits", () => {
  const queue = [
    { id: "q1", text: "and the tests", queuedAt: 1 },
    { id: "q2", text: "and the docs", queuedAt: 2 },
  ];

  test("is shown, and each can be cancelled", async () => {
    view.queue = queue;
    await show();
    expect(shown.all(".waiting li .text").map(({ textContent }) => textContent)).toEqual(["and the tests", "and the docs"]);
    expect(shown.text(".waiting p")).toBe("2 messages waiting");
    click(shown.all('[aria-label="Cancel the message"]')[1]!);
    await settled();
    expect(view.asked).toEqual([["cancelQueued", "q2"]]);
    expect(shown.all(".waiting li")).toHaveLength(1);
    expect(document.activeElement).toBe(field());
  });

  test("can be taken back into the text", async () => {
    view.queue = queue;
    await show();
    type(field(), "also");
    click(shown.all('[aria-label="Take back into the composer"]')[0]!);
    await settled();
    expect(field().value).toBe("and the tests\n\nalso");
  });

  test("is not taken back if the turn has it already", async () => {
    view.queue = queue;
    view.isQueued = false;
    await show();
    click(shown.all('[aria-label="Take back into the composer"]')[0]!);
    await settled();
    expect(field().value).toBe("");
    expect(toasts.shown.map(({ text }) => text)).toEqual(["The message was taken in already."]);
  });

  test("stays where it is when it cannot be cancelled", async () => {
    view.queue = queue;
    await show();
    view.failure = new DispatchError("unreachable", "the server cannot be reached");
    click(shown.all('[aria-label="Cancel the message"]')[0]!);
    await settled();
    expect(shown.all(".waiting li")).toHaveLength(2);
    expect(toasts.shown.map(({ text }) => text)).toEqual(["Could not cancel the message: the server cannot be reached."]);
  });
});

describe("images", () => {
  const png = () => new File([new Uint8Array(4)], "a.png", { type: "image/png" });

  /** As if that was pasted or dropped. */
  function give(event: "paste" | "drop", files: readonly File[], types: readonly string[] = ["Files"]): Event {
    const given = new Event(event, { bubbles: true, cancelable: true });
    Object.assign(given, { [event === "paste" ? "clipboardData" : "dataTransfer"]: { files, types } });
    field().dispatchEvent(given);
    flushSync();
    return given;
  }

  test("are pasted, shown, removed, and sent", async () => {
    await show();
    expect(give("paste", [png(), png()]).defaultPrevented).toBe(true);
    await expect.poll(() => shown.all("img").length).toBe(2);
    expect(hint()).toBe("Write something that goes with the images.");
    expect(button("Send").disabled).toBe(true);
    click(button("Remove a.png"));
    expect(shown.all("img")).toHaveLength(1);

    type(field(), "look");
    press(field(), "Enter");
    await settled();
    expect(view.asked).toEqual([["send", "look", [{ url: "data:image/png;base64,AAAAAA==", mimeType: "image/png" }]]]);
    expect(shown.all("img")).toEqual([]);
  });

  test("are dropped; other files are refused by name", async () => {
    await show();
    give("drop", [new File(["x"], "notes.txt", { type: "text/plain" }), png()]);
    await expect.poll(() => shown.all("img").length).toBe(1);
    expect(shown.text("[role=status]:has(.words)")).toContain("notes.txt is not a PNG, JPEG, GIF or WebP image.");
  });

  test("that office programs add to a text are left out", async () => {
    await show();
    expect(give("paste", [png()], ["text/plain", "text/html", "Files"]).defaultPrevented).toBe(false);
    await settled();
    expect(shown.all("img")).toEqual([]);
  });

  test("are not for models that cannot see", async () => {
    view.model = "a/blind";
    await show();
    await expect.poll(() => models.state).toBe("ready");
    flushSync();
    expect(shown.all('[aria-label="Attach images"]')).toEqual([]);
    give("paste", [png()]);
    await settled();
    expect(shown.text()).toContain("This model does not take images. Choose another model to send them.");
    expect(shown.all("img")).toEqual([]);
  });

  test("keep a message from a model that was chosen meanwhile and cannot see", async () => {
    await show();
    give("paste", [png()]);
    await expect.poll(() => shown.all("img").length).toBe(1);
    type(field(), "look");
    expect(button("Send").disabled).toBe(false);
    view.model = "a/blind";
    flushSync();
    expect(button("Send").disabled).toBe(true);
    expect(shown.text()).toContain("This model does not take images. Remove them, or choose another model.");
    press(field(), "Enter");
    expect(view.asked).toEqual([]);
  });
});

test("a message with images waits for the end of the turn, and says so before", async () => {
  const picture = { id: "1", name: "a.png", mimeType: "image/png", size: 4, url: "data:image/png;base64,AAAAAA==" };
  await show();
  draftOf(view.id).attach([picture]);
  type(field(), "look");
  view.activeTurn = "t1";
  flushSync();
  expect(button("Send").disabled).toBe(true);
  expect(shown.text("[role=status]:has(.words)")).toContain("Images cannot be added to a turn that runs.");
  press(field(), "Enter");
  await settled();
  expect([view.asked, field().value, shown.all("img").length]).toEqual([[], "look", 1]);

  view.activeTurn = undefined;
  flushSync();
  expect(shown.all("[role=status]:has(.words)")).toEqual([]);
  press(field(), "Enter");
  await settled();
  expect(view.asked).toMatchObject([["send", "look", [{ url: picture.url }]]]);
});

describe("the model", () => {
  const anchor = () => shown.get('[aria-haspopup="listbox"]');
  const options = () => shown.all("[role=option]").map(({ id, textContent }) => ({ id, text: textContent!.trim() }));

  test("is chosen from a list that can be searched, by keys alone", async () => {
    await show();
    await expect.poll(() => models.state).toBe("ready");
    expect(anchor().getAttribute("aria-label")).toBe("Model: Default model");
    press(anchor(), "ArrowDown");
    await settled();
    const search = shown.get<HTMLInputElement>("[role=combobox]");
    expect(document.activeElement).toBe(search);
    expect(options()).toHaveLength(11);

    type(search, "b model");
    expect(options()).toHaveLength(8);
    press(search, "ArrowDown");
    press(search, "ArrowUp");
    press(search, "ArrowUp");
    expect(search.getAttribute("aria-activedescendant")).toBe(options()[7]!.id);
    press(search, "Enter");
    await settled();
    expect(view.asked).toEqual([["setModel", "b/model-7"]]);
    expect([anchor().getAttribute("aria-expanded"), anchor().textContent!.trim()]).toEqual(["false", "model-7"]);
    expect(document.activeElement).toBe(anchor());
  });

  test("stays as it is with Escape, which does not count for the turn", async () => {
    view.activeTurn = "t1";
    await show();
    click(anchor());
    await settled();
    press(shown.get("[role=combobox]"), "Escape");
    await settled();
    expect([shown.all("[role=listbox]").length, view.asked.length]).toEqual([0, 0]);
    expect(hint()).not.toContain("Press Escape again");
  });

  test("says so when it cannot be set", async () => {
    await show();
    await expect.poll(() => models.state).toBe("ready");
    view.failure = new DispatchError("unknown-model", "no credential serves it");
    click(anchor());
    await settled();
    click(shown.all("[role=option]")[1]!);
    await settled();
    expect(view.model).toBeNull();
    expect(toasts.shown.map(({ text }) => text)).toEqual(["Could not set the model: no credential serves it."]);
  });
});

describe("the effort", () => {
  const select = () => shown.get<HTMLSelectElement>("select");

  test("is high where nobody chose one, and can be set", async () => {
    await show();
    expect(select().value).toBe("high");
    expect([...select().options].map(({ value }) => value)).toEqual(["low", "medium", "high", "xhigh", "max"]);
    select().value = "max";
    select().dispatchEvent(new Event("change", { bubbles: true }));
    await settled();
    expect(view.effort).toBe("max");
    run("conversation.effort.low");
    await settled();
    expect([view.effort, select().value]).toEqual(["low", "low"]);
  });

  test("goes back when it cannot be set", async () => {
    await show();
    view.failure = new DispatchError("store-failed", "the disk is full");
    select().value = "max";
    select().dispatchEvent(new Event("change", { bubbles: true }));
    await settled();
    expect([select().value, toasts.shown[0]?.text]).toEqual(["high", "Could not set the effort: the disk is full."]);
  });
});

describe("the working directory", () => {
  const anchor = () => shown.get('[aria-haspopup="dialog"]');
  const input = () => shown.get<HTMLInputElement>("dialog input");
  const save = () => {
    shown.get("form").dispatchEvent(new Event("submit", { cancelable: true }));
    return settled();
  };

  test("is the server's own until it is set, and again when it is emptied", async () => {
    await show();
    expect(anchor().getAttribute("aria-label")).toBe("Working directory: Server's folder");
    click(anchor());
    await settled();
    expect(input().value).toBe("");
    type(input(), " /srv/project ");
    await save();
    expect(view.asked).toEqual([["setCwd", "/srv/project"]]);
    expect(anchor().textContent!.trim()).toBe("project");

    click(anchor());
    await settled();
    expect(input().value).toBe("/srv/project");
    type(input(), "");
    await save();
    expect(view.asked[1]).toEqual(["setCwd", null]);
  });

  test("is explained at its field when it is refused", async () => {
    await show();
    click(anchor());
    await settled();
    view.failure = new DispatchError("invalid-request", "there is no directory of that name");
    type(input(), "/none");
    await save();
    expect(input().getAttribute("aria-invalid")).toBe("true");
    expect(shown.text("dialog [role=alert]")).toBe("There is no directory of that name.");
    expect(input().value).toBe("/none");
  });
});

test("a connection that is lost is said", async () => {
  fake.server.link = { state: "waiting" };
  await show();
  expect(hint()).toBe("Not connected. What you write is kept.");
});

test("what it offers is gone with it", async () => {
  await show();
  expect(commands.all.some(({ id }) => id.startsWith("conversation."))).toBe(true);
  await shown.done();
  expect(commands.all.filter(({ id }) => id.startsWith("conversation."))).toEqual([]);
  await show();
});
