// The server that the app belongs to: the one that it came from.

import { type LinkState, type Workspace, createWorkspace } from "@dispatch/client/workspace";
import { clock } from "./clock.svelte";
import { local, session } from "./storage";

const KEY = "dispatch.key";

export class Server {
  #key = $state(session.get(KEY) ?? local.get(KEY));
  #link = $state.raw<LinkState>({ state: "connecting" });
  #workspace: Workspace = $state.raw(this.#made());
  #leave: (() => void) | undefined;

  constructor() {
    // Another tab remembers another key, or forgets it. Who entered one for this tab alone keeps it.
    addEventListener("storage", ({ key }) => {
      if ((key !== KEY && key !== null) || session.get(KEY) !== undefined) return;
      const kept = local.get(KEY);
      if (kept !== this.#key) this.#take(kept);
    });
  }

  /** What everything is asked of. Another one after the key has changed. Reactive. */
  get workspace(): Workspace {
    return this.#workspace;
  }

  /** How the connection for live updates does. Reactive. */
  get link(): LinkState {
    return this.#link;
  }

  /** Whether there is a key that requests bring. Reactive. */
  get hasKey(): boolean {
    return this.#key !== undefined;
  }

  /** Begins to listen for live updates. Until then nothing is asked of the server. */
  connect(): void {
    if (!this.#leave) this.#listen();
  }

  /**
   * Uses that key from now on: in this tab, or in all tabs that have none of their own. Fails if no key has such characters.
   * Whether the browser keeps it, for a reload at least.
   */
  use(key: string, { remember = false }: { readonly remember?: boolean } = {}): boolean {
    const workspace = workspaceWith(key);
    if (remember) session.remove(KEY);
    const isKept = (remember ? local : session).set(KEY, key);
    this.#key = key;
    this.#change(workspace);
    return isKept;
  }

  /** Goes on without a key, on this device. */
  forget(): void {
    for (const storage of [session, local]) storage.remove(KEY);
    this.#take(undefined);
  }

  /** Goes on with the key that is kept, if it is one. */
  #take(kept: string | undefined): void {
    this.#key = kept;
    this.#change(this.#made());
  }

  #change(workspace: Workspace): void {
    this.#workspace = workspace;
    if (this.#leave) this.#listen();
  }

  #listen(): void {
    this.#leave?.();
    this.#link = this.#workspace.link;
    this.#leave = this.#workspace.on("link", (link) => (this.#link = link));
  }

  /** With the key that was kept, unless it is none at all. */
  #made(): Workspace {
    try {
      return workspaceWith(this.#key);
    } catch {
      this.#key = undefined;
      return workspaceWith(undefined);
    }
  }
}

/** All of this server, with that key. */
export function workspaceWith(key: string | undefined): Workspace {
  return createWorkspace({
    baseUrl: location.origin,
    reconnectFor: Infinity,
    fetch: async (...request) => clock.read(await fetch(...request)),
    ...(key !== undefined && { apiKey: key }),
  });
}

export const server = new Server();
