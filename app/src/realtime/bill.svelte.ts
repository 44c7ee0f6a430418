// What a session has cost so far, as the server says it with each second.

import type { GenerationTick } from "@dispatch/client";
import { cost, isLow, secondsLeft } from "./cost";

/** What a session had cost before it is gone on with. */
export interface Earlier {
  readonly seconds: number;
  readonly credits: string;
}

const NONE: Earlier = { seconds: 0, credits: "0" };

/** Everything in it is reactive. */
export class Bill {
  #perSecond = $state("0");
  #earlier = $state.raw(NONE);
  /** Of the connections that were lost since, and of the one there is: each counts from 0. */
  #lost = $state(0);
  #ticked = $state(0);
  #left = $state<string>();
  #connections = $state(0);

  /** A session begins, or is gone on with. Its price is that of its beginning. */
  begin(perSecond: string, earlier: Earlier = NONE): void {
    this.#perSecond = perSecond;
    this.#earlier = earlier;
    this.#lost = this.#ticked = this.#connections = 0;
    this.#left = undefined;
  }

  /** There is a connection, the first one or another. */
  connected(): void {
    this.#connections += 1;
  }

  tick({ seconds, credits }: GenerationTick): void {
    this.#ticked = Math.max(this.#ticked, seconds);
    if (credits !== undefined) this.#left = credits;
  }

  /** The connection is gone. */
  lost(): void {
    this.#lost += this.#ticked;
    this.#ticked = 0;
  }

  get perSecond(): string {
    return this.#perSecond;
  }

  get seconds(): number {
    return this.#earlier.seconds + this.#lost + this.#ticked;
  }

  get cost(): string {
    return cost(this.#lost + this.#ticked, this.#perSecond, this.#earlier.credits);
  }

  get connections(): number {
    return this.#connections;
  }

  /** The credits that the key has left. Unknown before the first second, and of a key that does not run out. */
  get left(): string | undefined {
    return this.#left;
  }

  /** For how many more seconds they are enough. */
  get secondsLeft(): number {
    return this.#left === undefined ? Infinity : secondsLeft(this.#left, this.#perSecond);
  }

  get isLow(): boolean {
    return isLow(this.#left, this.#perSecond);
  }
}
