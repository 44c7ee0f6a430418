// What was asked of a surface. A server answers an action with a change of the surface or with a refusal; older ones
// answer with nothing when nothing has changed.

import type { Workspace } from "@dispatch/client/workspace";
import { SvelteMap } from "svelte/reactivity";
import { type Explanation, explain } from "../lib/errors";

/** How an action does, from when it was asked for until the surface shows what came of it. */
export type ActionState =
  /** The server has it, or will have it in a moment. `payload` is what the field is to become. */
  | { readonly state: "pending"; readonly payload: unknown }
  /** There was no answer for a while. */
  | { readonly state: "late"; readonly payload: unknown }
  | { readonly state: "refused"; readonly problem: Explanation };

/** How long an answer is waited for, in milliseconds, before the field can be used again. */
const PATIENCE = 20_000;

const OFFLINE: Explanation = { text: "There is no connection to the server.", hint: "Try again when it is back." };

/** The actions of one surface, of one conversation. */
export class Actions {
  readonly #workspace: Workspace;
  readonly #surface: { readonly surfaceId: string; readonly conversationId?: string | undefined };
  readonly #states = new SvelteMap<string, ActionState>();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    workspace: Workspace,
    surface: { readonly surfaceId: string; readonly conversationId?: string | undefined },
  ) {
    this.#workspace = workspace;
    this.#surface = surface;
  }

  /** How that action does; undefined if nothing is to be said of it. Reactive. */
  of(actionId: string): ActionState | undefined {
    return this.#states.get(actionId);
  }

  /** Whether the server was asked for it and has not answered. Reactive. */
  isPending(actionId: string): boolean {
    return this.of(actionId)?.state === "pending";
  }

  /** What a field is to become, or else what it is. Reactive. */
  shown<Value>(actionId: string, value: Value): Value {
    const state = this.of(actionId);
    return state?.state === "pending" ? (state.payload as Value) : value;
  }

  /** Asks for it. */
  run(actionId: string, payload?: unknown): void {
    this.#settle(actionId);
    if (this.#workspace.link.state !== "open") {
      this.#states.set(actionId, { state: "refused", problem: OFFLINE });
      return;
    }
    this.#states.set(actionId, { state: "pending", payload });
    this.#timers.set(
      actionId,
      setTimeout(() => this.#states.set(actionId, { state: "late", payload }), PATIENCE),
    );
    this.#workspace.invoke({ ...this.#surface, actionId, ...(payload !== undefined && { payload }) });
  }

  /** The surface was given anew: what it says now is the answer. */
  answered(): void {
    for (const [actionId, { state }] of this.#states) {
      if (state !== "refused") this.#settle(actionId);
    }
  }

  /** The server refuses an action of this surface, and does not say which. It does them in their order. */
  refused(error: unknown): void {
    const waiting = [...this.#states].find(([, { state }]) => state !== "refused");
    if (!waiting) return;
    this.#settle(waiting[0]);
    this.#states.set(waiting[0], { state: "refused", problem: explain(error) });
  }

  /** Waits for nothing any more. */
  leave(): void {
    for (const actionId of this.#timers.keys()) this.#settle(actionId);
  }

  #settle(actionId: string): void {
    clearTimeout(this.#timers.get(actionId));
    this.#timers.delete(actionId);
    this.#states.delete(actionId);
  }
}
