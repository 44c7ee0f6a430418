// The conversations that are open in this window, in the order of their tabs.

import { local, session } from "./storage";

const NAME = "dispatch.tabs";

/** More than these are no help: the one that was opened first goes. */
const MOST = 30;

export class Tabs {
  #ids = $state.raw<readonly string[]>(read());

  /** Reactive. */
  get ids(): readonly string[] {
    return this.#ids;
  }

  /** Opens one at the end, if it is not open. */
  open(id: string): void {
    if (this.#ids.includes(id)) return;
    this.#set([...this.#ids, id].slice(-MOST));
  }

  /** Closes one, and gives the one that takes its place: its right neighbour, else its left one. */
  close(id: string): string | undefined {
    const at = this.#ids.indexOf(id);
    if (at < 0) return undefined;
    this.#set(this.#ids.filter((other) => other !== id));
    return this.#ids[at] ?? this.#ids[at - 1];
  }

  /** Moves one by so many places. */
  move(id: string, by: number): void {
    const at = this.#ids.indexOf(id);
    const to = at + by;
    if (at < 0 || to < 0 || to >= this.#ids.length) return;
    const others = this.#ids.filter((other) => other !== id);
    this.#set([...others.slice(0, to), id, ...others.slice(to)]);
  }

  /** The one so many places after that one, around the end; the first or last one if that has no tab. */
  beside(id: string | undefined, by: 1 | -1): string | undefined {
    const at = id === undefined ? -1 : this.#ids.indexOf(id);
    if (at < 0) return this.#ids.at(by > 0 ? 0 : -1);
    return this.#ids.at((at + by) % this.#ids.length);
  }

  #set(ids: readonly string[]): void {
    this.#ids = ids;
    // Each window has its own. One that is opened later begins with those of the last one.
    for (const storage of [session, local]) storage.set(NAME, JSON.stringify(ids));
  }
}

function read(): readonly string[] {
  try {
    const ids: unknown = JSON.parse(session.get(NAME) ?? local.get(NAME) ?? "[]");
    const texts = Array.isArray(ids) ? ids.filter((id): id is string => typeof id === "string" && id !== "") : [];
    return [...new Set(texts)].slice(-MOST);
  } catch {
    return [];
  }
}

export const tabs = new Tabs();
