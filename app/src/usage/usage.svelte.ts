// What was used, as it is read from the server.

import { type ApiKey, DispatchError, type UsageRow } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";
import { type Span, before, has } from "./days";
import type { Names } from "./figures";
import { type Part, span } from "./part";

/** The key of the ledger that the operator's keys use. */
export const LOCAL = "local";

/** The rows of a part of the ledger, and of as many days right before. */
export interface Usage {
  readonly part: Part;
  readonly span: Span;
  readonly rows: readonly UsageRow[];
  readonly earlier: readonly UsageRow[];
}

export class UsageModel {
  readonly #workspace: Workspace;
  readonly #now: () => number;
  #reading: AbortController | undefined;
  #usage = $state.raw<Usage>();
  #error = $state.raw<unknown>();
  #isReading = $state(false);
  #keys = $state.raw<readonly ApiKey[]>([]);
  #isOperator = $state<boolean>();
  #names = $derived(namesOf(this.#keys));

  constructor(workspace: Workspace, now: () => number = Date.now) {
    this.#workspace = workspace;
    this.#now = now;
  }

  /** What was read last. It stays while another part is read. */
  get usage(): Usage | undefined {
    return this.#usage;
  }

  /** Why the newest reading failed. */
  get error(): unknown {
    return this.#error;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  /** All keys, for the operator. */
  get keys(): readonly ApiKey[] {
    return this.#keys;
  }

  get names(): Names {
    return this.#names;
  }

  /** Whether the key in use is the operator's. Not known at first. */
  get isOperator(): boolean | undefined {
    return this.#isOperator;
  }

  /** Reads a part. An earlier reading that is still under way is given up. Nobody waits for a quiet one. */
  async read(part: Part, { isQuiet = false }: { readonly isQuiet?: boolean } = {}): Promise<void> {
    this.#reading?.abort();
    const { signal } = (this.#reading = new AbortController());
    this.#isReading ||= !isQuiet;
    const days = span(part, this.#now());
    try {
      const query = { from: before(days).from, to: days.to, ...(part.key !== undefined && { key: part.key }), signal };
      const { usage } = await this.#workspace.usage(query);
      if (signal.aborted) return;
      const rows = usage.filter(({ day }) => has(days, day));
      const earlier = usage.filter(({ day }) => !has(days, day));
      this.#usage = { part, span: days, rows, earlier };
      this.#error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.#error = error;
    }
    this.#isReading = false;
  }

  /** Reads what keys are called. That it is not allowed is known then, and no fault; without names there are ids. */
  async readKeys(): Promise<void> {
    try {
      this.#keys = await this.#workspace.keys.list();
      this.#isOperator = true;
    } catch (error) {
      if (error instanceof DispatchError && error.code === "operator-only") this.#isOperator = false;
    }
  }

  leave(): void {
    this.#reading?.abort();
  }
}

/** Keys go by their name, with a part of their id where several have the same one. */
export function namesOf(keys: readonly ApiKey[]): Names {
  const called = new Map<string, string>();
  const named = (name: string) => keys.filter((key) => key.name === name).length;
  for (const { id, name } of keys) {
    if (id !== LOCAL && name) called.set(id, named(name) > 1 ? `${name} (${id.slice(-4)})` : name);
  }
  return { key: (id) => called.get(id) ?? id, model: (model) => model || "No model" };
}
