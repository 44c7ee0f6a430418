// The last sessions, with what they cost.

import type { SessionReceipt } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";

/** How many are listed. */
const SOME = 20;

/** For how long after its last connection a session can be gone on with, in milliseconds. */
const KEPT = 15 * 60_000;

export class Sessions {
  #state = $state<"loading" | "ready" | "failed">("loading");
  #all = $state.raw<readonly SessionReceipt[]>([]);
  #error = $state.raw<unknown>();
  #reading = 0;
  /** Whose they are: another key has others. */
  #owner: unknown;

  get state(): "loading" | "ready" | "failed" {
    return this.#state;
  }

  /** The newest first. What was read stays, while and when it cannot be read again. Reactive. */
  get all(): readonly SessionReceipt[] {
    return this.#all;
  }

  get error(): unknown {
    return this.#error;
  }

  async read(workspace: { readonly sessions: Pick<Workspace["sessions"], "list"> }): Promise<void> {
    this.#reading += 1;
    const reading = this.#reading;
    if (workspace !== this.#owner) {
      this.#owner = workspace;
      this.#all = [];
      this.#state = "loading";
    }
    try {
      const all = await workspace.sessions.list({ limit: SOME });
      if (reading !== this.#reading) return;
      this.#all = all;
      this.#state = "ready";
    } catch (error) {
      if (reading !== this.#reading) return;
      this.#error = error;
      this.#state = "failed";
    }
  }
}

/** When it began and, unless a connection is open, ended. Milliseconds since the Unix epoch. */
export function times({ connections, settled }: SessionReceipt): { readonly began: number; readonly ended: number | undefined } {
  return { began: connections[0]?.openedAt ?? 0, ended: settled ? connections.at(-1)?.endedAt : undefined };
}

/** Whether it can be gone on with, at a time in milliseconds since the Unix epoch. */
export function isResumable(receipt: SessionReceipt, now: number): boolean {
  const { ended } = times(receipt);
  return ended !== undefined && receipt.reason !== "deleted_by_operator" && now < ended + KEPT;
}

/** Whether it is that session: sessions are known by the ids of all their connections. */
export function isOf(receipt: SessionReceipt, id: string | undefined): boolean {
  return id !== undefined && (receipt.session === id || receipt.connections.some(({ connection }) => connection === id));
}
