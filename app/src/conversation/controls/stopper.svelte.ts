// Ending the turn that runs: at once, or by pressing Escape twice.

import { announce } from "../../lib/announce.svelte";
import { toasts } from "../../lib/toasts.svelte";
import type { ConversationView } from "../view";

/** For how long the second Escape counts, in milliseconds. */
const TWICE = 2_000;

export class Stopper {
  readonly #view: Pick<ConversationView, "activeTurn" | "stop">;
  /** The turn that was asked to end. */
  #stopping = $state.raw<string>();
  #armed = $state.raw<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(view: Pick<ConversationView, "activeTurn" | "stop">) {
    this.#view = view;
  }

  /** Whether the running turn was asked to end. Reactive, as is the other. */
  get isStopping(): boolean {
    return this.#stopping !== undefined && this.#stopping === this.#view.activeTurn;
  }

  /** Whether Escape was pressed once. */
  get isArmed(): boolean {
    return this.#armed !== undefined && this.#armed === this.#view.activeTurn && !this.isStopping;
  }

  async stop(): Promise<void> {
    const turn = this.#view.activeTurn;
    if (turn === undefined || this.isStopping) return;
    this.#stopping = turn;
    try {
      await this.#view.stop();
    } catch (error) {
      if (this.#stopping === turn) this.#stopping = undefined;
      toasts.fail(error, "stop the turn");
    }
  }

  escape(): void {
    if (this.#view.activeTurn === undefined || this.isStopping) return;
    if (this.isArmed) {
      this.#disarm();
      return void this.stop();
    }
    this.#disarm();
    this.#armed = this.#view.activeTurn;
    announce("Press Escape again to stop the turn.");
    this.#timer = setTimeout(() => this.#disarm(), TWICE);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#armed = undefined;
  }
}
