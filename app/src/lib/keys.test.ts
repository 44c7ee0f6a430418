import { afterEach, expect, test, vi } from "vitest";
import type { Command } from "./commands.svelte";
import { KeyMap, isTyping, shown, steps } from "./keys";

afterEach(() => void vi.unstubAllGlobals());

const command = (id: string, keys?: string): Command => {
  const rest = { title: id, group: "Test", run: () => undefined };
  return { id, ...rest, ...(keys && { keys }) };
};

const COMMANDS = [
  command("palette", "Mod+K"),
  command("new", "Mod+Shift+O"),
  command("stop", "Mod+."),
  command("help", "Shift+?"),
  command("write", "/"),
  command("leave", "Escape"),
  command("usage", "G U"),
  command("keys", "G K"),
  command("next", "Alt+PageDown"),
  command("none"),
];

/** Presses keys one after another, and says what each did. */
function press(
  presses: readonly (KeyboardEventInit & { readonly at?: number })[],
  typing = false,
  commands = COMMANDS,
): (string | undefined)[] {
  const map = new KeyMap();
  let now = 0;
  return presses.map(({ at, ...init }) => {
    const event = new KeyboardEvent("keydown", init);
    Object.defineProperty(event, "timeStamp", { value: at ?? (now += 100) });
    return map.find(event, commands, typing)?.id;
  });
}

test("single keys and combinations", () => {
  const ctrl = { ctrlKey: true };
  expect(
    press([
      { key: "k", ...ctrl },
      { key: "K", ...ctrl },
      { key: "O", ...ctrl, shiftKey: true },
      { key: "o", ...ctrl },
      { key: ".", ...ctrl },
      { key: "?", shiftKey: true },
      { key: "/" },
      { key: "Escape" },
      { key: "PageDown", altKey: true },
      { key: "k" },
      { key: "k", ...ctrl, altKey: true },
      { key: "k", metaKey: true },
    ]),
  ).toEqual(["palette", "palette", "new", undefined, "stop", "help", "write", "leave", "next", undefined, undefined, undefined]);
});

test("keys that need Shift on some layouts and not on others", () => {
  expect(press([{ key: "/", shiftKey: true }, { key: "?" }])).toEqual(["write", "help"]);
});

test("two keys after one another", () => {
  expect(press([{ key: "g" }, { key: "u" }])).toEqual([undefined, "usage"]);
  expect(press([{ key: "g" }, { key: "x" }, { key: "u" }])).toEqual([undefined, undefined, undefined]);
  expect(press([{ key: "g" }, { key: "Shift", shiftKey: true }, { key: "k" }])).toEqual([undefined, undefined, "keys"]);
  expect(press([{ key: "g" }, { key: "g" }, { key: "u" }])).toEqual([undefined, undefined, "usage"]);
});

test("the second key has to come soon", () => {
  expect(press([{ key: "g", at: 0 }, { key: "u", at: 1_300 }])).toEqual([undefined, undefined]);
});

test("a key that means something by itself still does so after the first of two", () => {
  expect(press([{ key: "g" }, { key: "/" }])).toEqual([undefined, "write"]);
});

test("what is typed belongs to the text", () => {
  expect(press([{ key: "/" }, { key: "g" }, { key: "u" }, { key: "?", shiftKey: true }], true)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  const others = [{ key: "k", ctrlKey: true }, { key: "Escape" }, { key: "PageDown", altKey: true }];
  expect(press(others, true)).toEqual(["palette", "leave", "next"]);
});

test("while an input method composes, and while a key is held, nothing is done", () => {
  expect(press([{ key: "Escape", isComposing: true }, { key: "k", ctrlKey: true, repeat: true }])).toEqual([undefined, undefined]);
});

test("on layouts without Latin letters the place of the key counts", () => {
  expect(press([{ key: "л", code: "KeyK", ctrlKey: true }, { key: "п", code: "KeyG" }, { key: "г", code: "KeyU" }])).toEqual([
    "palette",
    undefined,
    "usage",
  ]);
});

test("with Alt characters are typed on a Mac, and what has no character is a command", async () => {
  vi.stubGlobal("navigator", { platform: "MacIntel" });
  vi.resetModules();
  const { KeyMap } = await import("./keys");
  const commands = [command("close", "Alt+W"), command("next", "Alt+PageDown")];
  const found = (init: KeyboardEventInit, isTyping: boolean) =>
    new KeyMap().find(new KeyboardEvent("keydown", { altKey: true, ...init }), commands, isTyping)?.id;
  const sum = { key: "∑", code: "KeyW" };
  expect([found(sum, true), found(sum, false), found({ key: "PageDown" }, true)]).toEqual([undefined, "close", "next"]);
});

test("a key that has done something does nothing else while it is held", () => {
  const map = new KeyMap();
  const held = (init: KeyboardEventInit) => map.isHeld(new KeyboardEvent("keydown", init));
  const k = { key: "k", code: "KeyK" };
  expect(held({ ...k, ctrlKey: true })).toBe(false);
  map.find(new KeyboardEvent("keydown", { ...k, ctrlKey: true }), COMMANDS, false);
  expect([held({ ...k, ctrlKey: true, repeat: true }), held({ key: "j", code: "KeyJ", repeat: true })]).toEqual([true, false]);
  // What is pressed anew is something else.
  expect([held(k), held({ ...k, repeat: true })]).toEqual([false, false]);
});

test("the newest command wins", () => {
  expect(press([{ key: "Escape" }], false, [...COMMANDS, command("newer", "Escape")])).toEqual(["newer"]);
});

test("for people", () => {
  expect(["Mod+K", "Mod+Shift+O", "Shift+?", "G U", "Alt+PageDown", "Mod++"].map(shown)).toEqual([
    "Ctrl+K",
    "Ctrl+Shift+O",
    "?",
    "G U",
    "Alt+Page Down",
    "Ctrl++",
  ]);
  expect(steps("G U")).toEqual([["G"], ["U"]]);
});

test("what takes text", () => {
  const made = (html: string) => {
    document.body.innerHTML = html;
    return document.body.firstElementChild;
  };
  for (const html of ["<textarea></textarea>", "<input>", '<input type="search">', "<select></select>"]) {
    expect([html, isTyping(made(html))]).toEqual([html, true]);
  }
  for (const html of ['<input type="checkbox">', '<input type="range">', "<button></button>", "<a></a>"]) {
    expect([html, isTyping(made(html))]).toEqual([html, false]);
  }
});
