// What screen readers are told besides what is seen.

class Announcer {
  #text = $state("");
  #count = $state(0);

  /** What was said last. The same text is said again when the count changes. */
  get last(): { readonly text: string; readonly count: number } {
    return { text: this.#text, count: this.#count };
  }

  say(text: string): void {
    this.#text = text;
    this.#count += 1;
  }
}

export const announcer = new Announcer();

/** Has screen readers say it as soon as they are silent. */
export function announce(text: string): void {
  announcer.say(text);
}
