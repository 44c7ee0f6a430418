// What the key in use has left.

import type { KeyResponse } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";
import { decimal, micros } from "./credits";

export class Own {
  #key = $state.raw<KeyResponse>();
  #reading = 0;
  /** Whose it is. */
  #owner: unknown;

  /** The key in use. Not known of client tokens, which see no balance, and before it was read. Reactive. */
  get key(): KeyResponse | undefined {
    return this.#key;
  }

  /** The credits that can be used, a decimal. Nothing, if it is not known or they never run out. Reactive. */
  get left(): string | undefined {
    if (this.#key?.funds !== "prepaid") return undefined;
    const { balance, held } = this.#key;
    return decimal(micros(balance) - micros(held));
  }

  /** What was read stays, while and when it cannot be read again. */
  async read(workspace: { readonly keys: Pick<Workspace["keys"], "self"> }): Promise<void> {
    this.#reading += 1;
    const reading = this.#reading;
    if (workspace !== this.#owner) this.#key = undefined;
    this.#owner = workspace;
    const key = await workspace.keys.self().catch(() => undefined);
    if (key && reading === this.#reading) this.#key = key;
  }
}
