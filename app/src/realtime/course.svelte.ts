// How a session does, one's own or somebody else's, as it is shown and told.

import type { DispatchError } from "@dispatch/client";
import { announce } from "../lib/announce.svelte";
import type { Meter } from "./meter.svelte";
import { type Phase, type Words, isRunning, wordsOf } from "./phases";
import { troubleOf } from "./problems";

/** Everything in it is reactive. */
export class Course {
  #phase = $state<Phase>("idle");
  #trouble = $state<string>();
  readonly #meter: Meter;

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  get phase(): Phase {
    return this.#phase;
  }

  get isRunning(): boolean {
    return isRunning(this.#phase);
  }

  get words(): Words {
    return wordsOf(this.#phase, { isStalled: this.#meter.isStalled, trouble: this.#trouble });
  }

  to(phase: Phase): void {
    this.#trouble = undefined;
    if (this.#phase === phase) return;
    this.#phase = phase;
    announce(wordsOf(phase).title);
  }

  /** It could not be set up, or was lost, and that is tried again. */
  retries(error: DispatchError): void {
    if (!this.isRunning) return;
    const trouble = troubleOf(error, this.#phase === "reconnecting");
    if (trouble !== this.#trouble) announce(trouble);
    this.#trouble = trouble;
  }
}
