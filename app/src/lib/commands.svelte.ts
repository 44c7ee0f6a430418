// What can be done right now: the palette lists it, and keys do it. Views say what they can do for as long as they are shown.

import { untrack } from "svelte";

/** Something that can be done. */
export interface Command {
  /** Unique. */
  readonly id: string;
  /** For people, as an imperative: "New conversation". */
  readonly title: string;
  /** What it is listed under: "Conversation", "Go to". */
  readonly group: string;
  /**
   * Keys, as `Mod+K` (Mod is ⌘ on a Mac, else Ctrl), `Shift+?`, `Escape`, or two after one another: `G U`. Keys without Mod,
   * Ctrl or Alt do nothing while something is typed, except Escape.
   */
  readonly keys?: string;
  /** More words to find it by. */
  readonly words?: string;
  /** Whether it can be done now; it can if nothing is said. */
  readonly when?: () => boolean;
  readonly run: () => void;
}

class Commands {
  #groups = $state.raw<readonly (readonly Command[])[]>([]);

  /** All that can be done now. Reactive. */
  get all(): readonly Command[] {
    return this.#groups.flat().filter(({ when }) => when?.() ?? true);
  }

  /** Adds commands until the returned function is called: `onMount(() => commands.add(…))`. */
  add(...added: readonly Command[]): () => void {
    // Whoever adds some in an effect does not depend on what others add.
    untrack(() => (this.#groups = [...this.#groups, added]));
    return () => untrack(() => (this.#groups = this.#groups.filter((group) => group !== added)));
  }
}

export const commands = new Commands();
