// What nobody caught: said once, however often it happens.

import { toasts } from "../lib/toasts.svelte";

/** What browsers call errors, and is none: nothing is lost by it. */
const HARMLESS = /ResizeObserver loop|AbortError|The operation was aborted/;

export class Defects {
  readonly #told = new Set<string>();

  tell(error: unknown): void {
    const text = error instanceof Error ? error.message || error.name : String(error);
    const isHarmless = HARMLESS.test(text) || (error instanceof DOMException && error.name === "AbortError");
    if (isHarmless || this.#told.has(text)) return;
    this.#told.add(text);
    toasts.say("Something went wrong in this page.", {
      tone: "bad",
      hint: `If it does not work as it should, reload it. What happened: ${text}`,
      action: { label: "Reload", run: () => location.reload() },
    });
  }
}
