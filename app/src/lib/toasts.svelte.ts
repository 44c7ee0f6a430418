// Short messages about what was done, in a corner.

import { explain } from "./errors";

export type Tone = "plain" | "good" | "warn" | "bad";

export interface Toast {
  readonly id: number;
  readonly text: string;
  /** What to do, if something went wrong. */
  readonly hint?: string | undefined;
  readonly tone: Tone;
  readonly action?: { readonly label: string; readonly run: () => void } | undefined;
}

/** How long a message stays, in milliseconds: longer if something can be done. What went wrong stays until it is closed. */
const STAYS = 6_000;
const STAYS_WITH_ACTION = 15_000;

/** How many there are at most. */
const MOST = 4;

export class Toasts {
  #shown = $state.raw<readonly Toast[]>([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #isHeld = false;

  /** Oldest first. Reactive. */
  get shown(): readonly Toast[] {
    return this.#shown;
  }

  say(text: string, { tone = "plain", action, hint }: Partial<Pick<Toast, "tone" | "action" | "hint">> = {}): void {
    // The same again takes the place of the first one.
    for (const same of this.#shown) if (same.text === text) this.close(same.id);
    const toast = { id: this.#next++, text, tone, action, hint };
    this.#shown = [...this.#shown, toast];
    for (const old of this.#shown.slice(0, -MOST)) this.close(old.id);
    this.#time(toast);
  }

  /** Says that something could not be done: `toasts.fail(error, "stop the turn")`. */
  fail(error: unknown, doing: string): void {
    const { text, hint } = explain(error);
    this.say(`Could not ${doing}: ${inside(text)}`, { tone: "bad", hint });
  }

  close(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#shown = this.#shown.filter((toast) => toast.id !== id);
  }

  /** While they are read they stay. */
  hold(): void {
    this.#isHeld = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    for (const toast of this.#shown) this.#time(toast);
  }

  #time({ id, tone, action }: Toast): void {
    if (this.#isHeld || tone === "bad") return;
    this.#timers.set(
      id,
      setTimeout(() => this.close(id), action ? STAYS_WITH_ACTION : STAYS),
    );
  }
}

/** Without the capital letter of its beginning, unless more of it is in capitals. */
function inside(text: string): string {
  return /^[A-Z][a-z ]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}

export const toasts = new Toasts();
