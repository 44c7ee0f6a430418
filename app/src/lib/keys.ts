// Keys of commands: what they mean, how they are written for people, and which command a key press does.

import type { Command } from "./commands.svelte";

/** How long the second key of a sequence is waited for, in milliseconds. */
const PATIENCE = 1_200;

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

interface Press {
  readonly key: string;
  readonly mod: boolean;
  readonly alt: boolean;
  /** Nothing is said of it where the key itself says it: `?`. */
  readonly shift: boolean | undefined;
}

/** Which keys were pressed: `Mod+Shift+O`, `Escape`, `G U`. */
export function presses(keys: string): readonly Press[] {
  return keys.split(" ").map((text) => {
    const parts = text === "+" ? ["+"] : text.split(/\+(?=.)/);
    const key = normal(parts.at(-1) ?? "");
    const has = (name: string) => parts.slice(0, -1).includes(name);
    return { key, mod: has("Mod"), alt: has("Alt"), shift: isSymbol(key) ? undefined : has("Shift") };
  });
}

/** Whether that is what was pressed. */
export function matches(press: Press, event: KeyboardEvent): boolean {
  const mod = isMac ? event.metaKey : event.ctrlKey;
  const other = isMac ? event.ctrlKey : event.metaKey;
  return (
    !other &&
    mod === press.mod &&
    event.altKey === press.alt &&
    (press.shift === undefined || event.shiftKey === press.shift) &&
    pressed(event) === press.key
  );
}

/** For people, as this system writes them: `Ctrl+K` or `⌘K`. */
export function shown(keys: string): string {
  return steps(keys)
    .map((parts) => parts.join(isMac ? "" : "+"))
    .join(" ");
}

/** As `shown`, each key by itself. */
export function steps(keys: string): readonly (readonly string[])[] {
  return keys.split(" ").map((press) => {
    const parts = press.split(/\+(?=.)/).map((part) => NAMES[part] ?? part);
    // What is typed with Shift in any case is not said twice.
    return isSymbol(press.at(-1)!.toLowerCase()) ? parts.filter((part) => part !== NAMES["Shift"]) : parts;
  });
}

const MAC_NAMES = { Mod: "⌘", Alt: "⌥", Shift: "⇧", Enter: "↩", PageUp: "Page ↑", PageDown: "Page ↓" };
const OTHER_NAMES = { Mod: "Ctrl", PageUp: "Page Up", PageDown: "Page Down" };
const NAMES: Readonly<Record<string, string>> = {
  Shift: "Shift",
  Escape: "Esc",
  ArrowUp: "↑",
  ArrowDown: "↓",
  ...(isMac ? MAC_NAMES : OTHER_NAMES),
};

/** Finds the command of each key press, also of sequences. */
export class KeyMap {
  #first: { readonly event: KeyboardEvent; readonly at: number } | undefined;
  /** The place of the key that has done something last. */
  #done = "";

  /** Whether that is a key that has done something and is still held. */
  isHeld(event: KeyboardEvent): boolean {
    if (!event.repeat) this.#done = "";
    return event.repeat && event.code !== "" && event.code === this.#done;
  }

  /** What is to be done, if anything. `isTyping`: then single keys belong to the text. */
  find(event: KeyboardEvent, commands: readonly Command[], isTyping: boolean): Command | undefined {
    if (event.isComposing || event.repeat || MODIFIERS.has(event.key)) return undefined;
    const first = this.#first && event.timeStamp - this.#first.at < PATIENCE ? this.#first.event : undefined;
    this.#first = undefined;
    if (isTyping && belongsToText(event)) return undefined;
    const keyed = commands.flatMap((command) => (command.keys ? [{ command, keys: presses(command.keys) }] : []));
    // The newest wins: views come after the shell.
    const found =
      (first && keyed.findLast(({ keys }) => keys.length === 2 && matches(keys[0]!, first) && matches(keys[1]!, event))) ??
      keyed.findLast(({ keys }) => keys.length === 1 && matches(keys[0]!, event));
    if (!found && keyed.some(({ keys }) => keys.length === 2 && matches(keys[0]!, event))) {
      this.#first = { event, at: event.timeStamp };
    }
    if (found) this.#done = event.code;
    return found?.command;
  }
}

const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta"]);

function belongsToText(event: KeyboardEvent): boolean {
  // With Alt Gr, which is Control and Alt on some systems, and with Alt on a Mac characters are typed as well.
  const isThird = event.getModifierState("AltGraph") || (isMac && event.altKey && !event.metaKey && !event.ctrlKey);
  const types = event.key.length === 1 && isThird;
  return types || (!event.metaKey && !event.ctrlKey && !event.altKey && event.key !== "Escape");
}

/** Whether what has the focus takes text. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "range", "submit"].includes(target.type);
}

/** What is on the key, in lower case: on layouts without Latin letters, and with Alt on a Mac, that is not what it types. */
function pressed(event: KeyboardEvent): string {
  const isLatin = event.key.length > 1 || /^[\x20-\x7e]$/.test(event.key);
  if (isLatin && !(isMac && event.altKey)) return normal(event.key);
  return normal(/^(?:Key|Digit)(.)$/.exec(event.code)?.[1] ?? event.key);
}

function normal(key: string): string {
  return key.length === 1 ? key.toLowerCase() : key;
}

function isSymbol(key: string): boolean {
  return key.length === 1 && !/[a-z0-9]/.test(key);
}
