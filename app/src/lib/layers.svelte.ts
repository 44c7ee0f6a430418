// What lies above the app and has all of it for itself: a dialog, a drawer. Below the topmost nothing is seen, heard or pressed.

import { untrack } from "svelte";

class Layers {
  #all = $state.raw<readonly object[]>([]);

  /** The topmost; none if the app itself is. Reactive. */
  get top(): object | undefined {
    return this.#all.at(-1);
  }

  /** Puts one on top, until the returned function is called. */
  add(layer: object): () => void {
    untrack(() => (this.#all = [...this.#all, layer]));
    return () => untrack(() => (this.#all = this.#all.filter((other) => other !== layer)));
  }
}

export const layers = new Layers();
