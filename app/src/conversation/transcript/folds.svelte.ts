// What is folded out. It stays so when it is scrolled away and back, and when its turn is written.

import { SvelteMap } from "svelte/reactivity";

const open = new SvelteMap<string, boolean>();

/** Whether it is folded out. Reactive. */
export function isOpen(key: string, byDefault = false): boolean {
  return open.get(key) ?? byDefault;
}

export function setOpen(key: string, value: boolean): void {
  open.set(key, value);
}
