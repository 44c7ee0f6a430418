// Waiting, and giving up.

import { DispatchError } from "./error.js";

/** Further attempts to reach a server that did not answer: how long to wait before each, and for how long in all. */
export class Backoff {
  readonly #patience: number;
  #attempts = 0;
  #since: number | undefined;

  /** Gives up after so many milliseconds. */
  constructor(patience: number) {
    this.#patience = patience;
  }

  /** How long to wait before the next attempt, in milliseconds. Throws when it is given up: that error, if there is one. */
  next(error?: unknown): number {
    const now = performance.now();
    this.#since ??= now;
    if (now - this.#since > this.#patience) {
      throw error ?? new DispatchError("unreachable", "the server cannot be reached");
    }
    const delay = Math.min(10_000, 125 * 2 ** this.#attempts);
    this.#attempts += 1;
    // A little more or less, so that not all clients of a server come back at once.
    return delay * (0.8 + 0.4 * Math.random());
  }

  /** The server has answered. */
  reset(): void {
    this.#attempts = 0;
    this.#since = undefined;
  }
}

/** Waits so long, or until the signal says that nobody waits any more: then it rejects with the signal's reason. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const slept = new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
  return signal ? orAborted(slept, signal) : slept;
}

/** As the promise, or rejected with the signal's reason if that comes first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** A name that nobody else has. Not all pages may use `randomUUID`. */
export function unique(): string {
  return crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
}
