import { createRawSnippet, flushSync, mount, tick, unmount } from "svelte";
import { afterEach, expect, test, vi } from "vitest";
import { announce } from "../lib/announce.svelte";
import { toasts } from "../lib/toasts.svelte";
import Button from "./Button.svelte";
import Dialog from "./Dialog.svelte";
import Field from "./Field.svelte";
import Menu from "./Menu.svelte";
import Messages from "./Messages.svelte";

const mounted: object[] = [];

afterEach(async () => {
  for (const { id } of toasts.shown) toasts.close(id);
  for (const one of mounted.splice(0)) await unmount(one);
  document.body.replaceChildren();
});

const shown: typeof mount = (component, options) => {
  const one = mount(component, options);
  mounted.push(one as object);
  flushSync();
  return one;
};
const html = (text: string) => createRawSnippet(() => ({ render: () => text }));
const find = <T extends HTMLElement>(selector: string) => document.querySelector<T>(selector)!;
const press = (key: string) => {
  document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  flushSync();
};

test("a button that is busy keeps the focus and does nothing", () => {
  const onclick = vi.fn();
  shown(Button, { target: document.body, props: { onclick, busy: true, type: "submit", children: html("<span>Save</span>") } });
  const button = find<HTMLButtonElement>("button");
  button.focus();
  button.click();
  expect([onclick.mock.calls.length, document.activeElement === button, button.disabled, button.getAttribute("aria-busy")]).toEqual([
    0,
    true,
    false,
    "true",
  ]);
});

test("a button without a text has a name", () => {
  shown(Button, { target: document.body, props: { icon: "close", label: "Close" } });
  expect([find("button").getAttribute("aria-label"), find("button").title]).toEqual(["Close", "Close"]);
});

test("a field binds its label, hint and error to its control", () => {
  const children = createRawSnippet<[{ id: string; describedby: string | undefined; invalid: true | undefined }]>((given) => ({
    render: () => `<input id="${given().id}" aria-describedby="${given().describedby ?? ""}" aria-invalid="${given().invalid ?? ""}" />`,
  }));
  shown(Field, { target: document.body, props: { label: "Name", hint: "Any.", error: "It is empty.", children } });
  const input = find<HTMLInputElement>("input");
  const described = input.getAttribute("aria-describedby")!.split(" ").map((id) => document.getElementById(id)?.textContent);
  expect([find<HTMLLabelElement>("label").htmlFor === input.id, described, input.getAttribute("aria-invalid")]).toEqual([
    true,
    ["Any.", "It is empty."],
    "true",
  ]);
});

test("a dialog takes the focus to its first field, and says when it is closed", async () => {
  const onclose = vi.fn();
  shown(Dialog, { target: document.body, props: { open: true, title: "Rename", onclose, children: html("<input />") } });
  const dialog = find<HTMLDialogElement>("dialog");
  expect([dialog.open, document.activeElement?.tagName]).toEqual([true, "INPUT"]);
  find("button[aria-label=Close]").click();
  await tick();
  flushSync();
  expect([onclose.mock.calls.length, document.querySelector("dialog")]).toEqual([1, null]);
});

test("messages are where they can be seen and heard: in the topmost dialog, else in the page", async () => {
  shown(Messages, { target: document.body, props: { base: true } });
  const where = () => {
    flushSync();
    const told = [...document.querySelectorAll("[data-testid=toast], [data-testid=announced] p")];
    return told.map((element) => [element.closest("dialog")?.querySelector("h2")?.textContent ?? "page", element.textContent?.trim()]);
  };
  toasts.say("Saved.");
  announce("It is done.");
  const all = (place: string) => [
    [place, "Saved."],
    [place, "It is done."],
  ];
  expect(where()).toEqual(all("page"));
  shown(Dialog, { target: document.body, props: { open: true, title: "First", children: html("<p></p>") } });
  expect(where()).toEqual(all("First"));
  const second = shown(Dialog, { target: document.body, props: { open: true, title: "Second", children: html("<p></p>") } });
  expect(where()).toEqual(all("Second"));
  await unmount(mounted.splice(mounted.indexOf(second as object), 1)[0]!);
  expect(where()).toEqual(all("First"));
  find("dialog button[aria-label=Close]").click();
  await tick();
  expect(where()).toEqual(all("page"));
});

test("a dialog whose opener is gone gives the focus to what is left around it", async () => {
  document.body.innerHTML = "<ul><li><button>One</button></li><li><button>Two</button></li></ul>";
  find("button").focus();
  shown(Dialog, { target: document.body, props: { open: true, title: "Delete", children: html("<input />") } });
  expect(document.activeElement?.tagName).toBe("INPUT");
  find("li").remove();
  find("dialog button[aria-label=Close]").click();
  await tick();
  flushSync();
  expect(document.activeElement?.textContent).toBe("Two");
});

test("a locked dialog has no button to close it, and does not close by a request", () => {
  shown(Dialog, { target: document.body, props: { open: true, title: "The secret", locked: true, children: html("<p>dsp_1</p>") } });
  expect(document.querySelector("button[aria-label=Close]")).toBeNull();
  const request = new Event("cancel", { cancelable: true });
  find("dialog").dispatchEvent(request);
  expect(request.defaultPrevented).toBe(true);
});

const RUN = { first: vi.fn(), second: vi.fn() };
const ITEMS = [
  { label: "Rename", run: RUN.first },
  { label: "Not now", run: vi.fn(), disabled: true },
  { label: "Delete", run: RUN.second, danger: true },
];

async function opened(): Promise<HTMLElement> {
  shown(Menu, { target: document.body, props: { label: "More", items: ITEMS } });
  find("button").click();
  await tick();
  await tick();
  return find("button");
}
const focused = () => document.activeElement?.textContent?.trim();

test("a menu is walked with the arrows, past what is disabled and around the ends", async () => {
  await opened();
  const walked = [focused()];
  for (const key of ["ArrowDown", "ArrowDown", "ArrowUp", "Home", "End", "r"]) {
    press(key);
    walked.push(focused());
  }
  expect(walked).toEqual(["Rename", "Delete", "Rename", "Delete", "Rename", "Delete", "Rename"]);
});

test("a menu gives the focus back, and runs what was chosen", async () => {
  const button = await opened();
  expect(button.getAttribute("aria-expanded")).toBe("true");
  press("Escape");
  expect([document.activeElement === button, document.querySelector("[role=menu]"), button.getAttribute("aria-expanded")]).toEqual([
    true,
    null,
    "false",
  ]);
  button.click();
  await tick();
  await tick();
  find<HTMLElement>("[role=menuitem]:last-child").click();
  flushSync();
  expect([RUN.second.mock.calls.length, document.activeElement === button]).toEqual([1, true]);
});
