// What is folded out. It stays so when it is scrolled away and back, and when its turn is written.

import { getContext, setContext } from "svelte";
import { SvelteMap } from "svelte/reactivity";

export interface Folds {
  /** Whether it is folded out. Reactive. */
  isOpen(key: string, byDefault?: boolean): boolean;
  setOpen(key: string, value: boolean): void;
}

const open = new SvelteMap<string, boolean>();
const FOLDS = Symbol("folds");

/** Gives all that is shown within its folds. In another transcript the same keys are those of other things. */
export function provideFolds(transcript: () => string): void {
  const named = (key: string) => `${transcript()} ${key}`;
  const folds: Folds = {
    isOpen: (key, byDefault = false) => open.get(named(key)) ?? byDefault,
    setOpen: (key, value) => void open.set(named(key), value),
  };
  setContext(FOLDS, folds);
}

/** Those of the transcript that it is shown in. */
export function folds(): Folds {
  return getContext(FOLDS);
}
