// The keys of the ledger, as they are read from the server and changed on it.

import { type ApiKey, type CreateKeyRequest, type CreateKeyResponse, type CreditKeyRequest, DispatchError } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";

export type KeysState =
  | "reading"
  | "ready"
  /** They are the operator's, and the key in use is not. */
  | "closed"
  | "failed";

export class KeysModel {
  readonly #workspace: Workspace;
  #state = $state<KeysState>("reading");
  #keys = $state.raw<readonly ApiKey[]>([]);
  #error = $state.raw<unknown>();
  /** Counts readings and changes: what was asked for before one of them is not looked at after it. */
  #change = 0;

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  get state(): KeysState {
    return this.#state;
  }

  /** In the order in which they were made. */
  get keys(): readonly ApiKey[] {
    return this.#keys;
  }

  /** Why they could not be read. What was read before stays. */
  get error(): unknown {
    return this.#error;
  }

  async read(): Promise<void> {
    this.#change += 1;
    const change = this.#change;
    try {
      const keys = await this.#workspace.keys.list();
      if (change !== this.#change) return;
      this.#keys = keys;
      this.#state = "ready";
      this.#error = undefined;
    } catch (error) {
      if (change !== this.#change) return;
      const isClosed = error instanceof DispatchError && error.code === "operator-only";
      this.#state = isClosed ? "closed" : this.#keys.length > 0 ? "ready" : "failed";
      this.#error = isClosed ? undefined : error;
    }
  }

  async create(request: CreateKeyRequest): Promise<CreateKeyResponse> {
    const made = await this.#workspace.keys.create(request);
    this.#change += 1;
    this.#keys = [...this.#keys, made.key];
    return made;
  }

  async credit(id: string, request: CreditKeyRequest): Promise<ApiKey> {
    const key = await this.#workspace.keys.credit(id, request);
    this.#change += 1;
    this.#keys = this.#keys.map((old) => (old.id === id ? key : old));
    return key;
  }

  async revoke(id: string): Promise<void> {
    await this.#workspace.keys.revoke(id);
    // When exactly, the server knows.
    await this.read();
  }
}
