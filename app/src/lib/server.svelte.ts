// The server that the app belongs to: the one that it came from.

import { type LinkState, type Workspace, createWorkspace } from "@dispatch/client/workspace";
import { local, session } from "./storage";

const KEY = "dispatch.key";

class Server {
  #key = $state(session.get(KEY) ?? local.get(KEY));
  #link = $state.raw<LinkState>({ state: "connecting" });
  #workspace: Workspace = $state.raw(this.#made());
  #leave: (() => void) | undefined;

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

  /** Uses that key from now on: in this tab, or on this device. None: without one. Fails if no key has such characters. */
  use(key: string | undefined, { remember = false }: { readonly remember?: boolean } = {}): void {
    const workspace = workspaceWith(key);
    for (const storage of [session, local]) storage.remove(KEY);
    if (key !== undefined) (remember ? local : session).set(KEY, key);
    this.#key = key;
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
    ...(key !== undefined && { apiKey: key }),
  });
}

export const server = new Server();
