// What a session has cost in the end, as the server has it.

import type { RealtimeClient, SessionReceipt } from "@dispatch/client";
import { type Problem, problemOf } from "./problems";

/** What became of the receipt. */
export type Settlement =
  | { readonly state: "none" }
  | { readonly state: "asked" }
  | { readonly state: "settled"; readonly receipt: SessionReceipt }
  /** The server did not give it. */
  | { readonly state: "missing"; readonly problem: Problem };

export class Settling {
  #now = $state.raw<Settlement>({ state: "none" });
  /** Whose receipt it is. */
  #client: Pick<RealtimeClient, "receipt"> | undefined;

  /** Reactive. */
  get now(): Settlement {
    return this.#now;
  }

  /** There is nothing to ask for yet. */
  clear(): void {
    this.#client = undefined;
    this.#now = { state: "none" };
  }

  /** Asks what a session cost that has ended. */
  async ask(client: Pick<RealtimeClient, "receipt">): Promise<void> {
    this.#client = client;
    this.#now = { state: "asked" };
    const now = await client.receipt().then(
      (receipt): Settlement => ({ state: "settled", receipt }),
      (error): Settlement => ({ state: "missing", problem: problemOf(error) }),
    );
    if (this.#client === client) this.#now = now;
  }
}
