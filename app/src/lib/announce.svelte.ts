// What screen readers are told besides what is seen.

import { untrack } from "svelte";

/** What was said so long ago is not said again where it is shown anew: milliseconds. */
const OLD = 5_000;

class Announcer {
  #text = $state("");
  #count = $state(0);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** What was said last, for a while. The same text is said again when the count changes. */
  get last(): { readonly text: string; readonly count: number } {
    return { text: this.#text, count: this.#count };
  }

  say(text: string): void {
    this.#text = text;
    // Who says it in an effect does not depend on what others say.
    untrack(() => (this.#count += 1));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#text = ""), OLD);
  }
}

export const announcer = new Announcer();

/** Has screen readers say it as soon as they are silent. */
export function announce(text: string): void {
  announcer.say(text);
}
